# The words a newcomer needs: `make demo` shows the main job, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
TESTS := $(VENV)/.tests

.PHONY: demo test check lint bench lab-netboot lab-system lab-swarm lab-heal lock wheelhouse deb man clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(RUNS): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(TESTS): $(RUNS)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(RUNS)  ## set up, then show a simulated cluster being switched on
	@$(BIN)/python tests/demo.py

test: $(TESTS)  ## run all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term

lab-netboot: $(TESTS)  ## boot nodes in the lab: real servers, boot ROMs, real kernels (root, Debian)
	$(BIN)/python -m tests.lab.prepare
	timeout --signal=INT --kill-after=60 720 $(BIN)/python -m pytest --durations=10 tests/lab/suites/netboot

lab-system: $(TESTS)  ## install Grape on fresh machines with systemd (root, Debian)
	$(BIN)/python -m tests.lab.prepare
	timeout --signal=INT --kill-after=60 900 $(BIN)/python -m pytest -n 2 --dist loadfile --durations=15 tests/lab/suites/system

lab-swarm: $(TESTS)  ## real Docker engines in a real swarm, on machines that a rack switches (root, Debian)
	$(BIN)/python -m tests.lab.prepare
	timeout --signal=INT --kill-after=60 600 $(BIN)/python -m pytest -n 2 --dist loadfile --durations=15 tests/lab/suites/swarm

lab-heal: $(TESTS)  ## enrol, heal and work with nodes that are real machines (root, Debian)
	$(BIN)/python -m tests.lab.prepare
	timeout --signal=INT --kill-after=60 600 $(BIN)/python -m pytest -n 2 --dist loadfile --durations=15 tests/lab/suites/heal

lint: $(TESTS)  ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test  ## exactly what CI runs

lock: $(RUNS)  ## choose versions of all dependencies anew, and note the hashes of their wheels
	$(BIN)/python -m master_setup.pinning

wheelhouse: $(RUNS)  ## build/wheelhouse: all wheels of an installation without a network (ARCH=arm64 for another machine)
	@$(BIN)/python -m master_setup.wheels $(ARCH:%=--arch=%) $(PYTHONS:%=--python=%) $(VERSION:%=--version=%)

deb: $(RUNS)  ## build/grape_VERSION_ARCH.deb (ARCH=arm64 for another machine)
	@$(BIN)/python -m master_setup.deb $(ARCH:%=--arch=%) $(VERSION:%=--version=%)

man: $(RUNS)  ## the man pages, of what the programs say of themselves
	@$(BIN)/python -m master_setup.man

bench: $(RUNS)  ## measure, side by side in one run
	$(BIN)/python -m tests.bench

clean:  ## remove what the other targets made
	rm -rf $(VENV) .demo .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info build
