# Each target is one command that works on a fresh machine with Python >= 3.11, Node >= 20 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
VIEWER := node_modules/.installed

.PHONY: demo screenshots tour test lint format typecheck imports checks pytest bench bench-search bench-bulk bench-browser bench-load bench-queries bench-flat bundle faults train-mini clean help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

# torch comes first and pinned: another package would otherwise pull the newest build
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0" -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[worker,dev]"
	touch $@

# what pages take from npm, by the lock file, without running anything of it
$(VIEWER): package.json package-lock.json
	@command -v npm >/dev/null || { echo "make needs Node >= 20 with npm, for the image viewer and resumable uploads"; exit 1; }
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

demo: $(READY) $(VIEWER)  ## a drawn archive, embedded and served on this machine; Ctrl-C stops it
	$(BIN)/python manage.py demo

screenshots: $(READY) $(VIEWER)  ## every page of the running demo as a picture, in var/screenshots
	$(BIN)/python -m tests.end_to_end.screenshots http://127.0.0.1:8000 var/screenshots

tour: $(READY) $(VIEWER)  ## the pictures of docs/tour.md and the README, from a demo of its own or SITE=http://127.0.0.1:8000
	$(BIN)/python -m tests.end_to_end.tour docs/images $(if $(SITE),--site $(SITE))

test: lint typecheck imports checks pytest  ## everything CI checks

checks: $(READY)  ## migrations are those of the models
	$(BIN)/python manage.py makemigrations --check --dry-run

lint: $(READY)  ## format, lint, and what is known to be unsafe
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml embedder search webapp

format: $(READY)  ## rewrite to the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

typecheck: $(READY)  ## mypy, strict
	$(BIN)/mypy

imports: $(READY)  ## the rooms import only what they may
	$(BIN)/lint-imports

pytest: $(READY) $(VIEWER)  ## the tests, in parallel and in random order
	$(BIN)/pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

bench: $(READY)  ## measure the embedder on this machine
	$(BIN)/python -m benchmarks.embedder

train-mini: $(READY)  ## train, export, measure and plot the bundled mini encoder (under an hour on 2 cores)
	$(BIN)/python -m embedder.training all

bench-search: $(READY)  ## measure the vector index beside its limits (POINTS=1000000 for a million: half an hour)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python -m benchmarks.search --points $(or $(POINTS),100000)

bench-bulk: $(READY)  ## 10,000 files through tus under kills; the receipt must add up (FILES=500 for a short one)
	$(BIN)/python -m benchmarks.bulk --files $(or $(FILES),10000)

bench-browser: $(READY)  ## from Enter to thumbnails on the screen, in Chromium, and how far pages move while they load
	$(BIN)/python -m benchmarks.browser

bench-queries: $(READY)  ## text queries at 1, 8 and 64 at once, encoded together and one by one
	$(BIN)/python -m benchmarks.queries

bench-flat: $(READY) $(VIEWER)  ## 10,000 requests and 2,000 images: open files, threads, connections and memory of every service stay flat
	$(BIN)/python -m benchmarks.flatness

bundle: $(READY)  ## all that a machine without a network needs, in ./bundle (WEIGHTS="path …" takes checkpoints along)
	$(BIN)/python -m docker.bundle bundle $(if $(WEIGHTS),--weights $(WEIGHTS))

bench-load: $(READY) $(VIEWER)  ## 50 people searching a production site while 2,000 images come in, and one who asks far too often
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python -m benchmarks.load

faults: $(READY) $(VIEWER)  ## every part of a production site killed, halted, emptied or filled while images come in (about an hour)
	FAULTS=full $(BIN)/pytest -v -p no:randomly tests/faults/test_production.py

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
