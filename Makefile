# Everything a developer runs. Each target sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCENARIOS :=
# Where registries keep what is measured: in memory, where Linux has a file system for that.
MEMORY := $(firstword $(wildcard /dev/shm) $(TMPDIR) /tmp)
READY := $(VENV)/ready

.PHONY: demo test check lint format bench clean

demo: $(READY)  ## copy a made-up catalog between two embedded registries
	@$(BIN)/mirror demo

test: $(READY)  ## run all tests, those against real registries included
	@tests/real/provide
	@COVERAGE_FILE=$(VENV)/coverage $(BIN)/pytest -n 3 --dist loadscope --cov --cov-report=term

check: lint  ## everything that reads the code without running it
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## measure ourselves and the peers that are on PATH, against the targets
	@tests/real/provide
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	TMPDIR=$(MEMORY) $(BIN)/python -m benchmarks $(SCENARIOS)

clean:
	rm -rf $(VENV) build *.egg-info

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
