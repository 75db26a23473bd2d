# SPDX-License-Identifier: Apache-2.0
# Sets up what each target needs, once, and runs it. Needs Python 3.10 or newer with venv and
# headers, a C compiler and make; the network only for pip. `make help` lists the targets.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
CLANG ?= clang

BIN := $(VENV)/bin
DEVICE_VENV := $(VENV)-device
STAMP := $(VENV)/stamp
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT="$(CURDIR)/constraints.txt"
NATIVE := $(wildcard native/src/*.c native/src/*.h native/include/*.h) native/cffi_build.py
SERVER_NATIVE := $(wildcard export/native/*.c export/native/*.h) export/native/cffi_build.py
PACKAGING := pyproject.toml setup.py MANIFEST.in constraints.txt
SERVER_PACKAGING := export/pyproject.toml export/setup.py export/MANIFEST.in
COMPILED := edgeart/_native*.so export/edgeart_export/_statistics*.so
DEVICE := $(shell find edgeart -name '*.py' -o -name '*.pyi' -o -name py.typed)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: force help demo test test-native test-python test-device lint lint-python lint-c lint-statistics
.PHONY: format
.PHONY: targets coverage fuzz amalgamation gates
.PHONY: bench bench-feedback sigkill agreement attribution audit-speed null-worlds unbiasedness
.PHONY: quality interval-coverage promotion statistics cold-start variance-formats deltas
.PHONY: bench-sync poll-simulation sync-sigkill dist clean distclean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /:/' \
		| awk -F: '{ printf "  make %-16s %s\n", $$1, $$2 }'

$(STAMP)/pip: constraints.txt
	"$(PYTHON)" -m venv "$(VENV)"
	$(PIP) "$(BIN)/python" -m pip install --quiet --upgrade pip
	@mkdir -p "$(STAMP)" && touch "$@"

# Both distributions, editable; again when what is compiled or declared has changed. Changes of
# Python files alone need no new installation.
$(STAMP)/installed: $(STAMP)/pip $(NATIVE) $(SERVER_NATIVE) $(PACKAGING) $(SERVER_PACKAGING) \
		$(if $(and $(wildcard edgeart/_native*.so),\
		$(wildcard export/edgeart_export/_statistics*.so)),,force)
	rm -f $(COMPILED)
	$(PIP) "$(BIN)/python" -m pip install --quiet --editable . --editable './export[collector,publish]'
	@touch "$@"

$(STAMP)/test $(STAMP)/lint $(STAMP)/bench $(STAMP)/dist: $(STAMP)/%: $(STAMP)/installed
	$(PIP) "$(BIN)/python" -m pip install --quiet --group $*
	@touch "$@"

# What edgeart-export[neural] needs, in its build for CPUs: the one for GPUs is gigabytes. Where
# there is none for this machine, whatever torch the environment has serves.
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1+cpu/p' constraints.txt)
$(STAMP)/torch: $(STAMP)/installed
	$(PIP) "$(BIN)/python" -m pip install --quiet "$(TORCH)" || "$(BIN)/python" -c "import torch" \
		|| echo "no $(TORCH) for this machine: install a torch into $(VENV) to test with it"
	@touch "$@"

demo: $(STAMP)/installed ## decide and explain a page, train on a log, then turn the whole circle for ten days
	@"$(BIN)/python" -m edgeart_export.demo

# pytest comes last, so that its closing line is the last of the output.
test: test-native test-python ## every test of the checkout

test-native:
	@$(MAKE) --no-print-directory -C native test

targets: ## the same bits by gcc, clang, on aarch64, riscv64 and WebAssembly
	@$(MAKE) --no-print-directory -C native targets

coverage: ## what the C tests reach of the C library
	@$(MAKE) --no-print-directory -C native coverage

fuzz: ## fuzz the C library for SECONDS (20) on each of four targets
	@$(MAKE) --no-print-directory -C native fuzz SECONDS=$(or $(SECONDS),20)

amalgamation: ## the C library as one file, native/build/edgeart.c
	@$(MAKE) --no-print-directory -C native amalgamation

# Matrices are small here: threads of a BLAS library gain nothing, and on a busy machine cost much.
test-python quality interval-coverage promotion cold-start unbiasedness null-worlds: \
	export OPENBLAS_NUM_THREADS = 1

test-python: $(STAMP)/test $(STAMP)/torch
	@"$(BIN)/python" -c "import torch" 2>/dev/null \
		|| echo "left out: tests of what torch trains or lifts (there is no torch here)"
	@command -v "$(CLANG)" >/dev/null \
		|| echo "left out: what needs clang (fuzzing, a second compiler): install clang to run it"
	@test -d ../shared/data \
		|| echo "left out: tests on recorded logs (there is no ../shared/data)"
	"$(BIN)/python" -m pytest

# What is shipped is what is tested: the wheel, built from the source distribution, in an
# environment without the server's packages, run from a folder without the checkout's edgeart/.
build/device/stamp: $(STAMP)/dist $(NATIVE) $(PACKAGING) $(DEVICE) README.md
	rm -rf build/device && mkdir -p build/device
	$(PIP) "$(BIN)/python" -m build --outdir build/device . >build/device/build.log \
		|| { tail -n 40 build/device/build.log; exit 1; }
	@touch "$@"

$(DEVICE_VENV)/stamp: build/device/stamp
	rm -rf "$(DEVICE_VENV)"
	"$(PYTHON)" -m venv "$(DEVICE_VENV)"
	$(PIP) "$(DEVICE_VENV)/bin/python" -m pip install --quiet --upgrade pip
	$(PIP) "$(DEVICE_VENV)/bin/python" -m pip install --quiet build/device/edgeart-*.whl \
		--group device
	@touch "$@"

test-device: $(DEVICE_VENV)/stamp ## the device tests on the built wheel and nothing else
	rm -rf build/device/run && mkdir -p build/device/run/tests
	cp pyproject.toml build/device/run
	cp -R tests/conftest.py tests/device tests/reference tests/support build/device/run/tests
	cd build/device/run && EDGEART_TESTED=wheel PYTHONSAFEPATH=1 \
		"$(abspath $(DEVICE_VENV))/bin/python" -m pytest tests/device

lint: lint-c lint-python ## ruff, mypy, and C warnings as errors

lint-python: $(STAMP)/lint $(STAMP)/test $(STAMP)/bench
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"

lint-c: lint-statistics
	@$(MAKE) --no-print-directory -C native warnings

STRICT := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wcast-align -Wwrite-strings -Werror
lint-statistics:
	@mkdir -p build
	@for compiler in "$(CC)" "$(CLANG)"; do \
		command -v $$compiler >/dev/null \
			|| { echo "left out: $$compiler's warnings (not installed)"; continue; }; \
		for level in -O0 -O3; do \
			$$compiler -std=c11 $$level -ffp-contract=off $(STRICT) -c export/native/statistics.c \
				-o build/statistics.o || exit 1; \
		done; \
		echo "$$compiler: no warnings in the trainer's sums"; \
	done

format: $(STAMP)/lint ## let ruff put the Python files in order
	"$(BIN)/ruff" check --fix .
	"$(BIN)/ruff" format .

gates: ## count instructions of the core under valgrind and hold them against the record
	@$(MAKE) --no-print-directory -C native gates

bench: $(STAMP)/bench ## measure beside onnxruntime, numpy, Vowpal Wabbit; RUNS=5: five times
	@"$(BIN)/python" -m benchmarks $(if $(RUNS),--runs $(RUNS))

bench-feedback: $(STAMP)/bench ## measure recording beside sqlite3 and snowplow-tracker, and the wire
	@"$(BIN)/python" -m benchmarks.feedback

bench-sync: $(STAMP)/bench ## measure a check beside python-tuf's client, deltas, pages meanwhile
	@"$(BIN)/python" -m benchmarks.sync

# Campaigns print JSON; make test runs a small version of each.
sigkill: $(STAMP)/test ## kill a logging, uploading device KILLS times (1000) and count what arrived
	@"$(BIN)/python" -m benchmarks.sigkill --kills $(or $(KILLS),1000)

sync-sigkill: $(STAMP)/test ## kill a syncing device at every file call of an installation
	EDGEART_EVERY_CALL=1 "$(BIN)/python" -m pytest tests/device/sync -k row_18

poll-simulation: $(STAMP)/test ## 10,000 devices checking for five days, in virtual time
	@"$(BIN)/python" -m tests.support.polls

agreement: $(STAMP)/test ## N random policies (10,000), core and oracle equal to the bit
	@"$(BIN)/python" -m tests.support.agreement --policies $(or $(N),10000)

attribution: $(STAMP)/test ## attribute 2,000,000 impressions: truth, CPU and memory
	@"$(BIN)/python" -m benchmarks.attribution

audit-speed: $(STAMP)/test ## audit 1,000,000 decisions, and 200,000 that devices uploaded: differences, speed
	@"$(BIN)/python" -m benchmarks.audit

null-worlds: $(STAMP)/test ## SEEDS worlds (100) without anything to gain: how often is a gain claimed?
	@"$(BIN)/python" -m benchmarks.null_worlds --seeds $(or $(SEEDS),100)

unbiasedness: $(STAMP)/test ## LOGS logs (2000) of every explorer, whose intervals should hold the truth
	@"$(BIN)/python" -m benchmarks.unbiasedness --logs $(or $(LOGS),2000)

quality: $(STAMP)/bench ## policies while they learn, beside tuned Vowpal Wabbit and MABWiser; an hour of CPU
	@"$(BIN)/python" -m benchmarks.quality $(QUALITY)

statistics: $(STAMP)/test ## the trainer's sums beside a numpy loop; memory for 100,000 artworks
	@"$(BIN)/python" -m benchmarks.trainer_sums

cold-start: $(STAMP)/test ## SEEDS worlds (20) whose artworks are half new, with features and without
	@"$(BIN)/python" -m benchmarks.cold_start --seeds $(or $(SEEDS),20)

interval-coverage: $(STAMP)/test ## LOGS clustered logs (2000) of four worlds, whose intervals should cover 95 %
	@"$(BIN)/python" -m benchmarks.coverage --logs $(or $(LOGS),2000)

promotion: $(STAMP)/test ## WORLDS (200) without a gain and with 10 %, and what is promoted in them
	@"$(BIN)/python" -m benchmarks.promotion --worlds $(or $(WORLDS),200)

deltas: $(STAMP)/bench ## bytes of deltas between bundles, beside bsdiff and zstd
	@"$(BIN)/python" -m benchmarks.deltas

variance-formats: $(STAMP)/test ## bytes of forms for variances, and what they do to Thompson
	@"$(BIN)/python" -m benchmarks.variance_formats

dist: $(STAMP)/dist ## sdist and wheel of both distributions, in dist/
	rm -rf dist
	$(PIP) "$(BIN)/python" -m build --outdir dist .
	$(PIP) "$(BIN)/python" -m build --outdir dist ./export

clean: ## remove what was built, keep the environments
	rm -rf build dist export/build export/dist native/build demo-output
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
	rm -rf edgeart.egg-info export/*.egg-info
	rm -f edgeart/_native.c export/edgeart_export/_statistics.c $(COMPILED) "$(STAMP)/installed"
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean ## remove the environments as well
	rm -rf "$(VENV)" "$(DEVICE_VENV)"
