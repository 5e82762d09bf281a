# Everything a developer runs. Each target sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCENARIOS :=
# Where registries keep what is measured: in memory, where Linux has a file system for that.
MEMORY := $(firstword $(wildcard /dev/shm) $(TMPDIR) /tmp)
READY := $(VENV)/ready
# The oldest aiohttp that pyproject.toml admits, and the tests of what leans on its inside.
OLDEST_AIOHTTP := $(shell sed -n 's/.*"aiohttp>=\([0-9.]*\)".*/\1/p' pyproject.toml)
COMPAT_TESTS := tests/registry tests/demo

.PHONY: demo test check lint format compat bench clean

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

compat: compat-oldest compat-newest  ## the oldest and the newest aiohttp that are admitted

compat-oldest: AIOHTTP := aiohttp==$(OLDEST_AIOHTTP)
compat-newest: AIOHTTP := aiohttp
compat-oldest compat-newest: compat-%:
	@test -x $(VENV)/aiohttp-$*/bin/python || $(PYTHON) -m venv $(VENV)/aiohttp-$*
	@$(VENV)/aiohttp-$*/bin/pip install --quiet --disable-pip-version-check --upgrade '.[dev]' '$(AIOHTTP)'
	@$(VENV)/aiohttp-$*/bin/python -c 'import aiohttp; print("aiohttp", aiohttp.__version__)'
	@PYTHONPATH=. $(VENV)/aiohttp-$*/bin/pytest -q -n 2 $(COMPAT_TESTS)

bench: $(READY)  ## measure ourselves and the peers that are on PATH, against the targets
	@tests/real/provide
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@cd benchmarks/floor && PATH="$(abspath $(BIN)):$$PATH" go build -o $(abspath $(BIN))/floor . \
	 || echo "no Go compiler: the floor is left out"
	TMPDIR=$(MEMORY) $(BIN)/python -m benchmarks $(SCENARIOS)

clean:
	rm -rf $(VENV) build *.egg-info

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
