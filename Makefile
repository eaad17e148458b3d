# From a fresh clone with nothing but python3: make demo | test | lint | bench.
# Everything is installed into .venv, and again only when pyproject.toml changes.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
EXTRAS_demo := sklearn
EXTRAS_test := test
EXTRAS_lint := dev

.PHONY: help demo test lint bench clean

help:
	@echo "make demo    train a small network on real handwritten digits"
	@echo "make test    run the tests"
	@echo "make lint    ruff and mypy"
	@echo "make bench   measure compile times, step times and memory"
	@echo "make clean   remove .venv and what tools left behind"

demo: $(VENV)/.installed-demo
	$(BIN)/symgraph demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	.ci/types $(BIN)/python

bench: $(VENV)/.installed-demo
	$(BIN)/symgraph bench

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("symgraph needs Python 3.10 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...") if sys.version_info < (3, 10) else None'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) -m venv failed: install the venv module of your Python (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }

# One file a set of extras remembers what was installed from which pyproject.toml.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS_$*)]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .kernel-cache
