# The README shows `make demo` and `make test`. Both work from a bare clone with Python, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests run one process per core; more threads than cores would slow each other down.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal
# torchsort must be compiled against the installed torch, so a wheel in pip's cache may not fit. If it finds nvcc, it
# also compiles for a GPU, and fails without one.
WITHOUT_NVCC = $(shell IFS=:; for folder in $$PATH; do [ -x "$$folder/nvcc" ] || echo "$$folder"; done | paste -sd:)

# Randomized tests: the number of cases in each; a different seed gives different cases.
CASES ?= 2000
SEED ?= 0
FUZZED := tests/inputs/test_random_bytes.py tests/contract/test_strange_recipes.py \
	tests/contract/test_validate_refuses_what_run_refuses.py \
	tests/faults/test_failing_machine.py

.PHONY: demo test test-full fuzz lint docs

demo: $(VENV)/.demo
	$(BIN)/reorder-kit study studies/demo.yaml --jobs 2
	$(BIN)/reorder-kit report runs/demo

test: $(VENV)/.dev
	$(PYTEST) -m "not slow"

test-full: $(VENV)/.dev
	$(PYTEST) -m slow

fuzz: $(VENV)/.dev
	REORDER_KIT_FUZZ_CASES=$(CASES) REORDER_KIT_FUZZ_SEED=$(SEED) $(PYTEST) --hypothesis-seed=$(SEED) -m "not slow" $(FUZZED)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks --allow-untyped-calls --allow-subclassing-any --no-warn-return-any
	$(BIN)/lint-imports

# Into site/, in a minute or so: the pages, the reference, and a report made for them.
docs: $(VENV)/.dev
	$(BIN)/python -m mkdocs build --strict

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml
	$(BIN)/pip install --editable .
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(BIN)/pip install --editable '.[dev]'
	@PATH="$(WITHOUT_NVCC)" $(BIN)/pip install --no-cache-dir --no-build-isolation torchsort >$(VENV)/torchsort.log 2>&1 \
		|| echo "torchsort could not be built (see $(VENV)/torchsort.log); tests that compare with it are skipped"
	touch $@
