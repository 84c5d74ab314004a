# The words a newcomer needs: `make demo` shows the main job, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check lint bench clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## set up, then show a simulated cluster being switched on
	@$(BIN)/python tests/demo.py

test: $(STAMP)  ## run all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term

lint: $(STAMP)  ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test  ## exactly what CI runs

bench: $(STAMP)  ## measure, side by side in one run
	$(BIN)/python -m tests.bench

clean:  ## remove what the other targets made
	rm -rf $(VENV) .demo .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info build
