# The two commands of the README: `make demo` and `make test`. Each works from a bare clone with Python, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests run one process a core; more threads than cores would make them wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal
# torchsort is compiled against the torch just installed, which a wheel in pip's cache may not have been. Where it finds
# nvcc, it also compiles for a GPU, and fails without one.
WITHOUT_NVCC = $(shell IFS=:; for folder in $$PATH; do [ -x "$$folder/nvcc" ] || echo "$$folder"; done | paste -sd:)

.PHONY: demo test test-full lint

demo: $(VENV)/.demo
	$(BIN)/reorder-kit run recipes/quickstart.yaml

test: $(VENV)/.dev
	$(PYTEST) -m "not slow"

test-full: $(VENV)/.dev
	$(PYTEST) -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev]'
	@PATH="$(WITHOUT_NVCC)" $(BIN)/pip install --no-cache-dir --no-build-isolation torchsort >$(VENV)/torchsort.log 2>&1 \
		|| echo "torchsort cannot be built here (see $(VENV)/torchsort.log): tests that compare with it are skipped"
	touch $@
