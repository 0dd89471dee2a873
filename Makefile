# `make` shows what there is. GNU make 3.81 (macOS) and newer.
# Variables given after the target reach the programs: make run COUNTERSIGN_PORT=9000

BIN = .venv/bin
ARGS =

.PHONY: help install install-production run test test-twice check translations bench-web bench pictures lock clean

help:
	@echo "make run            install, then start everything here: database, queue, web, workers, mail"
	@echo "make test           install, then run all tests in parallel       (ARGS='-k word' for some)"
	@echo "make install-production   install what production needs, without embedded servers, tests and tools"
	@echo "make check          ruff, mypy, import contracts, migrations, translations"
	@echo "make translations   bring translations/*.po up to date with the sources"
	@echo "make bench-web      measure pages and signing"
	@echo "make bench          measure all"
	@echo "make pictures       take the pictures of README and docs anew (needs chromium)"
	@echo "make lock           resolve the two lock files anew from pyproject.toml"
	@echo "make clean          remove .venv and caches; data in var/ stay"

# A quick look when all is installed; see bootstrap/install.py.
install:
	@python=`sh bootstrap/find-python.sh` && exec "$$python" bootstrap/install.py

# For production: without embedded servers, tests and tools.
install-production:
	@python=`sh bootstrap/find-python.sh` && exec "$$python" bootstrap/install.py --production

run: install
	@exec $(BIN)/countersign up $(ARGS)

# Four processes, even on two cores: many tests wait for other processes, deadlines and leases. More gain nothing, for they
# share one database server. Tests that share one installation run in one of them (tests/kit/sharing.py). The tests start
# hundreds of processes; where PYTHONDONTWRITEBYTECODE is set, each would compile the product anew, so it is emptied.
PYTEST_ARGS = -n 4 $(ARGS)

test: install
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(PYTEST_ARGS)

# For CI: asks once more, alone, what has failed, and names what passes then.
test-twice: install
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m tests.kit.twice $(PYTEST_ARGS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/countersign db check
	$(MAKE) translations CATALOGUES=--check
	$(BIN)/python -m pytest tests/invariants/test_translations.py

# Collect the texts of the sources into build/messages.pot, then update each catalogue. No places and no dates of a run,
# so that a diff shows texts only.
CATALOGUES =
translations: install
	@mkdir -p build
	@$(BIN)/pybabel -q extract -F babel.cfg -k lazy -k Cause:2 -c Translators: --sort-output --no-location -w 110 \
	    -o build/messages.pot campaign templates
	@for locale in de fa ur; do \
	    $(BIN)/pybabel -q update -i build/messages.pot -o translations/$$locale.po -l $$locale -w 110 \
	        --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date $(CATALOGUES) \
	    || { echo "translations/$$locale.po is not up to date: make translations"; exit 1; }; \
	done

bench-web: install
	$(BIN)/python -m benchmarks.web $(ARGS)

bench: install
	$(BIN)/python -m benchmarks $(ARGS)

pictures: install
	$(BIN)/python -m docs.pictures

# uv resolves for every platform at once, which pip can't. It lives in a folder of its own, thrown away afterwards.
lock:
	@python=`sh bootstrap/find-python.sh` && folder=`mktemp -d` && trap 'rm -rf "$$folder"' EXIT && \
	"$$python" -m venv "$$folder" && "$$folder/bin/python" -m pip install --quiet uv && \
	"$$folder/bin/uv" pip compile --quiet --universal -p 3.11 --generate-hashes --no-header pyproject.toml \
	    --extra embedded --group dev -o requirements.lock $(ARGS) && \
	"$$folder/bin/uv" pip compile --quiet --universal -p 3.11 --generate-hashes --no-header pyproject.toml \
	    -c requirements.lock -o requirements-production.lock

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build
	find campaign tasks tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@test ! -d var || echo "The data in var/ are kept."
