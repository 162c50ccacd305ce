# Everything a person does with this repository. `make` alone lists it; the first target that needs it makes .venv.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?=
VENV ?= .venv
WORKERS ?= 2
LONG ?= long or drawn
EXAMPLES ?= thorough
PORT ?= 3000
N ?= 200
MINUTES ?= 60
SEED ?= 1
BIN := $(VENV)/bin
READY := $(VENV)/.installed
CONSTRAINTS := .ci/constraints.txt

# Neither library sends usage reports from here.
export DAGSTER_DISABLE_TELEMETRY := yes
export GX_ANALYTICS_ENABLED := False
# Set, it makes each of the many Python processes below compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: CHURN_DATA_DIR (data), PYTHON (the newest of 3.10 to 3.13), VENV (.venv), WORKERS (2), PORT (3000);"
	@echo "           of campaigns: N kills (200), MINUTES of fuzzing (60), SEED (1)"

.PHONY: demo
demo: $(READY) ## Generate a synthetic product, compute every table, say whom to call and where to look
	@$(BIN)/churn-assets demo

.PHONY: ui
ui: $(READY) ## The Dagster UI on this machine only: graph, partitions, checks, schedules
	@data="$${CHURN_DATA_DIR:-data}" && mkdir -p "$$data" && CHURN_DATA_DIR="$$(cd "$$data" && pwd)" && export CHURN_DATA_DIR && \
	DAGSTER_HOME="$$($(BIN)/python -c "$$DAGSTER_HOME_OF_DATA")" && export DAGSTER_HOME && \
	PYTHONWARNINGS='ignore:Function `dev_command` is superseded' exec $(BIN)/dagster dev -h 127.0.0.1 -p $(PORT)

define DAGSTER_HOME_OF_DATA
import sys
from churn_assets.assets.step import Deployment
from churn_assets.automation.backfill import dagster_instance
from churn_assets.automation.instance import ensure_instance
from churn_assets.errors import ChurnError
from churn_assets.settings import Settings
try:
    settings = Settings.load()
    settings.calendar_start
    home = ensure_instance(settings.dagster_home)
    with dagster_instance(Deployment(settings)):
        print(home)  # its databases made by one process, before several open it
except ChurnError as error:
    sys.exit(f"Error: {error}")
endef
export DAGSTER_HOME_OF_DATA

.PHONY: test
test: $(READY) ## All tests but the long ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: test-long
test-long: $(READY) ## The long tests: real data, many kills, every example (EXAMPLES=some: fewer), whole runs of the dagster command
	CHURN_TESTS=$(EXAMPLES) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m '$(LONG)'

.PHONY: torture
torture: $(READY) ## Kill runs at random moments and damage files, for an hour (N=200 kills, SEED=1)
	$(BIN)/python -m churn_assets_tests.torture --kills $(N) --seed $(SEED)

.PHONY: lint
lint: $(READY) ## Style and common mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .

.PHONY: types
types: $(READY) ## Types, strictly
	$(BIN)/mypy

.PHONY: bench
bench: $(READY) ## How long it takes and how much memory, here
	PYTHONPATH="$(CURDIR)/.ci" $(BIN)/python -m bench

.PHONY: bench-serving
bench-serving: $(READY) ## What serving costs: publishing a million users, requests by the second, a batch
	PYTHONPATH="$(CURDIR)/.ci" $(BIN)/python -m bench.serving

.PHONY: fuzz
fuzz: $(READY) ## Damaged files, files of random types and random settings, MINUTES long from case SEED on; exit code 1 where one is mistaken
	$(BIN)/python -m churn_assets_tests.fuzz $(MINUTES) $(SEED)

.PHONY: docs
docs: $(READY) ## Write docs/tables.md, docs/features.md and the tables of docs/product.md from what declares them
	$(BIN)/python -m churn_assets.contracts > docs/.tables.md.new
	mv docs/.tables.md.new docs/tables.md
	$(BIN)/python -m churn_assets.contracts features > docs/.features.md.new
	mv docs/.features.md.new docs/features.md
	$(BIN)/python -m churn_assets.product docs/product.md

.PHONY: constraints
constraints: $(READY) ## Renew the tested versions within what setup.cfg allows
	$(BIN)/python -m pip install --quiet uv
	sed -n '/^#/p' $(CONSTRAINTS) > $(CONSTRAINTS).new
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-python-downloads \
		--no-header --no-annotate --upgrade --extra dev setup.cfg >> $(CONSTRAINTS).new
	mv $(CONSTRAINTS).new $(CONSTRAINTS)

.PHONY: clean
clean: ## Remove .venv and what tools leave behind; never the data folder
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .tmp_dagster_home_*
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

.PHONY: venv
venv: $(READY) ## Create .venv and install into it; the others do it when needed
.venv: $(READY)

USABLE = import sys, ssl, sqlite3; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

$(READY): setup.cfg $(CONSTRAINTS)
	@if ! $(BIN)/python -c '$(USABLE)' 2>/dev/null; then \
		fits=; found=; \
		for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3.10 python3 python); do \
			"$$python" -c '$(USABLE)' 2>/dev/null || continue; \
			found=$${found:-$$python}; \
			if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then fits=$$python; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "Python 3.10, 3.11, 3.12 or 3.13 is needed; install one, or name one with 'make PYTHON=/path/to/python'." >&2; exit 1; \
		elif [ -z "$$fits" ]; then \
			echo "$$found lacks the venv module; install it (Debian and Ubuntu: apt-get install python3-venv), or name another Python with 'make PYTHON=...'." >&2; exit 1; \
		fi; \
		echo "Creating $(VENV) with $$("$$fits" --version)"; \
		"$$fits" -m venv --clear "$(VENV)"; \
	fi
	@echo "Installing into $(VENV), which takes a minute or two the first time ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c $(CONSTRAINTS) -e '.[dev]'
	@touch $@
