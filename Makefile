# Needs only Python 3.11 or newer and make. `make help` lists what there is.
PYTHON ?= python3
PORT ?= 8400
DATA_DIR ?= .data
JOBS ?= 2
PYTEST_ARGS ?=
SPECS ?= specs
# What `make bundle` packs for: the parameters Architecture and Runtime of infra/template.yaml say the same.
LAMBDA_ARCH ?= arm64
LAMBDA_PYTHON ?= 3.13
POLICY ?= policy.yaml

VENV := .venv
BIN := $(VENV)/bin
AWS_VENV := .venv-aws
BENCH_VENV := .venv-bench
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
COMPILE += --custom-compile-command 'make lock'
# Amazon Linux 2023 has glibc 2.34; pip wants every kind of wheel named that may be taken.
GLIBC := 34 33 32 31 30 29 28 27 26 25 24 23 22 21 20 19 18 17
WHEELS = $(foreach minor,$(GLIBC),--platform manylinux_2_$(minor)_$(LAMBDA_ARCH:arm64=aarch64))
WHEELS += --platform manylinux2014_$(LAMBDA_ARCH:arm64=aarch64) --only-binary :all: --implementation cp

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test test-slow lint format bench bench-quick bench-cold bench-guard bundle lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make .venv with the locked packages and this project

install-dev: $(VENV)/.installed-dev $(AWS_VENV)/.installed

run: install ## Serve with the provider sandbox on port 8400 (PORT=…), data in .data
	@exec $(BIN)/integrations serve --sandbox --port $(PORT) --data-dir $(DATA_DIR)

test: lint ## Lint, types, layers, specs and all quick tests
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

test-slow: install-dev ## The tests that take seconds each
	@$(BIN)/python -m pytest -q -m slow $(PYTEST_ARGS)

lint: install-dev ## Style, types, layers and specs
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo 'not formatted: run make format'; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/spec-lint $(SPECS)

format: install-dev ## Format and mend what can be mended mechanically
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .

bench: install-dev $(BENCH_VENV)/.installed ## The engine beside hand-written clients and its peers, a quarter of an hour
	@$(BIN)/python -m bench.everything $(BENCH_ARGS)

bench-quick: install-dev ## The engine against hand-written clients, under a minute
	@$(BIN)/python -m bench.quick $(BENCH_ARGS)

bench-cold: install-dev ## How long a function takes to start
	@$(BIN)/python -m bench.cold_start $(BENCH_ARGS)

bench-guard: install-dev ## How much work fixed jobs are, beside what they were; BENCH_ARGS=--record keeps it
	@$(BIN)/python -m bench.instructions $(BENCH_ARGS)

bundle: install ## Make build/lambda.zip for AWS (POLICY=…, LAMBDA_ARCH=…, LAMBDA_PYTHON=…; see infra/README.md)
	@rm -rf build/lambda build/lambda.zip
	@$(PIP) --target build/lambda --no-deps --require-hashes --python-version $(LAMBDA_PYTHON) $(WHEELS) -r requirements-aws.lock
	@$(BIN)/python -m infra.bundle --packages build/lambda --policy $(POLICY) build/lambda.zip

# Hashes of every wheel for Python 3.11 and newer on every platform; existing pins stay unless UPGRADE=--upgrade.
lock: $(BIN)/python ## Make the requirements*.lock files again
	@$(PIP) uv
	@$(COMPILE) $(UPGRADE) --extra aws --group dev pyproject.toml -o requirements-dev.lock
	@$(COMPILE) --constraint requirements-dev.lock pyproject.toml -o requirements.lock
	@$(COMPILE) --constraint requirements-dev.lock --extra aws pyproject.toml -o requirements-aws.lock
	@$(COMPILE) --constraint requirements-dev.lock --group build -o requirements-build.lock
	@$(COMPILE) $(UPGRADE) tests/aws/requirements.in -o tests/aws/requirements.lock
	@$(COMPILE) $(UPGRADE) bench/contestants/requirements.in -o bench/contestants/requirements.lock

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is needed; name one with PYTHON=…'; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Both stamps are touched last, so an install that was broken off is done again.
$(VENV)/.installed: requirements.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@$(PIP) --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

# AWS's stand-in for tests pins its own botocore, so it lives apart.
$(AWS_VENV)/.installed: tests/aws/requirements.lock | $(BIN)/python
	@$(PYTHON) -m venv $(AWS_VENV)
	@$(AWS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/aws/requirements.lock
	@touch $@

# The benchmark's peers bring two hundred packages that nothing else here needs.
$(BENCH_VENV)/.installed: bench/contestants/requirements.lock | $(BIN)/python
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/contestants/requirements.lock
	@touch $@
