# `make demo` and `make test` are all that a newcomer needs; the rest is for those who work on the project.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Extra pytest arguments: make test ARGS="tests/errors -k pickle"
ARGS   ?=

.PHONY: demo test test-services test-stack stack stack-down check types docs bench lock pythons wheel clean

demo: $(VENV)/.demo         ## run a third-party service under trax-otel and look at what it did
	@$(BIN)/trax-otel demo $(ARGS)

test: $(VENV)/.test         ## the whole suite, browser and PostgreSQL tests too where those can be had
	@tools/chromium.sh
	@tools/postgres.sh
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

stack:                      ## collector, Tempo, Loki, Jaeger, Prometheus, Grafana … natively on this machine (built with Go at first)
	@tools/stack/build.sh
	@$(PYTHON) tools/stack/stack.py up

stack-down:                 ## end exactly what `make stack` started
	@$(PYTHON) tools/stack/stack.py down

test-stack: $(VENV)/.test   ## the shipped config files on the stack's real servers
	@tools/stack/build.sh
	@$(BIN)/python -m pytest tests/stack -m stack -n 2 --dist loadfile $(ARGS)

test-services: $(VENV)/.test $(VENV)-services/.services   ## servers, workers and libraries that nobody here wrote, under `trax-otel run`
	@$(BIN)/python -m pytest tests/services -m services -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.test        ## lint, format, types, import layers, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python tools/docs.py --check

docs: $(VENV)/.test         ## write the generated pages anew
	$(BIN)/python tools/docs.py

bench: $(VENV)/.test        ## every ratio, interleaved with the peers
	$(BIN)/python -m benchmarks $(ARGS)

pythons: $(VENV)/.test      ## the suite (without servers and browser) on every Python found, 3.10 to 3.13
	$(BIN)/nox --session tests

wheel: $(VENV)/.test        ## build, install into a clean environment, use it as a user would
	tools/wheel.sh $(BIN)/python

lock: $(VENV)/.test         ## renew the pins that CI uses
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra test --universal --python-version 3.10 --quiet --no-emit-index-url \
	  --no-annotate --no-header --output-file requirements/ci.txt --upgrade
	$(BIN)/uv pip compile pyproject.toml requirements/services.in --extra auto --extra grpc --extra local --extra state \
	  --python-version 3.11 --quiet --no-emit-index-url --no-annotate --no-header --output-file requirements/services.txt --upgrade

clean:
	rm -rf $(VENV) $(VENV)-services build dist .mypy_cache .pytest_cache .ruff_cache .nox

$(VENV)/.demo: pyproject.toml requirements/ci.txt
	@tools/venv.sh $(PYTHON) $(VENV) demo

$(VENV)/.test: pyproject.toml requirements/ci.txt
	@tools/venv.sh $(PYTHON) $(VENV) test

$(VENV)-services/.services: pyproject.toml requirements/services.txt tools/services/install.sh
	@tools/services/install.sh $(PYTHON) $(VENV)-services
