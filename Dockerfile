# Two images of one build.
#   docker build --target runtime -t evenkeel:runtime .   the controller: no root, works with a read-only root
#   docker build --target lab -t evenkeel:lab .           also switches, servers and clients, for compose.yaml
# Where no registry can be reached, .ci/docker-base makes BASE. BMV2=$BASE leaves BMv2 out of the lab image.
ARG BASE=debian:12-slim
ARG BMV2=p4lang/behavioral-model:latest

FROM ${BASE} AS build
WORKDIR /opt/evenkeel
COPY .ci/debian-packages .ci/
RUN .ci/debian-packages --required ca-certificates python3 python3-venv
COPY requirements.txt ./
RUN python3 -m venv .venv \
 && .venv/bin/python -m pip --disable-pip-version-check install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml ./
COPY controller controller
COPY flows flows
COPY p4src p4src
COPY topo topo
RUN .venv/bin/python -m pip --disable-pip-version-check install --no-cache-dir --no-deps . \
 && .venv/bin/python -m pip --disable-pip-version-check uninstall --quiet --yes pip setuptools \
 && find .venv -type d -name tests -prune -exec rm -rf {} +

FROM ${BASE} AS runtime
COPY .ci/debian-packages /usr/local/lib/evenkeel/
RUN /usr/local/lib/evenkeel/debian-packages --required python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && groupadd --gid 10000 evenkeel \
 && useradd --uid 10000 --gid 10000 --home-dir /var/lib/evenkeel --create-home --skel /nonexistent evenkeel
COPY --from=build /opt/evenkeel/.venv /opt/evenkeel/.venv
ENV PATH=/opt/evenkeel/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER 10000:10000
WORKDIR /var/lib/evenkeel
VOLUME /var/lib/evenkeel
# Of a controller with its store at the default place.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["evenkeel", "status", "--json"]
ENTRYPOINT ["evenkeel"]
CMD ["--help"]

# The switch and the libraries that it was built with; Debian's C library is newer than that image's, and serves both.
FROM ${BMV2} AS bmv2
COPY .ci/gather-bmv2 /
RUN /gather-bmv2 /bmv2

FROM runtime AS lab
USER root
RUN /usr/local/lib/evenkeel/debian-packages --required openvswitch-switch iproute2 iputils-ping ethtool \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=bmv2 /bmv2/ /
HEALTHCHECK NONE
