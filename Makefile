# Each target is one command that works on a fresh machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed

.PHONY: test lint format typecheck imports pytest bench clean help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

# torch comes first and pinned: another package would otherwise pull the newest build
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0" -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[worker,dev]"
	touch $@

test: lint typecheck imports pytest  ## everything CI checks

lint: $(READY)  ## format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(READY)  ## rewrite to the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

typecheck: $(READY)  ## mypy, strict
	$(BIN)/mypy

imports: $(READY)  ## the rooms import only what they may
	$(BIN)/lint-imports

pytest: $(READY)  ## the tests, in parallel and in random order
	$(BIN)/pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

bench: $(READY)  ## measure the embedder on this machine
	$(BIN)/python -m benchmarks.embedder

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
