"""The command's flags, output and exit status, over an engine that only remembers."""

import json
import signal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from conftest import MISSING, RecordedEngine, report_data, table_data
from db_sync import _native
from db_sync.errors import error_from
from db_sync.management.commands.sync_db import Command


def sync_db(*flags: str) -> str:
    out = StringIO()
    call_command("sync_db", *flags, stdout=out, no_color=True)
    return out.getvalue()


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ([], {}),
        (["--type", "full"], {"sync_type": "full"}),
        (["--direction", "Remote_To_Local"], {"direction": "Remote_To_Local"}),
        (["--table", "a", "--table=b"], {"tables": ["a", "b"]}),
        (["--dry-run"], {"dry_run": True}),
        (["--conflict", "manual"], {"conflict": "manual"}),
        (["--capture", "digest"], {"capture": "digest"}),
        (["--force"], {"force": True}),
        (["--undo", "6f1c"], {"undo": "6f1c"}),
        (["--progress", "never"], {"progress": "never"}),
        (["--env-file", "other.env"], {"env_file": "other.env"}),
        (["--verbose", "--json"], {}),
        (["-v", "0"], {"progress": "never"}),
    ],
)
def test_flags_reach_the_engine(
    engine: RecordedEngine, flags: list[str], asked: dict[str, Any]
) -> None:
    sync_db(*flags)
    assert engine.asked == [{"progress": "auto", "triggered_by": "MANUAL", **asked}]


def test_options_may_also_be_given_by_name(engine: RecordedEngine) -> None:
    call_command("sync_db", tables=["a"], sync_type="FULL", stdout=StringIO())
    assert engine.asked[0]["tables"] == ["a"]
    assert engine.asked[0]["sync_type"] == "FULL"


def test_verbose_is_verbosity_2(engine: RecordedEngine) -> None:
    short, verbose = sync_db(), sync_db("--verbose")
    assert verbose == sync_db("-v", "2")
    assert "3 inserted, 2 updated, 1 deleted" in verbose
    assert "inserted, 2" not in short
    assert sync_db("-v", "0") == ""


def test_json_is_the_report_and_nothing_else(engine: RecordedEngine) -> None:
    engine.answer = report_data(table_data(table="商品"))
    out = sync_db("--json", "--verbose")
    assert json.loads(out) == engine.answer
    assert "商品" in out


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (1, "Not every table"),
        (3, "conflicts wait.*sync_conflicts list.*--all"),
        (4, "lock"),
        (130, "Interrupted"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_run_that_is_not_wholly_done_is_reported_and_then_raised(
    engine: RecordedEngine, code: int, sentence: str, flags: list[str]
) -> None:
    engine.answer = report_data(exit_code=code, status="PARTIAL")
    out = StringIO()
    with pytest.raises(CommandError, match=sentence) as caught:
        call_command("sync_db", *flags, stdout=out)
    assert caught.value.returncode == code
    assert "PARTIAL" in out.getvalue()


def test_rows_that_an_undo_has_left_are_no_conflicts(engine: RecordedEngine) -> None:
    engine.answer = report_data(table_data(capture="undo"), exit_code=3, status="PARTIAL")
    with pytest.raises(CommandError, match="rows that were changed since stay") as caught:
        sync_db("--undo", "5f3a")
    assert caught.value.returncode == 3
    assert "sync_conflicts" not in str(caught.value)


def test_a_run_that_cannot_be_done_says_what_and_what_to_do(engine: RecordedEngine) -> None:
    engine.answer = error_from(MISSING)
    with pytest.raises(CommandError) as caught:
        sync_db()
    assert str(caught.value) == "CFG_001: Not set: DB_REMOTE_NAME.\n  Set them."
    assert caught.value.returncode == 2


def test_as_json_it_is_one_object_too(engine: RecordedEngine) -> None:
    engine.answer = error_from(MISSING)
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("sync_db", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"error": MISSING}


def test_ctrl_c_is_an_exit_status_and_no_traceback(engine: RecordedEngine) -> None:
    engine.answer = KeyboardInterrupt()
    with pytest.raises(CommandError, match="SYNC_005: The run was interrupted") as caught:
        sync_db()
    assert caught.value.returncode == 130


def command_line(*flags: str) -> int | str | None:
    """Runs the command as `manage.py` does and answers the exit status."""
    with pytest.raises(SystemExit) as caught:
        Command().run_from_argv(["manage.py", "sync_db", "--no-color", *flags])
    return caught.value.code


@pytest.mark.usefixtures("signals")
def test_from_the_command_line_the_status_is_the_exit_status(
    engine: RecordedEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.answer = error_from(MISSING)
    assert command_line() == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ("CommandError: CFG_001: Not set: DB_REMOTE_NAME.\n  Set them.\n")


@pytest.mark.usefixtures("signals", "engine")
def test_what_stops_a_service_ends_a_run_as_ctrl_c_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def terminated(options: str) -> str:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("the signal came too late")

    monkeypatch.setattr(_native, "run", terminated)
    assert command_line("--json") == 130
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "SYNC_005"
