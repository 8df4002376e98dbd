# Evenkeel with the Open vSwitch that its lab needs. The controller alone needs no privilege; labs and the demo do:
#   docker run --rm --privileged evenkeel demo
FROM debian:12-slim

WORKDIR /opt/evenkeel
COPY .ci/debian-packages .ci/
RUN .ci/debian-packages ca-certificates python3 python3-venv openvswitch-switch iproute2 ethtool \
 && rm -rf /var/lib/apt/lists/*

COPY requirements.txt ./
RUN python3 -m venv .venv && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

COPY pyproject.toml ./
COPY controller controller
COPY flows flows
COPY p4src p4src
COPY topo topo
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

ENV PATH=/opt/evenkeel/.venv/bin:$PATH
WORKDIR /var/lib/evenkeel
ENTRYPOINT ["evenkeel"]
CMD ["--help"]
