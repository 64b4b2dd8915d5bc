# make run · make test · make faults · make lint · make bench · make docs · make clean
#
# Each makes .venv first if it has to; a second run takes no time for that.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
BIND ?= 127.0.0.1:8000
ARGS ?=

.PHONY: run test faults lint bench docs clean
.DEFAULT_GOAL := run

run: $(VENV)/.installed
	@mkdir -p logs
	@echo "http://$(BIND)/ answers; its access log comes here and into logs/access.json; Ctrl-C ends it."
	@LOG_DIR="$(CURDIR)/logs" exec $(BIN)/logserve --bind $(BIND) --log-config "$(CURDIR)/logging_configs/json.yaml" --chdir examples/hello $(ARGS) app:app

test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest $(ARGS)

faults: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.faults $(ARGS)

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.installed-dev
	@$(BIN)/python benchmarks/side_by_side.py $(ARGS)
	@$(BIN)/python benchmarks/latency.py
	@$(BIN)/python benchmarks/memory.py
	@$(BIN)/python benchmarks/collector.py

docs: $(VENV)/.installed
	@$(BIN)/python -m logserve.settings.docs > docs/settings.md
	@$(BIN)/python -m logserve.settings.migration tests/settings/gunicorn-27.0.1.txt docs/migrating-from-gunicorn.md

clean:
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# The newest Python that is there, 3.11 or later, and that can make an environment (Debian packs venv apart).
$(BIN)/python:
	@lacking=; \
	for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	    command -v $$python >/dev/null || continue; \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    if $$python -c 'import ensurepip, venv' 2>/dev/null; then exec $$python -m venv --clear $(VENV); fi; \
	    lacking=$${lacking:-$$python}; \
	done; \
	if [ -n "$$lacking" ]; then \
	    echo "make: $$lacking cannot make a virtual environment; on Debian and Ubuntu: apt-get install $$lacking-venv" >&2; \
	elif command -v python3 >/dev/null; then \
	    echo "make: found $$(python3 --version), expected Python 3.11 or later; install it, and run make again" >&2; \
	else \
	    echo "make: found no Python, expected 3.11 or later; on Debian and Ubuntu: apt-get install python3 python3-venv" >&2; \
	fi; \
	exit 1
