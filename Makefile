# `make demo` and `make test` are all a newcomer needs; both set everything up in .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test conformance interop check bench lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

setup: $(VENV)/.ready ## create .venv with everything pinned

demo: setup ## the real daemon in front of a strict Lemmy stand-in and a small fediverse on loopback
	@$(BIN)/python -m tests.support.demo

test: setup ## all tests
	@$(BIN)/python -m pytest

conformance: setup ## the matrix of HTTP signatures through the running daemon, as a table
	@$(BIN)/python -m tests.conformance.run

interop: setup ## signing stacks that others wrote deliver through the daemon (needs node and npm)
	@$(PYTHON) -m venv tests/interop/$(VENV)
	@tests/interop/$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/interop/requirements.txt
	@cd tests/interop && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts
	@cd tests/interop/httpsig && go build -o ../bin/httpsig . || echo "without go there is no go-fed/httpsig"
	@$(BIN)/python -m pytest tests/interop

check: setup ## style, types, floors
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup ## speed, beside what you would run instead, as ratios
	@$(BIN)/python -m bench

lock: setup ## pin the newest versions of what requirements*.in names
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements.in requirements-dev.in -o requirements-dev.txt

clean: ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
