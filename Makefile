# All set-up is done by the targets themselves: `make demo` and `make test` need nothing but Python 3.11.
PYTHON ?= python3

# Tests start hundreds of Python processes: that each compiles all of its modules again costs more than some tests do.
unexport PYTHONDONTWRITEBYTECODE

LAB_PACKAGES = openvswitch-switch iproute2 iputils-ping ethtool etcd-server openssl haproxy
TEST_PACKAGES = prometheus mandoc frr bind9-dnsutils unbound
BENCH_PACKAGES = nginx-light wrk iperf3 gcc libc6-dev knot gdnsd dnsperf

BIN = .venv/bin
# The name holds what the environment was made from, so that a change of it is noticed.
READY := .venv/ready-$(shell cat requirements-dev.txt pyproject.toml | cksum | cut -d ' ' -f 1)
PIP = $(BIN)/python -m pip --disable-pip-version-check --retries 5 --timeout 60

IS_ROOT := $(filter 0,$(shell id -u))

.DEFAULT_GOAL := help
.PHONY: help demo test test-long soak fresh image compose-test bench docs man fuzz coverage messages baseline wheel p4 shell lint types venv lab-packages test-packages \
  bench-packages root pins clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: venv $(if $(IS_ROOT),lab-packages)  ## break fabrics under load and count what was lost (6 minutes; simulated without root)
	$(BIN)/evenkeel demo
	$(if $(IS_ROOT),$(BIN)/evenkeel demo --switch embedded --short --out out/p4)
	$(if $(IS_ROOT),$(BIN)/evenkeel demo --topology two-site-small --short --out out/sites)

test: lint types lab-packages test-packages shell  ## lint, types, unit, conformance and lab tests (lab tests need root)
	$(BIN)/python -m tests.beside -m 'not long'

# Without .venv: what is judged is a system that has none.
fresh: root  ## demo and test (or ONLY=demo, ONLY=test) on a bare Debian 12, built for it and removed (root, half an hour)
	@.ci/fresh $(or $(ONLY),demo test)

# IMAGE_FLAGS go to docker build, such as '--network host' or '--build-arg BMV2=debian:12-slim' (no BMv2).
image:  ## the images evenkeel:runtime and evenkeel:lab (docs/docker.md)
	@.ci/images $(IMAGE_FLAGS)

compose-test: venv  ## compose.yaml under load, an lb container killed: EVENKEEL_SWITCH=embedded or bmv2 (3 minutes)
	$(BIN)/python -m tests.compose.trial

SOAK_SEEDS = 1 2 3
SOAK_KINDS = ovs embedded
SITES_MINUTES = 15

soak: root venv lab-packages  ## edits, deaths and clock steps at random, and faults of two sites, on ovs and embedded (2 h; root)
	@failed=; for kind in $(SOAK_KINDS); do \
	  for run in $(SOAK_SEEDS:%=%/5) 4/15; do \
	    seed=$${run%/*} minutes=$${run#*/} out=out/soak/$$kind-$$seed; mkdir -p $$out; \
	    echo "soak: $$kind, seed $$seed, $$minutes minutes: $$out"; \
	    $(BIN)/evenkeel soak --seed $$seed --minutes $$minutes --switch $$kind --out $$out > $$out/output 2>&1 \
	      || failed="$$failed $$kind/$$seed"; \
	    grep -E '^(connections|counted|refused|suspects|broken beyond|not passed|soak)' $$out/output; \
	  done; \
	  out=out/soak/sites-$$kind; mkdir -p $$out; \
	  echo "soak: two sites, $$kind, seed 1, $(SITES_MINUTES) minutes: $$out"; \
	  $(BIN)/evenkeel soak --topology two-site-small --seed 1 --minutes $(SITES_MINUTES) --switch $$kind --out $$out \
	    > $$out/output 2>&1 || failed="$$failed sites/$$kind"; \
	  grep -E '^(connections|episodes|longest|two owners|broken beyond|not passed|soak)' $$out/output; \
	done; \
	test -z "$$failed" || { echo "soak: did not pass:$$failed" >&2; exit 1; }

test-long: root lint types lab-packages test-packages shell  ## all of make test, what takes too long for every change, and the soak (3 h; root)
	EVENKEEL_LONG=1 $(BIN)/pytest
	@$(MAKE) --no-print-directory soak

bench: root venv lab-packages bench-packages  ## measure everything (root)
	$(BIN)/evenkeel bench all

docs: venv  ## generate docs/reference again from the code
	$(BIN)/python -m tests.reference

man: venv  ## manual pages of all commands, in out/man
	$(BIN)/evenkeel man out/man

SEED = 1
INPUTS = 1000000
MINUTES = 20

# One target: make fuzz TARGET=frames SEED=2. They end after INPUTS, or MINUTES of processor time.
fuzz: venv  ## hostile inputs for everything that takes any: TARGET, SEED, INPUTS, MINUTES (docs/fuzzing.md)
	@failed=; for target in $(or $(TARGET),$$($(BIN)/python -m tests.fuzz --list)); do \
	  $(BIN)/python -m tests.fuzz $$target --seed $(SEED) --inputs $(INPUTS) --minutes $(MINUTES) || failed="$$failed $$target"; \
	done; test -z "$$failed" || { echo "fuzz: did harm:$$failed" >&2; exit 1; }

coverage: venv  ## branches of the pure modules that unit tests reach; fails below the floor of 95 %
	mkdir -p out
	$(BIN)/coverage run -m pytest -q tests/unit
	$(BIN)/coverage json --quiet -o out/coverage.json
	$(BIN)/python -m tests.branches out/coverage.json

messages: venv  ## make the API's messages again from controller/api/proto
	$(BIN)/python -m controller.api.compile

wheel: venv  ## the client alone as a wheel, evenkeel-client, in out/
	$(BIN)/python -m controller.api.wheel out

p4: venv  ## compile the P4 programs again into p4src/build (needs p4c-bm2-ss on PATH)
	$(BIN)/python -m p4src.compile

# What clients were built against. Nothing in it may be taken away or changed; what was added since may.
BASELINE = controller/api/baseline.binpb

baseline: venv  ## promise the API as it is now: after a release
	$(BIN)/buf build controller/api/proto --exclude-source-info -o $(BASELINE)

lint: venv  ## style, layout, and that the API has nothing less than before
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/buf lint controller/api/proto
	$(BIN)/buf breaking controller/api/proto --against $(BASELINE)

types: venv  ## strict type check
	$(BIN)/mypy

venv: $(READY)  ## the environment in .venv, from pinned versions with hashes

$(READY):
	@PYTHON='$(PYTHON)' .ci/python-ready
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo 'making .venv (half a minute)'; $(PYTHON) -m venv --clear .venv; }
	$(PIP) install --quiet --require-hashes -r requirements-dev.txt
	@# xds-protos writes older messages over these, if it is installed later.
	@sed -n '/^opentelemetry-proto==/,/[^\\]$$/p' requirements-dev.txt > .venv/again.txt
	$(PIP) install --quiet --require-hashes --force-reinstall --no-deps -r .venv/again.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	rm -f .venv/ready-*
	touch $@

# An independent P4Runtime client for tests; its protobuf is one that the controller cannot live with.
shell: .venv-shell/ready

.venv-shell/ready: requirements-shell.txt
	@PYTHON='$(PYTHON)' .ci/python-ready
	$(PYTHON) -m venv --clear .venv-shell
	.venv-shell/bin/python -m pip --disable-pip-version-check --retries 5 --timeout 60 install --quiet \
	  --require-hashes -r requirements-shell.txt
	touch $@

lab-packages:
	@.ci/debian-packages $(LAB_PACKAGES)

test-packages:
	@.ci/debian-packages $(TEST_PACKAGES)

bench-packages:
	@.ci/debian-packages --required $(BENCH_PACKAGES)

root:
	@test "$$(id -u)" = 0 || { echo 'this builds network namespaces, which needs root: run it with sudo' >&2; exit 1; }

pins:  ## pin again from pyproject.toml, to the newest versions (needs uv)
	uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command 'make pins' pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command 'make pins' --extra dev --extra otel -c requirements.txt pyproject.toml -o requirements-dev.txt
	printf 'p4runtime-shell\nprotobuf<3.21\n' | uv pip compile --quiet --universal --upgrade --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command 'make pins' --python-version 3.11 - \
	  -o requirements-shell.txt

clean:  ## remove everything that these targets made
	rm -rf .venv .venv-shell out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
