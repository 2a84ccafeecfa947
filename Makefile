# Few verbs; bare `make` lists them. Everything runs in .venv, which the verbs make and keep up to date themselves.
#
#   PYTHON=/path/to/python    the interpreter that .venv is made with (3.11 or later)
#   ARGS="..."                handed on to pytest or to the script behind the verb, such as make test ARGS="tests/rules -k merkle"
#   demo: YES=1 answers the approval by itself · PORT=8010 · PROMETHEUS=1 uses the real Prometheus and Alertmanager
#   test: WORKERS=2 runs in as many processes; tests of one file stay in one process

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo test check sim e2e bench bench-policy docs soak lock clean

run := .venv/bin
need := tools/need $(if $(CI),--strict)
test_packages := bubblewrap chromium prometheus prometheus-alertmanager git util-linux
# The floors below the rim are covered to the last branch; a chosen part of the tests cannot show that.
cover := --cov=flyball.model --cov=flyball.rules --cov=flyball.core --cov-branch --cov-fail-under=100
workers := $(if $(WORKERS),-n $(WORKERS) --dist loadfile)

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

demo: ## Three real incidents on this machine, from alert to proof (YES=1 PORT=n PROMETHEUS=1)
	@tools/venv
	@tools/need bubblewrap git $(if $(PROMETHEUS),prometheus prometheus-alertmanager)
	@$(run)/flyball demo $(if $(YES),--yes) $(if $(PORT),--port $(PORT)) $(if $(PROMETHEUS),--prometheus) $(ARGS)

test: ## Install what the tests need and run them all (ARGS="..." chooses)
	@tools/venv test check
	@$(need) $(test_packages)
	@$(run)/python -m pytest $(workers) $(if $(ARGS),$(ARGS),$(cover))

check: ## Format, lint, types, floors, taste
	@tools/venv test check
	@$(run)/ruff format --check --quiet . || { echo "Some files are not formatted: run $(run)/ruff format ." >&2; exit 1; }
	@$(run)/ruff check --quiet .
	@$(run)/mypy --strict
	@$(run)/lint-imports --no-logo
	@$(run)/python -m pytest --quiet -p no:cacheprovider tests/taste

sim: ## The door in a simulated world that crashes everywhere
	@tools/venv test
	@$(run)/python -m pytest $(workers) tests/sim $(ARGS)

e2e: ## The real server under load and kill -9, and the console in a real browser
	@tools/venv test
	@$(need) $(test_packages)
	@$(run)/python -m pytest tests/e2e $(ARGS)

bench: ## One table of costs, against bare parts measured in the same run
	@tools/venv test bench
	@$(run)/python bench/run.py $(ARGS)

bench-policy: ## What a policy decision costs, against the other engines that Python can have
	@tools/venv test bench
	@$(run)/python bench/policy.py $(ARGS)

docs: ## Check what the pages say: links, and whatever else tests/docs holds
	@tools/venv test
	@$(run)/python -m pytest tests/docs $(ARGS)

soak: ## Hours of load and faults, watching for drift (ARGS="--hours 8")
	@tools/venv test bench
	@$(run)/python bench/soak.py $(ARGS)

lock: ## Write constraints.txt anew from what a fresh install brings today
	@tools/lock

clean: ## Remove what the verbs made: .venv, caches, build, the state of the demo
	@rm -rf .venv .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
