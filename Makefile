# Residual. Plain `make` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
STAMP := $(VENV)/.complete
ARGS ?=

# Without compiled bytecode every process of Ray takes 2.6 times as long to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup check fix test long demo up bench chaos hosts containers degradation sweep docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Install everything into .venv, once for each change of the lock

$(STAMP): requirements-dev.lock pyproject.toml scripts/setup
	@scripts/setup $(VENV)
	@touch $@

check: $(STAMP) ## Lint, format, types, import rules, and that documents and manifests are true
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/pytest tests/docs tests/containers

fix: $(STAMP) ## Let ruff mend what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

test: $(STAMP) ## Run the tests; ARGS="tests/api -k keys" for some of them
ifeq ($(strip $(ARGS)),)
	$(VENV)/bin/pytest -n logical --maxprocesses 4 --dist worksteal -m "not ray and not long"
	$(VENV)/bin/pytest -m "ray and not long"
else
	$(VENV)/bin/pytest $(ARGS)
endif

long: $(STAMP) ## Run the tests that `make test` leaves out: twenty minutes of further chaos in short
	$(VENV)/bin/pytest -m long

demo: $(STAMP) ## Train, register, deploy and ask a ResNet-20, in minutes; ARGS=--keep leaves it running
	$(VENV)/bin/residual demo $(ARGS)

up: $(STAMP) ## Start the service on this machine until Ctrl-C; ARGS="--port 9000"
	exec $(VENV)/bin/residual up $(ARGS)

bench: $(STAMP) ## The figures of the README, on this machine
	$(VENV)/bin/python -m benchmarks.startup
	$(VENV)/bin/python -m benchmarks.api_latency
	$(VENV)/bin/python -m benchmarks.checkpoint_stall
	$(VENV)/bin/python -m benchmarks.checkpoint_cost

chaos: $(STAMP) ## Kill and freeze the service's processes, for hours; ARGS="kills --n 20" for one experiment
	$(VENV)/bin/python -m tests.chaos $(or $(ARGS),all)

hosts: $(STAMP) ## A Ray on several hosts (namespaces of this one, as root): nodes lost and added, partitions
	$(VENV)/bin/pytest tests/hosts
	$(VENV)/bin/python -m tests.chaos nodes $(ARGS)
	$(VENV)/bin/python -m tests.chaos partitions $(ARGS)

containers: $(STAMP) ## Build the image, bring compose up, kill each service; needs root and podman
	$(VENV)/bin/python -m tests.containers $(ARGS)

degradation: $(STAMP) ## The degradation experiment and its picture, in about 20 minutes on two cores
	$(VENV)/bin/python -m benchmarks.degradation $(ARGS)

sweep: $(STAMP) ## Plain and residual, each shortcut, two seeds: the report in docs/sweep
	$(VENV)/bin/python -m benchmarks.sweep_report $(ARGS)

docs: $(STAMP) ## Write docs/reference.md and docs/metrics.md from the code
	$(VENV)/bin/python -m scripts.write_reference
	$(VENV)/bin/python -m scripts.write_metrics

clean: ## Remove what `make` made here; data directories stay
	rm -rf $(VENV) .bootstrap demo-output .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
