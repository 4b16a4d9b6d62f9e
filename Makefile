# make demo     simulate 2,000 alerts, score them, draw a mosaic, write a report for a browser
# make test     every test that needs no GPU
# make lint     formats, lints, types
# make lock     pin the packages of development and CI anew, with hashes (needs uv)
# make models   rebuild the packaged models from the data in $SPACE2VEC_DATA (default ../shared/data)
# make docs     build the site of docs/ into build/site; a warning is an error
# make pages    rewrite docs/features.md, accuracy.md, cpu-vs-gpu.md, network-worth.md, few-labels.md, table-tries.md, likeness.md, unknown-stamps.md, models and pictures; a real night needs the data in $SPACE2VEC_DATA
# make device-package   build here what cuda/device_check.sh runs on a machine with a GPU (needs nvcc and Python 3.12)
# make clean    remove everything that these have made
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := $(shell find cpp cuda src python -type f -not -name '*.py[co]' -not -name '_c*.so') \
	pyproject.toml CMakeLists.txt LICENSE $(wildcard README.md)
CPP_FILES := $(shell find benchmarks cpp cuda src tests -name '*.[ch]pp' -o -name '*.[ch]' -o -name '*.inl' -o -name '*.cu' -o -name '*.cuh')
PYTHON_FOLDERS := benchmarks docs examples python tests
CPP_TESTS := $(wildcard tests/cpp/*) $(shell find tests/fuzz -type f)

.PHONY: help demo test pytest ctest lint lock models docs pages device-package clean

help:
	@sed -n 's/^# make /make /p' Makefile

$(VENV)/made:
	@.ci/requirements
	python3 -m venv $(VENV)
	$(PIP) install --upgrade -c constraints.txt pip
	@touch $@

# The package as its user gets it, with what drawing needs. The environment reaches the isolated build too, which options
# do not; pip 25.3 and newer ask the second variable there.
$(VENV)/package: export PIP_CONSTRAINT := $(abspath constraints.txt)
$(VENV)/package: export PIP_BUILD_CONSTRAINT := $(abspath constraints.txt)
$(VENV)/package: $(VENV)/made $(SOURCES) constraints.txt
	$(PIP) install '.[plot]'
	@touch $@

# All extras, the tools of development and those that build the package, each file by its hash, and then the package without
# an isolated build. PyTorch alone is pinned without a hash: which file it is (with CUDA or not) is left to the machine.
$(VENV)/development: $(VENV)/made $(SOURCES) constraints.txt .ci/development.lock
	$(PIP) install --require-hashes -r .ci/development.lock
	$(PIP) install -c constraints.txt torch
	PATH=$(abspath $(BIN)):$$PATH $(PIP) install --no-build-isolation --no-deps --force-reinstall .
	@touch $@ $(VENV)/package

demo: $(VENV)/package
	rm -rf demo
	mkdir demo
	$(BIN)/space2vec simulate -n 2000 -o demo/alerts
	$(BIN)/space2vec score demo/alerts -o demo/scores.parquet --mosaic demo/mosaic.png
	$(BIN)/space2vec report demo/alerts -o demo/report
	@echo
	@echo "alerts   demo/alerts (the truth in demo/alerts/truth.csv)"
	@echo "scores   demo/scores.parquet"
	@echo "mosaic   demo/mosaic.png"
	@echo "report   demo/report/index.html (opens in a browser)"

test: pytest ctest

pytest: $(VENV)/development
	$(BIN)/python -m pytest -q

build/release/tested: $(VENV)/development $(SOURCES) $(CPP_TESTS) CMakePresets.json
	$(BIN)/cmake --preset release -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja >build/release.log || { cat build/release.log; exit 1; }
	$(BIN)/cmake --build --preset release
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/ctest --preset release
	@touch $@

ctest: build/release/tested

lint: $(VENV)/development
	$(BIN)/ruff check $(PYTHON_FOLDERS)
	$(BIN)/ruff format --check $(PYTHON_FOLDERS)
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP_FILES)

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --upgrade \
	--custom-compile-command 'make lock' -c constraints.txt

lock:
	$(LOCK) pyproject.toml --extra all --group test --group lint --group development --group docs -o .ci/development.lock
	$(LOCK) --group fuzz -o .ci/fuzzing.lock

models: $(VENV)/development
	$(BIN)/python -m space2vec.studies.packaged.build --data "$${SPACE2VEC_DATA:-../shared/data}" --output python/space2vec/packaged

docs: $(VENV)/development
	$(BIN)/python -m sphinx -b html -q -E -W --keep-going docs build/site
	@echo "site     build/site/index.html"

pages: $(VENV)/development
	$(BIN)/python docs/features.py
	$(BIN)/python docs/accuracy.py
	$(BIN)/python docs/cpu_vs_gpu.py
	$(BIN)/python docs/device_kernels.py
	$(BIN)/python docs/network_worth.py
	$(BIN)/python docs/few_labels.py
	$(BIN)/python docs/table_tries.py
	$(BIN)/python docs/likeness.py
	$(BIN)/python docs/model_cards.py
	$(BIN)/python docs/unknown_stamps.py

# For one architecture of GPU: make device-package CUDA_ARCHITECTURES=90
device-package: $(VENV)/development
	PATH="$(abspath $(BIN)):$$PATH" tests/device/package.sh build/device-package

clean:
	rm -rf $(VENV) build demo dist .pytest_cache .ruff_cache .mypy_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
