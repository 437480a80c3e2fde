# Each target is one line of intent; `make setup` is quick when nothing changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A test that fails is run once more, and the summary names it: a busy machine must not stop a change,
# and a test that needs its second run is a fault to mend.
PYTEST_OPTIONS := --reruns 1 -rR
JAR_SOURCES := $(shell find fhir-server -path fhir-server/target -prune -o -type f -print 2>/dev/null)

.PHONY: setup demo up test conformance bench test-docker test-viewer lock format clean

setup: $(VENV)/.installed fhir-server/target/.built

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

fhir-server/target/.built: $(VENV)/.installed $(JAR_SOURCES)
	$(BIN)/python -m conformance.fhir_server
	touch $@

demo: setup
	$(BIN)/abdm-adapter demo

up: setup
	$(BIN)/abdm-adapter up

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest $(PYTEST_OPTIONS)

conformance: setup
	$(BIN)/python -m conformance.run

bench: setup
	$(BIN)/python -m tests.bench

test-docker: setup
	$(BIN)/python -m tests.docker

test-viewer: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[viewer]'
	$(BIN)/pytest tests/flows/viewer_in_chromium.py

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements-dev.lock

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) fhir-server/target var build
