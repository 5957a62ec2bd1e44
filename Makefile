# Every command of this repository. `make` alone prints them.
# The checkout is run in place: .names/perdure links to it, so nothing is built and nothing goes stale.

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

export PYTHONPATH := $(CURDIR)/.names
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test install lint types contracts docs check nightly mutants mutation bench format lock clean

help: ## Print this list
	@echo "Perdure: durable execution you can prove. Targets:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: $(VENV)/.runtime ## Run 20 orders, kill the worker in the worst moments, print the ledger
	@$(BIN)/python -m perdure demo $(ARGS)

test: install ## Run the whole suite (the summary is the last line)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup $(ARGS)

install: $(VENV)/.runtime $(VENV)/.dev ## Create .venv and install what is pinned in the two lock files

lint: install ## Check style and format (ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: install ## Check types (pyright, strict)
	@$(BIN)/pyright --warnings --pythonpath $(BIN)/python

contracts: install ## Check that arrows between rooms point down only (import-linter)
	@$(BIN)/lint-imports --no-logo

docs: install ## Build the documentation into site/ (strict: a broken link fails)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "docs: site/index.html"

check: lint types contracts docs test ## Everything above that can fail

nightly: install ## Run the suite with new random examples; the seed is printed
	@HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

mutants: install ## Hunt the 36 mutants of the engine, print what killed each, and keep where
	@$(BIN)/python -u -m tests.mutants.run $(ARGS)

# The tool is no part of the locks: it brings twenty packages and needs none of ours.
MUTATION := $(VENV)/mutation
mutation: install $(MUTATION)/bin/cosmic-ray ## Mutate kernel, committer and leases line by line in a clone (hours)
	@$(BIN)/python -m tests.mutants.mutation --tool $(MUTATION)/bin --folder $(MUTATION)/run $(ARGS)

$(MUTATION)/bin/cosmic-ray:
	@echo "installing cosmic-ray into $(MUTATION)" >&2
	@$(PYTHON) -m venv $(MUTATION)
	@$(MUTATION)/bin/python -m pip install --quiet --disable-pip-version-check cosmic-ray==8.7.0

bench: install ## Run every measurement in bench/
	@set -e; test -n "$(wildcard bench/*.py)" || { echo "bench/ holds no measurement" >&2; exit 2; }; \
	for file in $(sort $(wildcard bench/*.py)); do $(BIN)/python $$file $(ARGS); done

format: install ## Rewrite the code in the house's format
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header

lock: install ## Pin the newest dependencies with hashes (needs a network)
	$(UV_COMPILE) --extra rich --extra graph -o requirements.lock
	$(UV_COMPILE) --all-extras --group dev -c requirements.lock -o requirements-dev.lock

clean: ## Remove everything that was built, the environment too
	@rm -rf $(VENV) build dist site *.egg-info .demo .hypothesis .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than its lock file: a second run installs nothing and needs no network.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "perdure needs Python 3.11 or newer; '$(PYTHON)' was not found. Name it: make PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "perdure needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.11" >&2; exit 2; }
	@echo "creating $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }

$(VENV)/.runtime: requirements.lock | $(BIN)/python
	@echo "installing requirements.lock" >&2
	@$(PIP_INSTALL) -r $<
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(BIN)/python
	@echo "installing requirements-dev.lock" >&2
	@$(PIP_INSTALL) -r $<
	@touch $@
