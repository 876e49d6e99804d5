"""Fixtures that several files share: a recorded engine, and databases of a test's own."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connections
from hypothesis import settings
from pytest_django import DjangoDbBlocker

from db_sync import _native
from example_shop import new, seeded, site, synced

__all__ = ["new", "seeded", "site", "synced"]

pytest_plugins = ["recorder"]

# Nothing is remembered between runs, and a slow machine is no failure.
settings.register_profile("here", database=None, deadline=None)
settings.load_profile("here")

SERVER = {
    "engine": "mysql",
    "host": "db.example.com",
    "port": 3306,
    "name": "shop",
    "user": "sync",
    "password": "s3cret-of-the-shop",
    "ssl_mode": "PREFERRED",
    "ssl_ca": None,
}
FILE = {**SERVER, "engine": "sqlite", "name": "local.sqlite3"}
# A failure of a run, a failure of a table and a row of a dry run, as the engine writes them.
MISSING = {
    "code": "CFG_001",
    "message": "Not set: DB_REMOTE_NAME.",
    "hint": "Set them.",
    "table": None,
    "template": "Not set: {keys}.",
    "hint_template": "Set them.",
    "names": {"keys": "DB_REMOTE_NAME"},
}
FAILURE = {
    "code": "SYNC_001",
    "table": "products",
    "message": "Table products does not exist on LOCAL.",
    "hint": "Create it.",
    "template": "Table {table} does not exist on {side}.",
    "hint_template": "Create it.",
    "names": {"table": "products", "side": "LOCAL"},
}
CHANGE = {"key": {"id": 1}, "action": "UPDATE", "to": "LOCAL", "columns": ["price"]}

# A shell that starts us in the background has us ignore Ctrl-C, and so would every process that
# the tests start; but Ctrl-C is what some of them are about.
signal.signal(signal.SIGINT, signal.default_int_handler)


def table_data(**changes: Any) -> dict[str, Any]:
    """One table of a report, as the engine writes it."""
    return {
        "table": "products",
        "status": "SUCCESS",
        "capture": "digest",
        "strategy": "REMOTE_WINS",
        "remote_to_local": {"inserted": 3, "updated": 2, "deleted": 1},
        "local_to_remote": {"inserted": 0, "updated": 1, "deleted": 0},
        "conflicts": {
            "detected": 1,
            "remote_wins": 1,
            "local_wins": 0,
            "skipped": 0,
            "manual": 0,
        },
        "rows": {"remote": 110, "local": 110},
        "verified": True,
        "duration_ms": 97,
        "error": None,
        "notes": [],
        **changes,
    }


def report_data(*tables: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A whole report, as the engine writes it."""
    return {
        "run_id": "5f3a",
        "sync_type": "INCREMENTAL",
        "sync_direction": "BOTH",
        "dry_run": False,
        "status": "SUCCESS",
        "started_at": "2026-01-06T14:30:00Z",
        "duration_ms": 412,
        "tables": list(tables) or [table_data()],
        "errors": [],
        "exit_code": 0,
        "notes": [],
        **changes,
    }


class RecordedEngine:
    """Stands where the native module would: notes what it is asked and answers what it is told.

    Attributes:
        asked: The options of each run.
        answer: The report of the next run, or the exception that it raises.
        sides: What the settings say of the two sides and of the default.
        read: The files from which the settings were read.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.read: list[str | None] = []
        self.answer: dict[str, Any] | BaseException = report_data()
        self.sides: dict[str, Any] = {"remote": SERVER, "local": SERVER, "default": "remote"}

    def run(self, options: str) -> str:
        """Takes the place of `_native.run`."""
        self.asked.append(json.loads(options))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return json.dumps(self.answer)

    def settings(self, env_file: str | None) -> str:
        """Takes the place of `_native.settings`."""
        self.read.append(env_file)
        return json.dumps(self.sides)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> RecordedEngine:
    """An engine that does nothing and remembers everything."""
    recorded = RecordedEngine()
    # By this name the recorder knows it.
    monkeypatch.setenv("DB_REMOTE_PASSWORD", str(SERVER["password"]))
    monkeypatch.setattr(_native, "run", recorded.run)
    monkeypatch.setattr(_native, "settings", recorded.settings)
    return recorded


@pytest.fixture
def signals() -> Iterator[None]:
    """Puts back what a command sets up for a process of its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def files(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Path]:
    """Points Django's aliases to new SQLite files; `default` is the remote side."""
    names = {"default": "remote", "remote": "remote", "local": "local"}
    before = {alias: connections[alias].settings_dict["NAME"] for alias in names}
    with django_db_blocker.unblock():
        for alias, name in names.items():
            connections[alias].settings_dict["NAME"] = str(tmp_path / f"{name}.sqlite3")
        # Django remembers the numbers that models have in a database.
        apps.get_model("contenttypes", "ContentType").objects.clear_cache()
        yield tmp_path
        for alias, name in before.items():
            connections[alias].close()
            connections[alias].settings_dict["NAME"] = name
