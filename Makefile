# A stranger needs git, make and Python 3.11. Everything else is installed into .venv from the lock file.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SCANNERS := .venv-scanners
OPINIONS := .venv-opinions
MODELS := .venv-models
GISKARD := .venv-giskard
# One thread per numeric library: the tests and the demo use processes, and tiny arrays only lose by threads.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: help demo test natives check generate benchmarks fail-open mutation lock clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/installed ## One honest release that passes, three bad ones that are stopped; writes demo-output/report.html
	$(BIN)/python -m demo

# Scanners that are run as programs, and whose pins do not fit into one environment with ours.
$(SCANNERS)/installed: requirements-scanners.lock
	$(PYTHON) -m venv $(SCANNERS)
	$(SCANNERS)/bin/python -m pip install --quiet --require-hashes --no-deps --requirement requirements-scanners.lock
	@touch $@

# Other scanners of model files.
$(OPINIONS)/installed: requirements-opinions.lock
	$(PYTHON) -m venv $(OPINIONS)
	$(OPINIONS)/bin/python -m pip install --quiet --require-hashes --no-deps --requirement requirements-opinions.lock
	@touch $@

# A scan of a model's behaviour, which evaluate-behavior runs in this environment.
$(GISKARD)/installed: requirements-giskard.lock
	$(PYTHON) -m venv $(GISKARD)
	$(GISKARD)/bin/python -m pip install --quiet --require-hashes --no-deps --requirement requirements-giskard.lock
	@touch $@

# The libraries whose models have to pass: to write the corpus anew, to measure, and to run the tests that need them.
$(MODELS)/installed: tests/corpus/modelfiles/requirements.txt
	$(PYTHON) -m venv $(MODELS)
	$(MODELS)/bin/python -m pip install --quiet --requirement tests/corpus/modelfiles/requirements.txt
	@touch $@

# The same libraries, with wardein and all that it needs beside them.
$(MODELS)/with-wardein: $(MODELS)/installed $(VENV)/installed
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $@
	echo "$(CURDIR)/components" >> $@
	cp $@ "$$($(MODELS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/wardein.pth"

natives: $(MODELS)/with-wardein ## Run the tests on models of torch, XGBoost, LightGBM, CatBoost and ONNX
	$(MODELS)/bin/python -m pytest tests/natives

test: $(VENV)/installed $(SCANNERS)/installed $(OPINIONS)/installed $(GISKARD)/installed ## Run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

check: $(VENV)/installed ## Lint, types, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/generate.py --check

generate: $(VENV)/installed ## Write every generated file from the steps' signatures
	$(BIN)/python tools/generate.py

benchmarks: $(VENV)/installed $(OPINIONS)/installed ## Measure ratios against peers in the same run
	missed=0; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || missed=1; done; exit $$missed

fail-open: $(VENV)/installed $(SCANNERS)/installed ## Run scanners, bare and by wardein, on what they get wrong; writes docs/fail-open.md
	$(BIN)/python tools/fail_open.py

mutation: $(VENV)/installed ## Take the gate's guards away, one at a time; writes docs/mutation.md
	PYTHONHASHSEED=0 $(BIN)/python tools/mutate.py --work build/mutation

lock: ## Resolve the development environment anew (needs uv)
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --output-file requirements.lock
	uv pip compile pyproject.toml --group scanners --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --output-file requirements-scanners.lock
	uv pip compile pyproject.toml --group opinions --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --output-file requirements-opinions.lock
	uv pip compile pyproject.toml --group giskard --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --output-file requirements-giskard.lock

clean: ## Remove what make made
	rm -rf $(VENV) $(SCANNERS) $(OPINIONS) $(MODELS) $(GISKARD) demo-output build
