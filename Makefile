# One command per intent; the same on a laptop and in CI. `make` alone prints this list.
.DEFAULT_GOAL := help
.PHONY: help venv demo demo-reset attack quick test coverage check soak bench ci lock defences-off docs pictures public-api format

# Containers often set it. Each of the hundred programs that the tests start would then compile all of Admit anew.
unexport PYTHONDONTWRITEBYTECODE

PY := .venv/bin/python
PYTEST := $(PY) -m pytest -q -n $(or $(JOBS),3) --dist loadfile

help: ## print this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

venv: # not listed: every target that needs it asks for it, and it is instant when nothing changed
	@scripts/bootstrap

# Only where it is said to make: people have an API in their environment for purposes of their own.
ifeq ($(origin API),command line)
demo: export ADMIT_DEMO_API := $(API)
endif
demo: venv ## start the issuer, the sample app and the sample API, in FastAPI or in API=flask; open http://localhost:8411
	@scripts/foreground $(PY) examples/demo/run.py

demo-reset: venv ## forget the demo's users, sessions and keys
	@$(PY) examples/demo/run.py --reset

attack: venv ## try the ledger's cheap attacks on the running demo, or on what ARGS says
	@$(PY) -m scripts.attack $(ARGS)

quick: venv ## the tests that need no server and no browser, in under 30 seconds
	@ADMIT_TIER=quick $(PYTEST) tests/unit tests/contract

test: venv ## every kind of test; under 6 minutes
	@ADMIT_TIER=test $(PYTEST) --durations=10

defences-off: venv ## each threat's test must fail without its defence; lists the rows seen failing; the soak runs every case
	@$(PYTEST) --defences-off --one-case --ignore=tests/system

coverage: venv ## branch coverage of every test, with the lines that none reaches
	@$(PY) -m coverage erase
	@ADMIT_TIER=test $(PY) -m coverage run -m pytest -q -n $(or $(JOBS),3) --dist loadfile
	@$(PY) -m coverage combine -q && $(PY) -m coverage report

check: venv ## lint, format, types, layers; under 30 seconds
	@scripts/check

format: venv ## mend what can be mended: imports, layout
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format --quiet .

soak: venv ## the long rounds, fuzz minutes and fault runs
	@ADMIT_TIER=soak $(PYTEST) -rA --durations=10
	@$(PYTEST) --defences-off

bench: venv ## every benchmark, as ratios to its floor program
	@scripts/bench

bench-%: venv # one folder of benchmarks: make bench-jose
	@scripts/bench $* $(ARGS)

ci: ## what the project's CI runs
	@.ci/run

lock: venv ## resolve the dependencies again, with hashes
	@scripts/lock

docs: venv ## write the generated pages: standards, threats, reference, settings
	@$(PY) -m scripts.docs

pictures: venv ## draw docs/images anew; needs Chromium
	@$(PY) -m scripts.pictures

public-api: venv ## write down the public names and signatures, after a wanted change
	@$(PY) scripts/public_api.py
