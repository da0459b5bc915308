# What can be done here. A fresh machine needs only Python 3.11 or newer and make.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
.DEFAULT_GOAL := help
.PHONY: help demo test test-all check bench drill sabotage clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1|/' \
	  | awk -F'|' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: .venv/runtime  ## the whole house with simulated carriers; more: make demo ARGS="--help"
	@$(BIN)/python -m dispatcher demo $(ARGS)

test: .venv/dev  ## all tests but the slow ones, a few minutes
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not slow" $(ARGS)

test-all: .venv/dev  ## every test
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/dev  ## lint, format, types, floors
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev  ## figures of README.md, measured on this machine; all scripts: benchmarks/README.md
	@for name in log_rows phone_numbers receipts smpp_job; do echo "== $$name"; \
	  PYTHONPATH=. $(BIN)/python benchmarks/$$name.py || exit 1; done

drill: .venv/runtime  ## kill, cut and stop things on purpose, and count what became of the messages
	@$(BIN)/python -m dispatcher drill $(ARGS)

sabotage: .venv/runtime  ## seven drills, each with one protection taken away: each must fail
	@$(BIN)/python -m dispatcher drill --without all $(ARGS)

clean:  ## remove what was made here, except var/ (your data)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is older or missing. Try: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Making .venv"
	@$(PYTHON) -m venv .venv

# The development set holds the runtime set, so either stamp serves to run the house.
.venv/runtime: requirements.txt | .venv/bin/python
	@if [ ! -e .venv/dev ] || [ requirements-dev.txt -nt .venv/dev ]; then \
	  echo "Installing requirements.txt"; $(PIP) -r requirements.txt; fi
	@touch $@

.venv/dev: requirements-dev.txt | .venv/bin/python
	@echo "Installing requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $@ .venv/runtime
