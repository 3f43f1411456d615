# `make demo` and `make test`: each complete on a fresh machine with Python 3.11 or 3.12, make and git.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test clean

demo: $(VENV)/installed
	$(BIN)/anthropose demo

test: $(VENV)/installed-dev $(VENV)/body-models/installed
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses=4

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

# A SMPL reader that is not ours, to read the free body with. It needs numpy 2, so it has a place of its own.
$(VENV)/body-models/installed: $(VENV)/installed
	$(PYTHON) -m venv $(VENV)/body-models
	$(VENV)/body-models/bin/python -m pip install --quiet "body-models>=0.26"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
