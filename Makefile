# Two commands do everything: `make run` and `make test`. `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
STUDY ?=
PORT ?= 3000
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] < (3,14))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := torch==2.13.0
ifneq ($(STUDY),)
export T2T_STUDY := $(STUDY)
endif

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

# Torch first, with its own dependencies (a Linux wheel brings its CUDA libraries); then the lock file, complete and exact;
# then the project.
$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found; install one or set PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

install: $(STAMP) ## make the virtual environment and install

run: $(STAMP) ## materialise the whole graph on the embedded data (or STUDY=us_equities_2013|lobster_2012|...) and print where the reports are
	$(BIN)/t2t run

ui: $(STAMP) ## start the Dagster UI on the same data (PORT=3000)
	$(BIN)/t2t ui --port $(PORT)

report: $(STAMP) ## open the newest nightly report
	$(BIN)/t2t report --open

status: $(STAMP) ## what the lake holds, what failed
	$(BIN)/t2t status

test: $(STAMP) ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadgroup $(TESTS)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## run every benchmark and print its figures
	@for name in $$($(BIN)/t2t bench list | cut -d: -f1); do echo "== $$name"; $(BIN)/t2t bench $$name; done

train-sentiment: $(STAMP) ## train the sentiment head on the labelled headlines of ../shared/data
	$(BIN)/t2t train-sentiment

clean: ## remove all studies' data, or one study's (STUDY=...)
	rm -rf data/$(STUDY)

.PHONY: help install run ui report status test lint format bench train-sentiment clean
