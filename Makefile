# Every target is one call of a script or tool; see CONTRIBUTING.md.
#   make run      serve the quick start example on http://127.0.0.1:8000
#   make test     all tests on one Python; FAST=1 leaves out the slow ones
#   make test-all every Python found, the sanitizers, the fuzzers, the suites
#   make suites   the tests of Starlette, FastAPI and uvicorn, over HTTP
# PYTHON=python3.12 picks the interpreter (3.10 or newer, with headers).

PYTHON ?= python3
FUZZ_SECONDS ?= 60
VENV := .venv

SOURCES := $(shell find src include python -name __pycache__ -prune -o \
	-print 2>/dev/null) meson.build meson.options pyproject.toml \
	third_party/meson.build

export PYTHON

.DEFAULT_GOAL := build
.PHONY: run build test test-all sanitize suites bench fuzz format check clean FORCE
.DELETE_ON_ERROR:

run: build
	$(VENV)/bin/inlay run app:app --app-dir examples/quickstart \
		--host 127.0.0.1 --port 8000

build: $(VENV)/.built

test: build $(VENV)/.dev
	scripts/test.sh

test-all: build $(VENV)/.dev
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/test_all.sh

sanitize: build $(VENV)/.dev
	scripts/asan.sh --ignore=tests/py/cli

suites: build
	scripts/suites.sh

bench: build $(VENV)/.dev
	scripts/setup.sh bench
	$(VENV)/bin/python bench/run.py

fuzz: build
	scripts/fuzz.sh $(FUZZ_SECONDS)

format: $(VENV)/.dev
	scripts/format.sh

check: $(VENV)/.dev
	scripts/check.sh

clean:
	rm -rf build $(VENV) .pytest_cache .mypy_cache .ruff_cache

# What the targets above stand on; each file's date says when it was done.

$(VENV)/.built: $(VENV)/.run third_party/.stamp scripts/build.sh $(SOURCES)
	scripts/build.sh $(VENV)
	@touch $@

third_party/.stamp: scripts/fetch_third_party.py | $(VENV)/.run
	$(VENV)/bin/python scripts/fetch_third_party.py
	@touch $@

$(VENV)/.run: build/.setup scripts/venv.sh requirements/run.txt
	scripts/venv.sh $(VENV) requirements/run.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	scripts/venv.sh $(VENV) requirements/dev.txt
	@touch $@

build/.setup: build/.python scripts/setup.sh
	scripts/setup.sh
	@touch $@

build/.python: FORCE
	@mkdir -p build
	@echo '$(PYTHON)' | cmp -s - $@ || echo '$(PYTHON)' > $@

FORCE:
