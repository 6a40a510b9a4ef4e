# Everything sets up what it needs: a fresh machine wants only Python 3.11 and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
VIDEOS ?=

.PHONY: setup setup-all demo train-demo pictures test attack check bench clean

setup: .venv/core
setup-all: .venv/all

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/core: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/all: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,export,models,small,train]'
	touch .venv/core $@

# make demo VIDEOS=folder curates your own videos.
demo: .venv/core
	$(BIN)/python -m pipelines demo demo $(if $(VIDEOS),--videos "$(VIDEOS)")

# The pictures in docs/, from the demo's films; needs chromium and chromedriver.
pictures: .venv/all
	$(BIN)/python -m pipelines demo demo
	$(BIN)/python -m docs.pictures demo/out

# Films of moving shapes, curated, and four models trained on them; demo/train/index.html shows them.
train-demo: .venv/all
	$(BIN)/python -m training.shapes.demo demo/train

check: .venv/all
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Two processes share the tests, file by file, the slow files first (tests/conftest.py). Those with a cluster take turns,
# with the machine to themselves.
test: check
	$(BIN)/pytest -m "not attack and not cluster" -n 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/pytest -m "cluster and not attack" $$(grep -rl --include='*.py' 'mark\.cluster' tests)

# The long tries to break what the README promises: kills at random moments, damaged files, servers that fail.
attack: .venv/all
	$(BIN)/pytest -m attack

bench: .venv/core
	$(BIN)/python -m benchmarks.curate $(or $(VIDEOS),demo/videos)

clean:
	rm -rf demo .mypy_cache .ruff_cache .pytest_cache
