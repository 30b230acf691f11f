# Two commands matter most: `make run` (the product with a sample brand) and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODE := console domain emulator gateway handlers scheduler services storage templates
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help run setup check test bench faults features screenshots lock format clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: $(VENV)/runtime ## gateway, emulator and a sample brand on this machine; again keeps its data
	@$(BIN)/advisor-gateway demo --data-dir var/demo

setup: $(VENV)/dev ## the virtual environment with everything for developing
	@echo "ready: $(BIN)/advisor-gateway --help"

check: $(VENV)/dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE) tests
	$(BIN)/lint-imports

test: $(VENV)/dev ## everything that needs no root; what is optional and missing is said
	@mkdir -p build
	$(BIN)/pytest -n $(WORKERS) --junitxml=build/tests.xml

bench: $(VENV)/dev ## throughput as ratios to a bare aiohttp server and client, in one interleaved run
	$(BIN)/python -m tests.load.bench

faults: $(VENV)/dev ## the fault tests at full length: 100 kills under load
	ADVISOR_KILL_CYCLES=100 $(BIN)/pytest -s tests/faults

features: $(VENV)/dev ## run the tests, then the table of features and the tests that prove them
	@mkdir -p build
	$(BIN)/pytest -q -n $(WORKERS) --junitxml=build/tests.xml
	$(BIN)/python -m tests.features build/tests.xml

screenshots: $(VENV)/dev ## the pictures of README and docs, made by the browser test
	ADVISOR_SCREENSHOTS=docs/images $(BIN)/pytest -q tests/e2e

lock: $(VENV)/dev ## make both lock files again from setup.cfg
	echo 'setuptools>=77' | $(LOCK) setup.cfg - -o requirements.lock
	echo 'setuptools>=77' | $(LOCK) setup.cfg - --extra dev -c requirements.lock -o requirements-dev.lock
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url

format: $(VENV)/dev ## format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was built; data under var/ stays
	rm -rf build $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 run"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements.lock setup.cfg | $(VENV)/bin/python
	@echo "installing what the lock names ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: requirements-dev.lock setup.cfg | $(VENV)/bin/python
	@echo "installing what the lock names ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/runtime
