"""What a worker of Django Q2 calls, over an engine that only remembers; and the queue's checks."""

import json
import subprocess
import sys
from typing import Any

import pytest
from pytest_django import Settings

from conftest import FAILURE, MISSING, SERVER, RecordedEngine, report_data, table_data
from db_sync import ConfigError, LockHeld, SchemaMismatch, SyncError
from db_sync.checks import queue_is_configured
from db_sync.errors import error_from
from db_sync.tasks import run_scheduled_sync, sync_table

HELD = {"code": "SYNC_009", "table": "products", "message": "Locked.", "hint": "Wait."}
SUMMARY = {
    "status": "SUCCESS",
    "run_id": "5f3a",
    "tables": 1,
    "written": {"REMOTE": 1, "LOCAL": 6},
    "conflicts": 1,
}


@pytest.fixture(autouse=True)
def _enabled(engine: RecordedEngine) -> None:
    engine.sides = {"remote": SERVER, "local": SERVER, "default": "remote", "enabled": True}


def test_a_run_is_asked_for_and_summed_up(engine: RecordedEngine) -> None:
    assert run_scheduled_sync() == SUMMARY
    assert engine.asked == [{"progress": "never", "triggered_by": "SCHEDULED"}]


def test_one_table_with_options_of_its_own(engine: RecordedEngine) -> None:
    assert sync_table("products", sync_type="FULL", env_file="other.env") == SUMMARY
    assert engine.asked == [
        {
            "tables": ["products"],
            "sync_type": "FULL",
            "env_file": "other.env",
            "progress": "never",
            "triggered_by": "SCHEDULED",
        }
    ]
    with pytest.raises(TypeError, match="colour"):
        sync_table("products", colour="red")


def test_the_file_that_the_project_names_is_read(
    engine: RecordedEngine, settings: Settings
) -> None:
    settings.DB_SYNC_ENV_FILE = "/etc/shop.env"
    run_scheduled_sync()
    sync_table("products")
    sync_table("products", env_file="other.env")
    files = ["/etc/shop.env", "/etc/shop.env", "other.env"]
    assert [asked["env_file"] for asked in engine.asked] == files
    assert [engine.read[at] for at in (0, 2, 4)] == files


def test_automatic_runs_may_be_off(engine: RecordedEngine) -> None:
    engine.sides["enabled"] = False
    for done in (run_scheduled_sync(), sync_table("products")):
        assert done["status"] == "DISABLED"
        assert "DB_SYNC_ENABLED" in done["message"]
    assert engine.asked == []


def test_what_a_person_asks_for_is_done_all_the_same(engine: RecordedEngine) -> None:
    engine.sides["enabled"] = False
    assert sync_table("products", triggered_by="MANUAL") == SUMMARY
    assert engine.asked[0]["triggered_by"] == "MANUAL"


def test_rows_that_wait_for_a_person_are_no_failure(engine: RecordedEngine) -> None:
    engine.answer = report_data(exit_code=3, status="PARTIAL")
    assert run_scheduled_sync()["status"] == "PARTIAL"


@pytest.mark.parametrize("whole", [True, False])
def test_a_table_that_another_run_holds_is_no_failure(engine: RecordedEngine, whole: bool) -> None:
    engine.answer = (
        error_from(HELD) if whole else report_data(exit_code=4, status="FAILED", errors=[HELD])
    )
    done = run_scheduled_sync()
    assert (done["status"], done["held"]) == ("HELD", ["products"])
    assert done.get("run_id") == (None if whole else "5f3a")


def test_a_failed_table_is_a_failure_with_its_words(engine: RecordedEngine) -> None:
    engine.answer = report_data(exit_code=1, status="FAILED", errors=[FAILURE, HELD])
    with pytest.raises(SchemaMismatch) as caught:
        run_scheduled_sync()
    assert str(caught.value).split("\n") == [
        "SYNC_001: Table products does not exist on LOCAL.",
        "  Create it.",
        "SYNC_009: Locked.",
        "  Wait.",
    ]
    assert (caught.value.code, caught.value.table) == ("SYNC_001", "products")


def test_many_failures_are_cut_short(engine: RecordedEngine) -> None:
    engine.answer = report_data(exit_code=1, status="FAILED", errors=[FAILURE] * 6)
    with pytest.raises(SyncError) as caught:
        run_scheduled_sync()
    assert str(caught.value).count("SYNC_001") == 5
    assert str(caught.value).endswith("\n…")


@pytest.mark.parametrize("error", [FAILURE, None])
def test_a_failure_may_stand_in_the_table_alone(
    engine: RecordedEngine, error: dict[str, Any] | None
) -> None:
    engine.answer = report_data(table_data(error=error), exit_code=1, status="FAILED")
    with pytest.raises(SyncError, match="does not exist" if error else "SYNC_005: FAILED"):
        run_scheduled_sync()


def test_a_run_that_cannot_be_done_is_a_failure(engine: RecordedEngine) -> None:
    engine.answer = error_from(MISSING)
    with pytest.raises(ConfigError, match="CFG_001"):
        run_scheduled_sync()


def test_what_a_task_answers_is_json(engine: RecordedEngine) -> None:
    assert json.loads(json.dumps(run_scheduled_sync())) == SUMMARY
    engine.answer = LockHeld("SYNC_009: Locked.")
    engine.answer.table = None
    assert json.loads(json.dumps(run_scheduled_sync()))["held"] == []


def test_importing_needs_no_django_q2() -> None:
    code = (
        "import sys; sys.modules['django_q'] = None; "
        "import db_sync.scheduling, db_sync.tasks, db_sync.checks"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


SOUND = {"timeout": 600, "retry": 660, "catch_up": False}


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"retry": 600}, ["db_sync.W001"]),
        ({"catch_up": True}, ["db_sync.W002"]),
        ({"timeout": None}, ["db_sync.W003"]),
        ({"timeout": 30}, ["db_sync.W003"]),
        ({"timeout": 60, "retry": 60}, ["db_sync.W001"]),
    ],
)
def test_the_queues_settings_are_checked(
    settings: Settings, changes: dict[str, Any], ids: list[str]
) -> None:
    settings.Q_CLUSTER = {**SOUND, **changes}
    found = queue_is_configured(None)
    assert [warning.id for warning in found] == ids
    assert all(warning.hint for warning in found)


def test_what_django_q2_takes_by_itself_is_warned_of(settings: Settings) -> None:
    del settings.Q_CLUSTER
    assert [warning.id for warning in queue_is_configured(None)] == ["db_sync.W002", "db_sync.W003"]
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_q"]
    assert queue_is_configured(None) == []
