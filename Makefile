# Every target sets up what it needs; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' remediator/__init__.py)
SCRIPTS := .ci/* scripts/*.sh krew/kubectl-remediator
DOCUMENTS := README.md CHANGELOG.md CONTRIBUTING.md docs helm/remediator/README.md
IMAGE ?= remediator:$(VERSION)
ENGINE ?= $(firstword $(shell command -v docker podman buildah))

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Remediator needs Python 3.11 or newer, and $(PYTHON) is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) (once, takes half a minute, two on a busy machine)"
	@echo "  1/3 a Python environment"
	@$(PYTHON) -m venv $(VENV)
	@echo "  2/3 $$(grep -c '^[a-z].*==' requirements-dev.txt) packages, as they are locked"
	@# The lock file is complete. By itself, an old pip looks for what coverage[toml] is, and takes a newer one.
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-dev.txt
	@echo "  3/3 Remediator itself"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@problems=$$($(BIN)/pip check --disable-pip-version-check) || { echo "$$problems" >&2; exit 1; }
	@touch $@

venv: $(VENV)/installed ## Create .venv with the locked dependencies

demo: venv ## Watch the reflex at work: a story of half a minute, nothing left running
	@$(BIN)/python -m demo

test: venv ## Run every test and check; what cannot run here is skipped and named
	@$(MAKE) --no-print-directory check
	@# More than there are processors: most tests wait for other programs most of the time.
	@# What fails beside other tests is run once more, alone: that tells a busy machine from a fault.
	$(BIN)/pytest -n $(or $(PYTEST_WORKERS),4) --dist loadfile --no-loadscope-reorder || { test $$? -eq 1 \
	  && echo "Again, alone, what failed beside other tests:" \
	  && $(BIN)/pytest --last-failed --last-failed-no-failures=none --exitfirst --verbose; }

check: venv ## Type-check, lint, check formatting, layers, dependencies, scripts and links
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --quiet --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry --no-ansi .
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/shellcheck $(SCRIPTS)
	$(BIN)/lychee --offline --include-fragments --no-progress --quiet $(DOCUMENTS)

bench: venv components control-plane ## Measure against a baseline of the same run, in 20 minutes (SUBJECTS="latency memory")
	$(BIN)/python -m benchmarks $(SUBJECTS)

performance: venv components control-plane ## Measure the same, and update the table in docs/performance.md
	$(BIN)/python -m benchmarks --write

soak: venv components control-plane ## Mixed load and faults for MINUTES=30: nothing may leak, no act may happen twice
	$(BIN)/python -m benchmarks.soak --minutes=$(or $(MINUTES),30)

format: venv ## Format the code and fix what the linter can fix
	$(BIN)/ruff check --quiet --fix
	$(BIN)/ruff format --quiet

control-plane: ## Build the real Kubernetes that the tests use (Go; minutes, once)
	.ci/control-plane

browser: ## Install Chromium and axe-core, which the tests of the status page use (Debian)
	.ci/browser

screenshots: venv ## Renew the pictures of the status page in docs/images
	$(BIN)/python -m tests.browser.screenshots

chart-tools: ## Install Helm 4 and the schemas that the chart's tests use
	.ci/chart-tools

linters: ## Fetch what judges documents, webhook, rules and plugin: markdownlint, schemathesis, vmalert-tool, krew
	.ci/linters

chart-docs: venv ## Renew what the chart copies: the rules, and its README's table of values
	cp rules/*.yaml rules/optional/*.yaml helm/remediator/files/
	$(BIN)/python -m tests.chart.readme

components: ## Fetch the real Prometheus, Alertmanager and kubectl that the tests use (Debian)
	.ci/components

image: ## Build the container image with docker, podman or buildah (ENGINE=, IMAGE=, BASE_IMAGE=)
	@test -n "$(ENGINE)" || { echo "make image needs docker, podman or buildah" >&2; exit 1; }
	$(ENGINE) build --build-arg VERSION=$(VERSION) $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --tag $(IMAGE) .
	@$(ENGINE) images $(IMAGE)

release: venv ## Make what is published, twice, and compare: dist/ (BASE_IMAGE=, RELEASE_FLAGS=--without-image)
	rm -rf dist
	$(BIN)/python -m release dist $(if $(BASE_IMAGE),--build-arg=BASE_IMAGE=$(BASE_IMAGE)) $(RELEASE_FLAGS)

image-size: venv ## Build the image as the tests do, and show what its size is made of
	@$(BIN)/pytest -q -rP tests/test_image.py -k size

lock: ## Renew the lock files from pyproject.toml
	@# Not by way of `venv`, which fails while pyproject.toml asks for what is not locked yet.
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --group dev -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group build -o requirements-build.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist build

.PHONY: help venv demo test bench performance soak check format components control-plane browser screenshots chart-tools linters chart-docs image release image-size lock clean
