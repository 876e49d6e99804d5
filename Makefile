# The targets that people and CI use; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVERS := $(PYTHON) tests/servers/servers.py run --
# Building with and without Python in one folder would build PyO3 anew each time.
PYTHON_TARGET := target/python
# By zig the wheel is linked against a C library of 2012, so one wheel serves every Linux of today; `make wheel ZIG=` makes
# one for machines like this.
ZIG ?= --zig --compatibility manylinux2014
# With --sdist the wheel is made of the source distribution, which CI so shows to be whole.
SDIST ?=
RUST := Cargo.toml Cargo.lock $(shell find src -name '*.rs')
PACKAGE := pyproject.toml $(shell find python -name '*.py' -o -name '*.pyi' -o -name '*.po' -o -name '*.html' -o -name '*.css')

.DEFAULT_GOAL := help
.PHONY: help demo wheel test test-pure test-rust test-python lint lint-rust lint-python format init-sql types-doc bench bench-micro soak servers clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.wheel ## See it work: two SQLite files, changes on both sides, one conflict
	cd examples/shop && ../../$(BIN)/python demo.py

wheel: $(VENV)/.wheel ## Build the wheel and install it into .venv

test: $(VENV)/.tools $(VENV)/.wheel ## Run every test beside real MariaDB and MySQL servers
	$(MAKE) test-pure
	$(SERVERS) $(MAKE) test-rust test-python

test-pure: ## Test the pure floors alone, built without any server's driver
	cargo test --lib --no-default-features

test-rust: ## Run the Rust tests (servers by DB_SYNC_TEST_*_URL)
	cargo test --lib --test servers --features failpoints

test-python: $(VENV)/.tools $(VENV)/.wheel $(VENV)/.browser ## Run the Python tests
	$(BIN)/python -m pytest

lint: lint-rust lint-python ## Run every linter, warnings as errors

lint-rust: ## Check format and lints of the Rust code, with every set of features
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --features failpoints -- -D warnings
	cargo clippy --lib --no-default-features -- -D warnings
	cargo clippy --lib --features python --target-dir $(PYTHON_TARGET) -- -D warnings

lint-python: $(VENV)/.tools $(VENV)/.wheel ## Check format, lints, types and the native module's stub
	$(BIN)/ruff check python examples tests benches
	$(BIN)/ruff format --check python examples tests benches
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/servers/servers.py
	$(BIN)/python -m mypy.stubtest db_sync._native

format: $(VENV)/.tools ## Format all code
	cargo fmt
	$(BIN)/ruff format python examples tests benches
	$(BIN)/ruff check --fix python examples tests benches

init-sql: ## Write mariadb/init/01-init.sql anew from the engine's definition
	cargo run --quiet --bin db-sync -- schema --init > mariadb/init/01-init.sql

types-doc: ## Measure the table of docs/types.md anew (servers by DB_SYNC_TEST_*_URL)
	DB_SYNC_WRITE_DOCS=1 cargo test --test servers -- every_type_on_every_pair

SIZE ?= small
ROUNDS ?= 3
PARTS ?= shop growth keys files
BENCH := target/bench

bench: $(BENCH)/.peers $(VENV)/.wheel ## Compare with other tools and write docs/performance.md (SIZE=tiny, small or full; ROUNDS, PARTS)
	cargo build --release
	PYTHONPATH=benches $(PYTHON) tests/servers/servers.py run --only mariadb -- \
		$(BENCH)/bin/python -m compare --size $(SIZE) --rounds $(ROUNDS) --parts $(PARTS)

MINUTES ?= 10
SEED ?=
SOAK_PATH := tests:tests/python:tests/servers

soak: $(VENV)/.tools $(VENV)/.wheel ## Play random histories with faults and look for anything lost (MINUTES, SEED)
	PYTHONPATH=$(SOAK_PATH) $(SERVERS) $(BIN)/python -m soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

bench-micro: ## Measure what the engine itself takes for a row
	cargo bench --bench micro

servers: ## Only get what the test servers need
	$(PYTHON) tests/servers/servers.py prepare

clean: ## Remove what was built
	cargo clean
	rm -rf $(VENV) dist examples/shop/data

# The peers are not ours: they live beside the build, and one that cannot be had is left out with a word.
$(BENCH)/.peers: benches/peers.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet "PyMySQL>=1.2" cryptography
	@grep -v '^#' $< | while read -r peer; do \
		$(BENCH)/bin/python -m pip install --quiet "$$peer" || echo "!!! not to be had: $$peer" >&2; done
	@[ "$$(id -u)" != 0 ] || { apt-get update -qq; for peer in percona-toolkit mydumper sqlite3; do \
		apt-get install -y -qq "$$peer" || echo "!!! not to be had: $$peer" >&2; done; }
	touch $@

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	touch $@

$(VENV)/.builders: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet --group build
	touch $@

$(VENV)/.wheel: $(VENV)/.builders $(RUST) $(PACKAGE)
	$(BIN)/pybabel --quiet compile -d python/db_sync/locale -D django
	rm -rf dist
	PATH="$(CURDIR)/$(BIN):$$PATH" maturin build --quiet --release $(SDIST) $(ZIG) --target-dir $(PYTHON_TARGET) --out dist
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps dist/*.whl
	$(BIN)/python -m pip install --quiet dist/*.whl
	touch $@

# The admin is looked at in a browser, which pip cannot bring.
$(VENV)/.browser: $(VENV)/.created
	command -v chromedriver >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium chromium-driver; }
	touch $@

$(VENV)/.tools: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet --group dev
	touch $@
