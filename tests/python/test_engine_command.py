"""What the commands have in common: the settings' file, Django's own flags, and how they print."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import load_command_class
from django.core.management.base import CommandParser

from conftest import FAILURE, RecordedEngine, report_data, table_data
from db_sync.management.commands.sync_db import Command
from example_shop import SHOP, Site
from sides import HANGS

# What a project has whose `.env` stands beside its settings, and not where a command is run.
SETTINGS = """
from shop_site.settings import *
from db_sync.conf import databases
DATABASES = databases({path!r})
INSTALLED_APPS += ["django_q"]
Q_CLUSTER = {{"orm": "local", "timeout": 600, "retry": 660, "catch_up": False}}
"""


def manage(
    folder: Path,
    *words: str,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    more: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs `manage.py` in a folder, with so much in the environment and no more of ours."""
    foreign = ("DB_", "DJANGO_", "SHOP_", "RUST_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return subprocess.run(
        [sys.executable, str(SHOP / "manage.py"), *words],
        cwd=folder,
        env={**own, **(more or {})},
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=HANGS,
        check=False,
    )


@contextmanager
def nobody() -> Iterator[int]:
    """Gives a pipe whose reader went away."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


def test_every_command_finds_the_file_from_everywhere(new: Site, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = new.folder / ".env"
    text = env.read_text()
    for side in ("remote", "local"):
        text = text.replace(f"NAME={side}.sqlite3", f"NAME={new.folder / side}.sqlite3")
    env.write_text(text)
    env.chmod(0o600)
    (tmp_path / "placed.py").write_text(SETTINGS.format(path=str(env)))
    settings = {"DJANGO_SETTINGS_MODULE": "placed", "PYTHONPATH": f"{tmp_path}:{SHOP}"}

    def told(*words: str) -> str:
        done = manage(elsewhere, *words, more=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    told("migrate", "django_q", "--verbosity=0")
    assert "errors 0, warnings 0" in told("sync_doctor")
    report = json.loads(told("sync_db", "--json"))
    assert report["status"] == "SUCCESS"
    assert "equal" in told("sync_check")
    assert "shop_product" in told("sync_config", "list")
    assert told("sync_conflicts", "list") == "0 conflict(s)\n"
    assert f"DB_ENV: remote ({env} says so)" in told("db_env", "status")
    for action in ("enable", "status", "restart", "disable"):
        told("sync_scheduler", action)
    told("db_env", "local")
    assert "DB_ENV=local\n" in env.read_text()
    assert list(elsewhere.iterdir()) == []


def parser_of(name: str) -> CommandParser:
    command = load_command_class("db_sync", name)
    parser: CommandParser = command.create_parser("manage.py", name)
    # Parsed as from Python, a mistake is an exception.
    parser.called_from_command_line = False
    return parser


ACTIONS = [
    ("sync_config", ["list"]),
    ("sync_config", ["enable", "T"]),
    ("sync_config", ["disable", "T"]),
    ("sync_config", ["set", "T", "priority=1"]),
    ("sync_config", ["import", "F"]),
    ("sync_config", ["export"]),
    ("sync_conflicts", ["list"]),
    ("sync_conflicts", ["show", "1"]),
    ("sync_conflicts", ["resolve", "1", "--keep=local"]),
    ("sync_scheduler", ["status"]),
    ("db_env", ["status"]),
]
FLAGS = [
    (["-v", "0"], "verbosity", 0, 1),
    (["--verbosity=3"], "verbosity", 3, 1),
    (["--settings", "x"], "settings", "x", None),
    (["--pythonpath", "x"], "pythonpath", "x", None),
    (["--traceback"], "traceback", True, False),
    (["--no-color"], "no_color", True, False),
    (["--force-color"], "force_color", True, False),
]


@pytest.mark.parametrize(("name", "action"), ACTIONS)
@pytest.mark.parametrize(("flag", "option", "value", "default"), FLAGS)
def test_djangos_own_flags_stand_before_the_action_or_after_it(
    name: str, action: list[str], flag: list[str], option: str, value: Any, default: Any
) -> None:
    parser = parser_of(name)
    for words in ([*flag, *action], [*action, *flag]):
        assert getattr(parser.parse_args(words), option) == value
    assert getattr(parser.parse_args(action), option) == default


def test_the_later_flag_counts_and_a_parser_may_be_made_again() -> None:
    for _time in range(2):
        parser = parser_of("sync_config")
        assert parser.parse_args(["-v", "0", "list", "-v", "2"]).verbosity == 2


@pytest.mark.parametrize("words", [["list", "--no-color"], ["--no-color", "list"]])
def test_an_action_with_djangos_flags_runs(new: Site, words: list[str]) -> None:
    new.sync()
    assert "shop_product" in new.manage("sync_config", *words).stdout


@pytest.mark.parametrize("flags", [[], ["--verbose"], ["--json"]])
@pytest.mark.parametrize("status", [0, 3])
def test_a_reader_that_went_away_is_no_failure(site: Site, flags: list[str], status: int) -> None:
    for side, price in (("remote", 1), ("local", 2)):
        site.query(side, "UPDATE shop_product SET price = ? WHERE id = 1", price)
    strategy = "manual" if status else "remote_wins"
    with nobody() as writer:
        done = manage(site.folder, "sync_db", "--conflict", strategy, *flags, stdout=writer)
    assert done.returncode == status, done.stderr
    assert "Error" not in done.stderr.replace("CommandError", "")
    assert ("CommandError" in done.stderr) == bool(status)


def test_the_errors_may_have_no_reader_either(site: Site) -> None:
    with nobody() as writer:
        words = ["sync_db", "--table", "nowhere"]
        done = manage(site.folder, *words, stdout=writer, stderr=writer)
    assert done.returncode == 2


@pytest.mark.usefixtures("signals")
def test_without_words_failures_are_told_in_groups(
    engine: RecordedEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [
        {
            **FAILURE,
            "message": f"Row {number}.",
            "template": "Row {x}.",
            "names": {"x": str(number)},
        }
        for number in range(9)
    ]
    other = {**FAILURE, "table": None, "code": "SYS_001", "message": "Full.", "template": ""}
    table = table_data(status="FAILED", error=many[0])
    engine.answer = report_data(table, errors=[*many, other], status="FAILED", exit_code=1)
    with pytest.raises(SystemExit) as caught:
        Command().run_from_argv(["manage.py", "sync_db", "-v", "0"])
    assert caught.value.code == 1
    assert capsys.readouterr().out.splitlines() == [
        *(f"SYNC_001: Row {number}." for number in range(5)),
        "  … and 4 more of this kind (--json lists them)",
        "  Create it.",
        "SYS_001: Full.",
        "  Create it.",
    ]
