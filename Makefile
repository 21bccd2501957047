# Everything a fresh machine needs is set up by the targets themselves; only Python 3.11+ and make must be there.
PYTHON ?= python3
BIN := .venv/bin
UNIT := -m "not node and not system and not deploy"

.DEFAULT_GOAL := help
.PHONY: help setup run test unit lint template lock bench clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):[^#]*## /\1\t/' | expand -t 12

setup: $(BIN)/.dev ## install everything for development into .venv

run: $(BIN)/.run ## run the chain pipeline on a real bitcoind, then keep serving (ONCE=1: stop when it is done)
	$(BIN)/isthmus run $(if $(PORT),--port $(PORT)) $(if $(ONCE),--once)

test: lint ## every check and every test
	$(BIN)/pytest -n 2 --dist loadfile

unit: $(BIN)/.dev ## the quick tests only
	$(BIN)/pytest -n 2 --dist loadfile $(UNIT)

lint: $(BIN)/.dev ## style, types and dependency rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

template: $(BIN)/.dev ## write what is derived from the operations: template.yaml, OpenAPI document, pages
	$(BIN)/python -m infra.template

lock: $(BIN)/.dev ## pin what the requirements ask for, with hashes
	$(BIN)/python -m infra.template.lock

bench: $(BIN)/.dev ## measure; prints `id value unit` and writes build/bench.json
	$(BIN)/python -m tests.performance

clean: ## remove what was built or downloaded into this folder
	rm -rf .venv .isthmus .aws-sam build

$(BIN)/.run: requirements/bootstrap.txt requirements/run.txt pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  $(PYTHON) -c 'import sys; sys.exit("Isthmus needs Python 3.11 or newer: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)' && \
	  $(PYTHON) -m venv .venv; }
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
	$(BIN)/python -m pip install --quiet --require-hashes --no-build-isolation -r requirements/run.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

$(BIN)/.dev: $(BIN)/.run requirements/dev.txt
	$(BIN)/python -m pip install --quiet --require-hashes --no-build-isolation -r requirements/dev.txt
	@touch $@
