# `make run` and `make test` set everything up by themselves; run twice they are fast.
PYTHON ?= python3
VENV := .venv
FOLDER ?= $(CURDIR)
export FOLDER

.PHONY: run check test test-tools lint bench soak chaos screenshots layouts vendor clean

run: $(VENV)/run.stamp
	@$(VENV)/bin/python scripts/run.py

# What to run at every commit: a minute and a half
check: lint test-tools
	$(VENV)/bin/pytest -n 3 --dist loadfile -m "not slow" tests/browser/test_main_job.py tests/unit tests/js

# Three processes: many tests wait. With four some wait for longer than their limits
test: $(VENV)/test.stamp test-tools node_modules/test.stamp
	$(VENV)/bin/pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/test.stamp
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/test.stamp test-tools
	$(VENV)/bin/python -m benchmarks

# 20,000 runs of the model of a page, a network and a server, and 8 hours of messages to open pages: an hour
soak: $(VENV)/test.stamp test-tools
	JOBSYNC_SOAK=20000 JOBSYNC_CANCELS=200 $(VENV)/bin/pytest -s tests/model tests/browser/long_look tests/faults/test_cancel.py

# Ten minutes of jobs under random kills. SEED=… repeats a run
chaos: $(VENV)/test.stamp test-tools node_modules/test.stamp
	$(VENV)/bin/python tests/faults/chaos.py --seconds 600 $(if $(SEED),--seed $(SEED))

# The pictures of the README
screenshots: $(VENV)/test.stamp test-tools
	$(VENV)/bin/python scripts/screenshots.py

# What tests/browser/test_layouts.py compares the pages with: look at them before it is committed
layouts: $(VENV)/test.stamp test-tools
	JOBSYNC_RENEW_LAYOUTS=1 $(VENV)/bin/pytest tests/browser/test_layouts.py -k laid_out

# Chromium and Node for the tests of the pages: installed where they are missing and it is allowed
test-tools:
	@scripts/test-tools.sh

# Fetches the third-party scripts of package-lock.json again and checks their sums
vendor:
	@npm ci --ignore-scripts --no-audit --no-fund && node scripts/vendor.mjs

$(VENV)/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "jobsync needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what jobsync needs into $(VENV) …"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements-dev.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# What a program in Node needs to follow a job: only its test does
node_modules/test.stamp: package-lock.json | test-tools
	@npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

clean:
	rm -rf $(VENV) node_modules .pytest_cache .ruff_cache .hypothesis
