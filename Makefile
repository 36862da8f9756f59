# make demo: set up, then learn, evaluate and export fields from a real weather table. make test: set up, then test.
# make bench DATA=folder: the whole benchmark suite (many hours), then the tables of benchmarks/RESULTS.md.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test lint bench clean

demo: $(READY)
	$(BIN)/rfconv learn sample_data/nyc_weather.csv --target month --preset fast
	$(BIN)/rfconv evaluate
	$(BIN)/rfconv export-fields --plot

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov=rfconv_cli --cov-report=term:skip-covered --cov-fail-under=90

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	@test -n "$(DATA)" || { echo "name the folder of the data files (benchmarks/RESULTS.md lists them): make bench DATA=..."; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks all "$(DATA)"

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) build *.egg-info
