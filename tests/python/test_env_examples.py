"""The examples of `.env`, one for each scenario: what they say, and that it is done."""

import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from db_sync import _native
from sides import COMMAND

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/env"
# What each scenario is about: default, enabled, interval, direction, sync type and conflict.
SCENARIOS: dict[str, tuple[str, bool, int, str, str, str]] = {
    "backup": ("local", True, 1440, "REMOTE_TO_LOCAL", "FULL", "REMOTE_WINS"),
    "development": ("local", False, 60, "REMOTE_TO_LOCAL", "INCREMENTAL", "REMOTE_WINS"),
    "migration": ("local", False, 60, "LOCAL_TO_REMOTE", "FULL", "LOCAL_WINS"),
    "production": ("remote", True, 15, "BOTH", "INCREMENTAL", "REMOTE_WINS"),
    "test-both-ways": ("local", True, 5, "BOTH", "INCREMENTAL", "MANUAL"),
}
Rows = list[tuple[Any, ...]]
# What both sides hold at first; then REMOTE changes 1 and adds 7, LOCAL changes 1 and 2 and adds 8.
BEGIN: Rows = [(1, "first"), (2, "second")]
CHANGED: dict[str, Rows] = {
    "remote": [(1, "theirs"), (2, "second"), (7, "new")],
    "local": [(1, "ours"), (2, "ours"), (8, "new")],
}


def example(scenario: str) -> Path:
    return EXAMPLES / f"{scenario}.env"


def variables(path: Path) -> dict[str, str]:
    """What a file sets; none of the examples quotes anything."""
    return dict(re.findall(r"(?m)^(\w+)=(.*)$", path.read_text()))


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what would go before a file."""
    for name in [name for name in os.environ if name.startswith("DB_")]:
        monkeypatch.delenv(name)


def test_every_scenario_has_its_example() -> None:
    assert sorted(path.stem for path in EXAMPLES.iterdir()) == sorted(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
class TestExample:
    def test_the_engine_reads_what_the_scenario_means(self, scenario: str) -> None:
        told = json.loads(_native.settings(str(example(scenario))))
        keys = ("default", "enabled", "interval", "direction", "sync_type", "conflict")
        assert tuple(told[key] for key in keys) == SCENARIOS[scenario]
        assert (told["local"]["host"], told["remote"]["engine"]) == ("127.0.0.1", "mysql")

    def test_the_engine_knows_every_key(self, scenario: str) -> None:
        known = variables(ROOT / ".env.example")
        ours = [name for name in variables(example(scenario)) if name.startswith("DB_")]
        assert [name for name in ours if name not in known] == []

    def test_no_secret_stands_in_it(self, scenario: str) -> None:
        secret = re.compile("PASSWORD|SECRET")
        filled = [
            name
            for name, value in variables(example(scenario)).items()
            if secret.search(name) and value
        ]
        assert filled == []

    def test_the_local_side_is_the_server_of_compose(self, scenario: str) -> None:
        said = variables(example(scenario))
        for local, server in [("NAME", "DATABASE"), ("USER", "USER"), ("PORT", "PORT")]:
            assert said[f"DB_LOCAL_{local}"] == said[f"MARIADB_{server}"]

    def test_what_is_worth_something_crosses_networks_encrypted(self, scenario: str) -> None:
        mode = variables(example(scenario)).get("DB_REMOTE_SSL_MODE", "PREFERRED")
        assert mode != "PREFERRED" or scenario == "test-both-ways"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two files with the same rows."""
    for side in ("remote", "local"):
        write(tmp_path, side, BEGIN)
    return tmp_path


def write(folder: Path, side: str, rows: Rows) -> None:
    with closing(sqlite3.connect(folder / side)) as line, line:
        line.execute("CREATE TABLE IF NOT EXISTS t (id integer PRIMARY KEY, v text)")
        line.execute("DELETE FROM t")
        line.executemany("INSERT INTO t VALUES (?, ?)", rows)


def read(folder: Path, side: str) -> Rows:
    with closing(sqlite3.connect(folder / side)) as line:
        return line.execute("SELECT * FROM t ORDER BY id").fetchall()


def sync(folder: Path, scenario: str) -> int:
    """Runs a sync by the scenario's file, but between two SQLite files."""
    sides = {f"DB_{side}_ENGINE": "sqlite" for side in ("REMOTE", "LOCAL")}
    names = {"DB_REMOTE_NAME": "remote", "DB_LOCAL_NAME": "local"}
    words = [str(COMMAND), "run", f"--env-file={example(scenario)}"]
    return subprocess.run(
        words, cwd=folder, env={**os.environ, **sides, **names}, capture_output=True, check=False
    ).returncode


@pytest.mark.parametrize(
    ("scenario", "remote", "local", "status"),
    [
        # Production is as it was; our own rows stay, but for the one that production changed too.
        ("development", "remote", [(1, "theirs"), (2, "ours"), (7, "new"), (8, "new")], 0),
        # A mirror.
        ("backup", "remote", "remote", 0),
        ("migration", "local", "local", 0),
        # Everything on both sides; REMOTE wins, or nobody does yet.
        ("production", *[[(1, "theirs"), (2, "ours"), (7, "new"), (8, "new")]] * 2, 0),
        (
            "test-both-ways",
            [(1, "theirs"), (2, "ours"), (7, "new"), (8, "new")],
            [(1, "ours"), (2, "ours"), (7, "new"), (8, "new")],
            3,
        ),
    ],
)
def test_what_the_example_says_is_done(
    scenario: str, remote: str | Rows, local: str | Rows, status: int, files: Path
) -> None:
    assert sync(files, scenario) == 0
    for side, rows in CHANGED.items():
        write(files, side, rows)
    assert sync(files, scenario) == status
    for side, expected in [("remote", remote), ("local", local)]:
        rows = CHANGED[expected] if isinstance(expected, str) else expected
        assert read(files, side) == rows, side
