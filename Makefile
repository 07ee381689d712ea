# Everything a developer or a first-time user does, on a machine with Python, pip, git and make.
#
# Each environment is a folder with a stamp file: it is made again when its lock or pyproject.toml
# changes, and not otherwise.  CONTRIBUTING.md explains the targets.

# The first that shardmill supports.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
            $$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && exit; done; echo python3)
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
DATA  =
OUT   = out
SPEC  =
TESTS =
SCALE = full
SEEDS = 0-199
SECONDS = 20
JOBS  = 1

COMMA := ,
.SUFFIXES:

VENV       := .venv
FRAMEWORKS := .venv-frameworks
BENCH      := .venv-bench
BIN        := $(VENV)/bin
PIP        := -m pip install --quiet --quiet --disable-pip-version-check --no-input --no-warn-script-location
UV         := 0.13.8
TORCH      := torch==2.13.0
TORCHCODEC := torchcodec==0.12.0
COMPILE    := .venv-lock/bin/uv pip compile pyproject.toml --quiet --no-config --universal --upgrade \
              --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

.PHONY: help
help: ## Show this list
	@echo 'make run DATA=folder OUT=out SPEC="--size 160x120 --fps 24"'
	@echo
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	  while IFS='|' read -r name text; do printf '%-18s %s\n' "$$name" "$$text"; done

# A user's folder: shardmill's summary has already named what failed, and 3 ("done, some items failed") is
# a result, not a fault of make, so only that code is turned into success; all others come through.
# Scripts that must tell 0 from 3 call .venv/bin/shardmill itself.
.PHONY: run
run: export DATA := $(DATA) # as environment, names may hold anything
run: export OUT := $(OUT)
run: $(VENV)/run.stamp ## Turn DATA (default: a small sample set) into shards in OUT, with options SPEC
ifeq ($(strip $(DATA)),)
	@$(BIN)/python -m shardmill_worker.sample sample
	@$(BIN)/shardmill run sample --out "$$OUT" --allow-failures $(SPEC)
else
	@$(BIN)/shardmill run "$$DATA" --out "$$OUT" $(SPEC) || { code=$$?; [ $$code -eq 3 ] || exit $$code; }
endif

# A slice of every tier: what a change is judged by.  CONTRIBUTING.md has the tiers.
.PHONY: test
test: check ## Run the checks and a slice of every kind of test; TESTS="tests/unit -k fps" runs those alone
ifeq ($(strip $(TESTS)),)
	@$(BIN)/python tests/suite.py
else
	@$(BIN)/python -m pytest $(TESTS)
endif

.PHONY: test-all
test-all: check frameworks ## Run the checks and every test there is (35 minutes on two cores)
	@$(BIN)/python tests/suite.py --all

.PHONY: test-changed
test-changed: check ## Run the checks and the tests of the packages that differ from main: seconds
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'not heavy' $$($(BIN)/python tests/changed.py)

.PHONY: check
check: $(VENV)/dev.stamp ## Check format, lint and types
	@$(BIN)/ruff format --check --quiet . || { echo 'make format puts this right' >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary

.PHONY: format
format: $(VENV)/dev.stamp ## Format the code and mend what can be mended
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

.PHONY: correctness
correctness: $(VENV)/dev.stamp ## Compare with ffmpeg on real files and write docs/correctness.md (SHARDMILL_CORPUS)
	@PYTHONPATH=tests $(BIN)/python -m correctness

.PHONY: cases
cases: $(VENV)/dev.stamp frameworks ## Run the faults found in real use against their oracles (SHARDMILL_CASES)
	@$(BIN)/python -m pytest -q -rA tests/integration/test_cases.py tests/integration/test_sick_machine_cases.py \
	  tests/integration/test_loader_cases.py

.PHONY: chaos
chaos: $(VENV)/dev.stamp ## Try jobs on machines and drives that fail at random, a seed each (SEEDS=0-199 SECONDS=20 JOBS=1)
	@PYTHONPATH=tests $(BIN)/python -m chaos --seeds $(SEEDS) --seconds $(SECONDS) --jobs $(JOBS)

.PHONY: pictures
pictures: $(VENV)/dev.stamp ## Write docs/*.png anew, from real runs
	@PYTHONPATH=tests $(BIN)/python -m pictures

.PHONY: docs
docs: $(VENV)/dev.stamp ## Write docs/cli.md from the commands' own help
	@PYTHONPATH=tests $(BIN)/python -m cli_page

.PHONY: frameworks
frameworks: $(FRAMEWORKS)/stamp ## Install TensorFlow, PyTorch, Lightning, Grain and others for the tests that read shards with them

.PHONY: bench
bench: $(BENCH)/stamp ## Run every comparison and write benchmarks/README.md (1 to 2 hours; SCALE=small: 3 minutes)
	@$(BENCH)/bin/python benchmarks --scale $(SCALE)

.PHONY: lock
lock: .venv-lock/uv-$(UV) ## Pin the newest versions that pyproject.toml allows in requirements/*.lock
	@echo 'Pinning the newest versions in requirements/.' >&2
	@$(COMPILE) --extra all --group build --output-file requirements/run.lock
	@$(COMPILE) --extra dev --group build --constraints requirements/run.lock \
	  --no-annotate --output-file requirements/dev.lock
	@$(COMPILE) --extra frameworks --group build --excludes requirements/unlocked.txt \
	  --output-file requirements/frameworks.lock
	@$(COMPILE) --extra bench --group build --constraints requirements/run.lock \
	  --no-annotate --output-file requirements/bench.lock

.PHONY: clean
clean: ## Remove environments and caches; never results
	rm -rf .venv* .bench build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# new_venv DIR WHY
define new_venv
	@"$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { echo 'shardmill needs Python 3.11, 3.12 or 3.13; "$(PYTHON)" is' \
	  "$$("$(PYTHON)" -V 2>/dev/null || echo 'not there'): install one, or say make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo '$(2)' >&2
	@"$(PYTHON)" -m venv --clear $(1) || \
	  { echo 'This Python cannot make virtual environments: install its package python3-venv' >&2; exit 1; }
endef

# install LOCK DIR: exactly what the lock pins, and this project, editable, into a fresh DIR.
# Without dependencies: the lock has them all, but for torch, which comes afterwards.
define install
	$(call new_venv,$(2),Installing what $(1) pins into $(2): a minute or so$(COMMA) this once.)
	@$(2)/bin/python $(PIP) --no-deps --require-hashes --requirement $(1)
	@$(2)/bin/python $(PIP) --no-deps --no-build-isolation --editable .
endef

$(VENV)/run.stamp: requirements/run.lock pyproject.toml
	$(call install,$<,$(VENV))
	@touch $@

# All that a run needs is in it too, so that a `make run` afterwards leaves it as it is.
$(VENV)/dev.stamp: requirements/dev.lock pyproject.toml
	$(call install,$<,$(VENV))
	@touch $(VENV)/run.stamp $@

# torch comes without hashes: its builds for processors alone have other files, on other indexes.
$(FRAMEWORKS)/stamp: requirements/frameworks.lock pyproject.toml
	$(call install,$<,$(FRAMEWORKS))
	@$(FRAMEWORKS)/bin/python $(PIP) '$(TORCH)'
	@touch $@

# The peers.  torchcodec 0.12 is the last whose file in the index needs no CUDA; without hashes, as torch.
$(BENCH)/stamp: requirements/bench.lock pyproject.toml
	$(call install,$<,$(BENCH))
	@$(BENCH)/bin/python $(PIP) '$(TORCH)' '$(TORCHCODEC)'
	@touch $@

.venv-lock/uv-$(UV):
	$(call new_venv,.venv-lock,Installing uv into .venv-lock.)
	@.venv-lock/bin/python $(PIP) uv==$(UV)
	@touch $@
