# fedprobe: `make demo` and `make test` do all their own set-up; nothing is done twice.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.setup-done
# the first Python from 3.11 on
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# by sudo where it asks no password; else as whoever calls: an ordinary user emulates in namespaces of his own, and the
# tests that need root are skipped
ROOT := $(shell [ "$$(id -u)" = 0 ] || { sudo -n true 2>/dev/null && echo 'sudo -n --preserve-env=PATH'; })
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup programs test-programs demo test test-long test-flower-versions check bench foreign-app wheel clean

help:
	@echo 'make demo         set up, then compare Ethernet, WiFi and 5G on an emulated testbed'
	@echo 'make test         set up, then run the tests'
	@echo 'make check        lint, types, and who may import whom'
	@echo 'make test-long    proofs that take longer'
	@echo 'make test-flower-versions  the probes on every Flower that they support, and under its simulation'
	@echo 'make bench        what the instrument costs, as ratios'
	@echo 'make foreign-app  measure a Flower app that knows nothing of fedprobe'
	@echo 'make setup        only the set-up of the demo: .venv, and the programs of the system'

setup: $(DONE)

$(DONE): pyproject.toml
	@$(MAKE) --no-print-directory programs
	@python=$(PYTHON); python=$${python:-$$(command -v python3.11 || command -v python3)}; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'fedprobe needs Python 3.11 or newer. Debian 12 and Raspberry Pi OS 12 have it as python3.' >&2; exit 1; }; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV)
	@echo 'setup: installing Python packages into $(VENV)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[controller,dev]'
	@touch $(DONE)

# program:Debian package. Services of the packages are not started.
NEEDED := ip:iproute2 tc:iproute2 ss:iproute2 iptables:iptables sshd:openssh-server ssh-keygen:openssh-client \
	tcpdump:tcpdump iperf3:iperf3 ping:iputils-ping ps:procps unshare:util-linux
# what tests and benchmarks hold it against: a browser, databases, and where Grafana's schema and the Flux checker run
TESTED_WITH := chromium:chromium influxd:influxdb victoria-metrics:victoria-metrics node:nodejs npm:npm

programs:
	@missing=; \
	for pair in $(NEEDED); do \
		PATH="$$PATH:/usr/sbin:/sbin" command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; done; \
	python=$(PYTHON); "$${python:-python3}" -c 'import venv, ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	[ -z "$$missing" ] && exit 0; \
	missing=$$(printf '%s\n' $$missing | sort -u | tr '\n' ' '); \
	install="apt-get install -y --no-install-recommends $$missing"; \
	if ! command -v apt-get >/dev/null; then \
		echo "setup: this system lacks: $$missing(names of Debian packages). Install them with its own tools." >&2; exit 0; fi; \
	if [ "$$(id -u)" != 0 ] && [ -z '$(ROOT)' ]; then \
		echo "setup: some tests and the demo need programs that root must install: sudo $$install" >&2; exit 0; fi; \
	echo "setup: installing $$missing"; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then printf '#!/bin/sh\nexit 101\n' | $(ROOT) tee $$policy >/dev/null; \
		$(ROOT) chmod 755 $$policy; trap "$(ROOT) rm -f $$policy" EXIT; fi; \
	$(ROOT) apt-get update -qq && $(ROOT) env DEBIAN_FRONTEND=noninteractive $$install >/dev/null

test-programs:
	@$(MAKE) --no-print-directory programs NEEDED='$(NEEDED) $(TESTED_WITH)'

# what tests hold dashboards against; without npm those tests are skipped
NPM := $(VENV)/npm

$(NPM)/.done: tests/npm/package.json tests/npm/package-lock.json | $(DONE) test-programs
	@command -v npm >/dev/null || { echo 'setup: no npm: dashboards are not held against their schema' >&2; exit 0; }; \
	mkdir -p $(NPM) && cp $^ $(NPM) && echo 'setup: installing npm packages into $(NPM)' && \
	npm ci --prefix $(NPM) --silent --no-audit --no-fund && touch $@

demo: setup
	@$(ROOT) $(BIN)/fedprobe run quickstart

test: setup test-programs $(NPM)/.done
	@$(ROOT) $(PYTEST)

test-long: setup test-programs $(NPM)/.done
	@FEDPROBE_TIERS=long $(ROOT) $(PYTEST)

test-flower-versions: setup
	@$(BIN)/python -m tests.flower.versions

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

foreign-app: setup
	@$(BIN)/python -m testbed.foreign_app

bench: setup test-programs
	@$(ROOT) $(BIN)/python -m tests.bench

wheel: setup
	@$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
