# The commands of the README. Everything is installed into .venv from pyproject.toml under constraints.txt.
# Works with GNU make 3.81 and later.
PYTHON ?= python3
VENV ?= .venv
# More arguments for pip, such as an index that offers CPU builds of torch: see "Installing" in the README.
PIP_ARGS ?=
# Which notebooks `make notebooks` makes, such as NAMES="01 02"; all if empty.
NAMES ?=
HOST ?= 127.0.0.1
PORT ?= 7860
export HOST PORT

BIN = $(VENV)/bin
INSTALL = test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e

.PHONY: help app lab test test-fast lint notebooks figures results science site wheel clean

help:
	@echo "make app        install and serve the live lab on http://$(HOST):$(PORT)"
	@echo "make lab        install and open JupyterLab on the notebooks"
	@echo "make test       install and run everything: lint, types, tests, notebooks, browser"
	@echo "make test-fast  the same without the slow tests"
	@echo "make notebooks  execute the notebooks, draw their figures, write the students' versions (NAMES='01 02' for some)"
	@echo "make results    fine-tune digits and photographs again, over alphas and seeds: half an hour (NAMES=digits for some)"
	@echo "make science    measure every claim again: a table, and science/report.html (several minutes)"
	@echo "make figures    make the README's pictures again"
	@echo "make site       all of this as pages, in _site: for any static host, or to open from the disk"
	@echo "make wheel      one file to install elsewhere: dist/orwlab-VERSION-py3-none-any.whl"

# The stamps say which extras are installed; the test extras hold all others.
$(VENV)/.installed-app: pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (once; a few minutes)"
	@$(INSTALL) '.[app]'
	@touch $@

$(VENV)/.installed-notebooks: pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (once; a few minutes)"
	@$(INSTALL) '.[app,notebooks,large]'
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (once; a few minutes)"
	@$(INSTALL) '.[test]'
	@touch $@

$(VENV)/.installed-site: pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (once; a few minutes)"
	@$(INSTALL) '.[site]'
	@touch $@

app: $(VENV)/.installed-app
	@$(BIN)/python app.py

lab: $(VENV)/.installed-notebooks
	@$(BIN)/orwlab lab

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not browser' tests
	$(BIN)/python -m pytest -m browser tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --nbval-lax --nbval-current-env --nbval-sanitize-with notebooks/sanitise.cfg notebooks/*.ipynb

test-fast: lint
	$(BIN)/python -m pytest -m 'not slow and not browser' tests

notebooks: $(VENV)/.installed-test
	$(BIN)/python notebooks/make.py $(NAMES)

science: $(VENV)/.installed-app
	$(BIN)/python -m orwlab.teach.science

results: $(VENV)/.installed-app
	$(BIN)/python -m orwlab.tasks.results $(NAMES)

figures: $(VENV)/.installed-test
	$(BIN)/python -m orwlab.show.readme

site: $(VENV)/.installed-site
	$(BIN)/python site/build.py

wheel: $(VENV)/.installed-app
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check $(PIP_ARGS) --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist _site
