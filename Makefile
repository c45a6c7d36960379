# Everything runs from .venv, which `make setup` creates with only Python >= 3.11, make and git.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.setup
DOCS   := .tools/docs/.setup
PACKAGES := $(wildcard strongroom servicekit storage_service metadata_service gateway strongroom_server devstack benchmarks scripts tests)
# More than cores: tests of real processes mostly wait.
PYTEST_WORKERS ?= 6
PYTEST_ARGS ?=
PYTEST := $(PY) -m pytest -q --durations 10

.PHONY: help setup up test test-fast test-both faults chaos conformance durations coverage profile lint format types imports generate manifests typescript check-generated buf-lint buf-breaking check bench flows parts lock wheel release images docs docs-serve clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(STAMP)  ## make .venv from the hashed lock (again only when the lock changes)

$(STAMP): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python >= 3.11 is needed: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || \
	  { echo "python -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing requirements/dev.txt into $(VENV)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes \
	  -r <(sed -n '/^uv==/,/[^\\]$$/p' requirements/dev.txt)
	@$(PY) scripts/install.py --require-hashes -r requirements/dev.txt
	@$(PY) scripts/install.py --no-build-isolation --no-deps --editable .
	@touch $@

up: setup  ## start Postgres, S3 and the three services; Ctrl-C stops them
	@exec $(PY) -m devstack up

test: setup  ## run every test; lists the ten slowest at the end
	@$(PYTEST) --workers $(PYTEST_WORKERS) $(PYTEST_ARGS)

test-fast: setup  ## run the tests that need no service processes: unit, contract, model
	@$(PYTEST) --workers 4 tests/unit tests/contract tests/model $(PYTEST_ARGS)

durations: setup  ## run every test and write tests/durations.json, so that the slowest modules start first
	@$(PYTEST) --workers $(PYTEST_WORKERS) --record-durations

coverage: setup  ## run every test under coverage, services included; the report goes to .coverage-data/html
	@rm -rf .coverage-data
	@$(PY) -m coverage run -m pytest -q --workers $(PYTEST_WORKERS) $(PYTEST_ARGS) || echo "some tests failed"
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage html --quiet --directory .coverage-data/html
	@$(PY) -m coverage report --format total --precision 1

profile: setup  ## profile a service of `make up` with py-spy: SERVICE=storage|metadata|gateway SECONDS=20
	@$(PY) -m scripts.profile_service $(or $(SERVICE),storage) --seconds $(or $(SECONDS),20)

faults: setup  ## every crash point and cell under SEEDS=20 seeds, one line per point
	@$(PY) -m tests.faults.campaigns.seeds $(or $(SEEDS),20) --first $(or $(SEED),0) $(PYTEST_ARGS)

chaos: setup  ## random campaigns: ROUNDS=10 of them, from SEED=1 on; each prints its seed and any problems
	@STRONGROOM_FAULTS_SEED=$(or $(SEED),1) STRONGROOM_CAMPAIGN_ROUNDS=$(or $(ROUNDS),10) \
	  $(PY) -m pytest -q -s $(PYTEST_ARGS) tests/faults/campaigns/test_chaos.py

conformance: setup  ## run the model and the service with the same random requests: ROUNDS=10, from SEED=1 on
	@STRONGROOM_FAULTS_SEED=$(or $(SEED),1) STRONGROOM_CAMPAIGN_ROUNDS=$(or $(ROUNDS),10) \
	  $(PY) -m pytest -q -s $(PYTEST_ARGS) tests/faults/campaigns/test_conformance.py

test-both: setup  ## the tests of whole stacks and of faults, in one process and in three
	@for form in one three; do echo "STRONGROOM_FORM=$$form"; STRONGROOM_FORM=$$form \
	  $(PYTEST) --workers $(PYTEST_WORKERS) $(PYTEST_ARGS) tests/e2e tests/faults || exit 1; done

lint: setup  ## ruff: rules and formatting
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: setup  ## let ruff fix what it can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: setup  ## mypy --strict over everything
	@$(PY) -m mypy $(PACKAGES)

imports: setup  ## check which packages import which (import-linter)
	@$(PY) scripts/check_imports.py

generate: setup  ## write the Python stubs of protos/
	@$(PY) scripts/generate.py

manifests: setup  ## write deploy/kubernetes from the chart of deploy/helm
	@$(PY) -m scripts.manifests

typescript: setup  ## write the types of clients/typescript from the OpenAPI document; with npm, check them, the client and the console's modules
	@$(PY) -m scripts.typescript_types
	@if command -v npm >/dev/null; then cd clients/typescript && npm ci --silent --no-audit --no-fund && npm run --silent check && npm run --silent console; \
	  else echo "npm is not here: the client and the console are checked by tests/e2e/test_typescript_client.py only"; fi

check-generated: setup  ## fail when the committed stubs are stale
	@$(PY) scripts/generate.py --check

buf-lint: setup  ## lint the protos
	@$(VENV)/bin/buf lint

buf-breaking: setup  ## compare the protos with the last release (see scripts/buf_breaking.py)
	@$(PY) scripts/buf_breaking.py

check: lint types check-generated buf-lint buf-breaking imports docs  ## everything but the tests

bench: setup  ## measure; the table goes to benchmarks/README.md
	@$(PY) -m benchmarks

flows: setup  ## how many files and functions an upload, a ranged GET and a project save enter
	@$(PY) -m benchmarks.flows

parts: setup  ## measure code that exists only for speed, with and without it (for decision records)
	@$(PY) -m benchmarks.parts

lock: setup  ## write requirements/*.txt again from pyproject.toml (UPGRADE=1 raises versions)
	@$(PY) scripts/lock.py $(if $(UPGRADE),--upgrade)

wheel: setup  ## build the wheel and sdist into dist/
	@$(PY) -m build --no-isolation --outdir dist

release: setup  ## wheel, sdist, SBOM, licences, notes and checksums of REF=HEAD into dist/ (docs/releases.md)
	@$(PY) -m scripts.release --ref $(or $(REF),HEAD)

images: setup  ## the images of REF=HEAD, by ENGINE=docker
	@$(PY) -m scripts.release.images --ref $(or $(REF),HEAD) --engine $(or $(ENGINE),docker)

docs: setup $(DOCS)  ## the documentation site, into build/docs/site; fails on broken links
	@$(PY) -m scripts.docs

docs-serve: setup $(DOCS)  ## the site at http://127.0.0.1:8000, rebuilt as pages change
	@$(PY) -m scripts.docs --serve

$(DOCS): requirements/docs.txt | setup
	@$(PY) -m uv venv --quiet --clear --python $(PY) .tools/docs
	@$(PY) scripts/install.py --into .tools/docs/bin/python --require-hashes -r requirements/docs.txt
	@touch $@

clean:  ## remove everything that can be rebuilt (data in .strongroom stays)
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage-data
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
