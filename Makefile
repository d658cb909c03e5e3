# RevCart: everything one does with it. `make help` lists the targets from their comments.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PLATFORM ?= manifests/samples/development.yaml
BIN := .venv/bin

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: .venv/base ## Run the whole shop on this machine with demo data (DETACH=1: return once it serves; ARGS: further options)
	@$(BIN)/revcart up -f $(PLATFORM) $(if $(DETACH),--detach) $(ARGS)

.PHONY: down
down: .venv/base ## End what `make up DETACH=1` started
	@$(BIN)/revcart down $(ARGS)

.PHONY: status
status: .venv/base ## Show what runs
	@$(BIN)/revcart status $(ARGS)

.PHONY: test
test: .venv/dev ## Run every check and test that this machine can run
	@scripts/test $(ARGS)

.PHONY: test-faults
test-faults: .venv/dev ## Stop each real store for 20 s under order traffic and measure how the shop comes back
	@scripts/stores run -- $(BIN)/python -m pytest -m faults -q -s tests/flow/test_stores_faults.py

.PHONY: images
images: .venv/base ## Build the images of the platform, the operator and the local stores
	@scripts/images build $(ARGS) && scripts/images save $(ARGS)

.PHONY: cluster-up
cluster-up: .venv/base ## Run the shop on a real Kubernetes of this machine: cluster, images, operator, one object
	@scripts/deploy $(ARGS)

.PHONY: cluster-down
cluster-down: .venv/base ## Remove that cluster with all that is on it
	@scripts/cluster down $(ARGS)

.PHONY: test-cluster
test-cluster: .venv/dev ## Test the operator and the shop on a real Kubernetes
	@$(BIN)/python -m pytest -m cluster -q tests/cluster $(ARGS)

.PHONY: lint
lint: .venv/dev ## Format, imports, types, layers: what pre-commit runs
	@scripts/lint

.PHONY: format
format: .venv/dev ## Put the code in its form
	@$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format --quiet .

.PHONY: crd
crd: .venv/base ## Write crds/ from the models
	@$(BIN)/python -m revcart_operator.platform.crd

.PHONY: bench
bench: .venv/dev ## Measure, as ratios against a baseline of the same run
	@scripts/bench

.PHONY: clean
clean: ## Remove the environment, caches and the demo's data
	@scripts/stores down 2>/dev/null || true
	@rm -rf .venv .revcart .revcart-stores .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The environment comes from the committed lock. `base` runs the shop, `dev` adds what tests need.
.venv/base: pyproject.toml uv.lock scripts/environment
	@scripts/environment base

.venv/dev: pyproject.toml uv.lock scripts/environment
	@scripts/environment dev
