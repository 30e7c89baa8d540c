# Everything starts here: `make up`. Needs Python 3.11 or newer with pip; fetches the rest.
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
READY := .venv/.locked
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help setup up down status logs reset test chaos bench check format lock

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Fetch the locked Python packages into .venv

up: $(READY) ## Start everything and say where it is (KAFKA=apache: Kafka's log on disk)
	@$(BIN)/tallywire up

down: $(READY) ## Stop everything; data stays
	@$(BIN)/tallywire down

status: $(READY) ## What runs, where
	@$(BIN)/tallywire status

logs: $(READY) ## Follow the logs of everything
	@$(BIN)/tallywire logs -f

reset: $(READY) ## Stop everything and delete its data
	@$(BIN)/tallywire reset

test: $(READY) ## Every test, against real servers (TESTS=tests/path: only those; KAFKA=apache: on Apache Kafka)
	$(BIN)/pytest -n 2 --dist loadfile $(TESTS)

chaos: $(READY) ## Let everything go wrong under load for MINUTES=60, every store compared; adds to docs/faults.md
	at=$$(mktemp -d) && MINUTES=$(or $(MINUTES),60) $(BIN)/pytest -q --basetemp=$$at/run tests/faults/chaos.py && rm -r $$at

bench: $(READY) .venv-bench/.locked ## Measure it beside its peers, half an hour; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks

check: $(READY) ## Lint, format, types, directions of imports, security
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -r -c pyproject.toml wire api ingestion bridges streams analytics stack

format: $(READY) ## Put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(UV) ## Resolve pyproject.toml into requirements.lock again
	$(UV) pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --upgrade --quiet -o requirements.lock
	$(UV) pip compile benchmarks/requirements.in --group bench --universal --python-version 3.11 --generate-hashes --upgrade --quiet -o benchmarks/requirements.lock

# A folder of its own: no quarrel with a system Python that forbids pip, and nothing outside the checkout changes.
.uv/bin/uv:
	@echo "fetching uv"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-warn-script-location --target .uv uv
	@echo '*' > .uv/.gitignore

$(READY): requirements.lock pyproject.toml $(if $(wildcard $(UV)),,.uv/bin/uv)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@echo "fetching Python packages (the first time about 800 MB)"
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.venv-bench/.locked: benchmarks/requirements.lock $(if $(wildcard $(UV)),,.uv/bin/uv)
	@test -x .venv-bench/bin/python || $(UV) venv --quiet --python $(PYTHON) .venv-bench
	@echo "fetching the peers' packages"
	@$(UV) pip sync --quiet --compile-bytecode --python .venv-bench/bin/python benchmarks/requirements.lock
	@touch $@
