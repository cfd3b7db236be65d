# One entry point for people and for CI. `make` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help setup up test test-slow test-browser check bench bench-replay bench-revocation bench-gateway bench-evidence bench-pages soak test-upstream docs pictures clean
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE # a start takes twice as long without compiled modules

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: ## Create .venv from the lock file, nothing else
	@tools/setup.sh

up: setup ## Start Headgate with a small stand-in model, apply an example plan, print a key and a snippet
	@$(BIN)/headgate up $(ARGS)

test: setup ## Run the tests (about ten minutes on two cores; COVERAGE=1 tells what they reach)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow" --ignore=tests/browser $(if $(COVERAGE),--cov --cov-report=term:skip-covered) -q

test-slow: setup ## Run the simulations and the load tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow -q

test-browser: setup ## Run the stories in a real browser (installs Debian's Chromium where there is none); pictures in build/pages
	@tools/chromium.sh
	@tools/openid.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile -q tests/browser $(ARGS)

check: setup ## Lint, types, import contracts, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m headgate.bootstrap.documents --check

bench: bench-replay bench-revocation bench-gateway bench-evidence bench-pages ## Print every published figure

bench-replay: setup ## Real labelled prompts through the running gateway: rate, bound, labels, verdict
	$(BIN)/python bench/replay.py $(ARGS)

bench-revocation: setup ## From the ledger entry to refused requests and closed streams
	$(BIN)/python bench/revocation.py $(ARGS)

docs: setup ## Write the generated documents
	$(BIN)/python -m headgate.bootstrap.documents

pictures: setup ## Draw the pictures of docs/evidence.md from the engine
	$(BIN)/python bench/pictures.py

clean: ## Remove what was built (not your data)
	rm -rf build dist .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis

bench-gateway: setup ## Headgate beside nginx and LiteLLM: throughput, latency, streams, revocation, a million grants
	PYTHONPATH=bench $(BIN)/python -m gateway $(ARGS)

bench-evidence: setup ## Labels to a decision beside other methods, false promotions, alarms, speed, real labels in random orders
	PYTHONPATH=bench $(BIN)/python -m evidence $(ARGS)

bench-pages: setup ## How long every page takes over a million exchanges and 100,000 ledger entries
	PYTHONPATH=bench $(BIN)/python -m paging $(ARGS)

soak: setup ## An hour of mixed load; fails if memory, descriptors or threads grow
	PYTHONPATH=bench $(BIN)/python bench/soak.py $(ARGS)

test-upstream: setup ## A real third-party model server behind Headgate (builds llama.cpp once)
	@tools/upstream.sh
	$(BIN)/python -m pytest -n 0 -q tests/upstream $(ARGS)
