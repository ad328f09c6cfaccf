# Needs Python 3.11 or later, and make. Everything else goes into .venv, from locked requirements.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links $(if $(UPGRADE),--upgrade)
RUNNING := $(VENV)/.installed-run
DEVELOPING := $(VENV)/.installed-dev
MUTATING := $(VENV)/.installed-mutate
EMULATING := $(VENV)/.installed-ministack
COMPARING := $(VENV)/.installed-bench
SAMPLES := $(VENV)/.unpacked-sam

# Tests run side by side, but for those that look at a clock.
ALONE := tests/e2e/test_freshness.py

# Where the environment forbids bytecode, each of the tests' many processes compiles all anew.
unexport PYTHONDONTWRITEBYTECODE

# Checks and downloads go side by side.
MAKEFLAGS += --jobs=2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test suite test-aws check lint imports types pyright mutate bench docs lock clean

help:  ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNNING)  ## start the backend on 127.0.0.1:8090 (ARGS="..." go to `homeport serve`)
	@exec $(BIN)/homeport serve $(ARGS)

test: check suite  ## check, then run every test (ARGS=tests/unit/domain for the domain alone)

# It waits for all checks but pyright, which alone would leave the other processors idle: its last
# minute goes beside the first tests. Those that look at a clock come when it is over.
suite: lint imports types $(EMULATING) $(SAMPLES) $(COMPARING)
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -n auto --no-loadscope-reorder --ignore=$(ALONE)
	$(BIN)/python -m pytest $(ALONE)
endif

# It makes tables, queues and a bucket of its own, and removes them.
test-aws: $(DEVELOPING)  ## run what AWS itself can tell against your own account (it says what to set)
	@$(BIN)/python -m tests.own_account $(ARGS)

check: lint imports types pyright  ## style, architecture and types

lint: $(DEVELOPING)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

imports: $(DEVELOPING)
	$(BIN)/lint-imports --no-logo

types: $(DEVELOPING)
	$(BIN)/mypy

# Its node comes as a wheel, which not every platform has: there it is left out, but never in CI.
pyright: $(DEVELOPING)
	@if $(BIN)/pyright --version >/dev/null 2>&1; then \
		echo "$(BIN)/pyright"; $(BIN)/pyright; \
	elif [ "$$CI" = true ]; then \
		echo "pyright cannot start here" >&2; exit 1; \
	else \
		echo "LEFT OUT: pyright cannot start here; mypy has checked the types"; \
	fi

mutate: $(MUTATING)  ## change the domain in small ways: does a test notice? (ARGS=... one module)
	$(BIN)/python -m tests.mutation $(ARGS)

bench: $(DEVELOPING) $(COMPARING)  ## measure, next to peers (ARGS="--quick", "--only stalls")
	$(BIN)/python -m benchmarks.run $(ARGS)
	$(BIN)/python -m benchmarks.plots

docs: $(DEVELOPING)  ## build the documentation into build/docs; a warning fails
	$(BIN)/mkdocs build --strict

lock: $(DEVELOPING)  ## write requirements/*.txt anew (UPGRADE=1 for the newest versions)
	$(LOCK) -o requirements/run.txt --extra local --build-deps-for editable pyproject.toml
	$(LOCK) -o requirements/core.txt -c requirements/run.txt pyproject.toml
	$(LOCK) -o requirements/dev.txt -c requirements/run.txt --extra local --extra aws --extra opensearch \
		--extra testing pyproject.toml requirements/dev.in
	$(LOCK) -o requirements/mutate.txt -c requirements/dev.txt requirements/mutate.in
	$(LOCK) -o requirements/ministack.txt requirements/ministack.in
	$(LOCK) -o requirements/bench.txt requirements/bench.in
	$(LOCK) -o requirements/bench-lambda.txt -c requirements/dev.txt requirements/bench-lambda.in

clean:  ## remove the environment, caches and built files; data folders stay
	rm -rf $(VENV) build dist mutants .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Homeport needs Python 3.11 or later; say which with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "Python cannot make an environment: install its venv module" >&2; exit 1; }

$(RUNNING): requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Setting up the environment in $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPING): requirements/dev.txt $(RUNNING)
	@echo "Adding what tests and checks need ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(MUTATING): requirements/mutate.txt $(DEVELOPING)
	@echo "Adding what mutation testing needs ..."
	@$(PIP) install --require-hashes -r requirements/mutate.txt
	@touch $@

# It holds botocore to another version than ours, hence an environment of its own.
$(EMULATING): requirements/ministack.txt | $(BIN)/python
	@echo "Adding the emulator of AWS ..."
	@if $(BIN)/python -m venv $(VENV)/ministack && $(VENV)/ministack/bin/python -m pip \
		--disable-pip-version-check --quiet install --require-hashes -r requirements/ministack.txt; then \
		touch $@; \
	elif [ "$$CI" = true ]; then \
		echo "ministack cannot be installed here" >&2; exit 1; \
	else \
		echo "LEFT OUT: ministack cannot be installed here; the tests that need it say so"; \
	fi

# What is compared with ours stands beside it, where nothing of it can be imported by ours.
$(COMPARING): requirements/bench.txt requirements/bench-lambda.txt | $(BIN)/python
	@echo "Adding what the benchmarks compare with ..."
	@rm -rf $(VENV)/bench $(VENV)/bench-lambda
	@if $(BIN)/python -m venv $(VENV)/bench && $(VENV)/bench/bin/python -m pip \
		--disable-pip-version-check --quiet install --require-hashes -r requirements/bench.txt \
		&& $(PIP) install --require-hashes -r requirements/bench-lambda.txt -t $(VENV)/bench-lambda; then \
		touch $@; \
	elif [ "$$CI" = true ]; then \
		echo "what the benchmarks compare with cannot be installed here" >&2; exit 1; \
	else \
		echo "LEFT OUT: what the benchmarks compare with cannot be installed here; they say so"; \
	fi

# Unpacked, not installed: it would bring forty packages, and is only looked into.
$(SAMPLES): requirements/sam.txt | $(BIN)/python
	@echo "Adding AWS's sample events and its emulator of the Lambda runtime ..."
	@rm -rf $(VENV)/sam
	@if $(PIP) download --no-deps --only-binary :all: --require-hashes -r requirements/sam.txt \
		-d $(VENV)/sam && $(BIN)/python -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' \
		$(VENV)/sam/*.whl $(VENV)/sam && rm $(VENV)/sam/*.whl \
		&& chmod +x $(VENV)/sam/samcli/local/rapid/aws-lambda-rie-*; then \
		touch $@; \
	elif [ "$$CI" = true ]; then \
		echo "aws-sam-cli cannot be fetched here" >&2; exit 1; \
	else \
		echo "LEFT OUT: aws-sam-cli cannot be fetched here; the tests that need it say so"; \
	fi
