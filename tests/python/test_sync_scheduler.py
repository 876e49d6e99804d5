"""The command and its schedule, on a real table of Django Q2."""

import datetime
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone, translation
from django_q.models import Schedule, Task
from pytest_django import Settings

from db_sync import scheduling
from db_sync.conf import databases
from db_sync.management.commands.sync_scheduler import Command

ENABLED_IN_CHINESE = """\
配置信息:
  - 同步间隔: 60分钟
  - 同步方向: BOTH
  - 同步类型: INCREMENTAL
数据库同步定时任务已启用
任务将每60分钟自动执行一次
"""
STATUS_IN_CHINESE = """\
数据库同步定时任务状态:
==================================================
状态: 已启用
调度类型: MINUTES
执行间隔: 60 分钟
下次执行: 2026-01-06 15:30:00+00:00
上次执行: 2026-01-06 14:30:00+00:00
成功次数: 10
失败次数: 0
==================================================
"""
ENABLED = """\
Configuration:
  - interval: 60 min
  - direction: BOTH
  - type: INCREMENTAL
The scheduled database sync is enabled
The task will run every 60 min
"""
STATUS = """\
Scheduled database sync:
==================================================
State: enabled
Schedule type: MINUTES
Interval: 60 min
Next run: 2026-01-06 15:30:00+00:00
Last run: 2026-01-06 14:30:00+00:00
Successes: 10
Failures: 0
==================================================
"""


@pytest.fixture(autouse=True)
def _migrated(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with Django Q2's tables, whose settings allow automatic runs."""
    call_command("migrate", "django_q", database="default", verbosity=0)
    monkeypatch.chdir(files)
    for side in ("REMOTE", "LOCAL"):
        monkeypatch.setenv(f"DB_{side}_ENGINE", "sqlite")
        monkeypatch.setenv(f"DB_{side}_NAME", f"{side.lower()}.sqlite3")
    monkeypatch.setenv("DB_SYNC_ENABLED", "True")
    for key in ("INTERVAL", "DIRECTION", "TYPE"):
        monkeypatch.delenv(f"DB_SYNC_{key}", raising=False)


@pytest.fixture
def _chinese() -> Iterator[None]:
    with translation.override("zh-hans"):
        yield


def told(*words: str) -> tuple[str, str]:
    """What the command says on stdout and on stderr."""
    out, err = StringIO(), StringIO()
    call_command("sync_scheduler", *words, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def at(hour: int, minute: int) -> datetime.datetime:
    return datetime.datetime(2026, 1, 6, hour, minute, 0, 123456, tzinfo=datetime.timezone.utc)


def finished(count: int, **changes: Any) -> None:
    """Runs that have ended, the last one at half past two."""
    for number in range(count):
        started = at(14, 30) - datetime.timedelta(hours=count - 1 - number)
        fields = {"func": scheduling.TASK, "started": started, "stopped": started, **changes}
        Task.objects.create(id=f"{changes.get('success', True)}{number}", name="run", **fields)


def stand_as_in_the_guide() -> None:
    told("enable")
    Schedule.objects.update(next_run=at(15, 30))
    finished(10)


@pytest.mark.usefixtures("_chinese")
class TestChinese:
    def test_enable_disable_and_restart(self) -> None:
        assert told("enable") == (ENABLED_IN_CHINESE, "")
        assert told("disable") == ("数据库同步定时任务已禁用\n", "")
        restarted = "重启数据库同步定时任务...\n数据库同步定时任务已重启\n"
        assert told("restart") == (restarted, "")

    def test_status(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timezone, "now", lambda: at(15, 0))
        stand_as_in_the_guide()
        assert told("status") == (STATUS_IN_CHINESE, "")

    def test_what_is_switched_off_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DB_SYNC_ENABLED", "False")
        out, err = told("enable")
        assert out == ENABLED_IN_CHINESE
        assert err.startswith("DB_SYNC_ENABLED 为 False")


def test_english_is_the_same_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: at(15, 0))
    assert told("enable") == (ENABLED, "")
    stand_as_in_the_guide()
    assert told("status") == (STATUS, "")
    assert told("disable") == ("The scheduled database sync is disabled\n", "")
    out, _err = told("status")
    assert "State: disabled\nLast run: 2026-01-06 14:30:00+00:00\nSuccesses: 10\n" in out
    restarting = "Restarting the scheduled database sync...\n"
    assert told("restart") == (f"{restarting}The scheduled database sync is restarted\n", "")


def test_what_never_ran_has_no_last_run() -> None:
    told("enable")
    out, err = told("status")
    assert ("Last run: none\nSuccesses: 0\nFailures: 0\n" in out, err) == (True, "")


def test_failures_are_counted_and_other_tasks_are_not() -> None:
    finished(3)
    finished(2, success=False)
    Task.objects.create(
        id="x", name="x", func="shop.tasks.other", started=at(18, 0), stopped=at(18, 0)
    )
    status = scheduling.status()
    assert (status.successes, status.failures, status.last_run) == (3, 2, at(14, 30))


def test_enabling_again_changes_nothing() -> None:
    told("enable")
    row = Schedule.objects.values().get()
    assert told("enable")[0] == ENABLED
    assert Schedule.objects.values().get() == row
    assert (row["func"], row["minutes"], row["repeats"]) == (scheduling.TASK, 60, -1)


def test_a_failed_run_is_not_queued_again_by_the_queue() -> None:
    told("enable")
    assert Schedule.objects.get().kwargs == "{'q_options': {'ack_failure': True}}"


def test_disabling_again_changes_nothing() -> None:
    for _time in range(2):
        told("disable")
        assert not Schedule.objects.exists()


def test_restart_reads_the_settings_again(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    (files / ".env").write_text("DB_SYNC_INTERVAL=60\n")
    told("enable")
    Schedule.objects.update(next_run=at(15, 30))
    (files / ".env").write_text(
        "DB_SYNC_INTERVAL=5\nDB_SYNC_DIRECTION=REMOTE_TO_LOCAL\nDB_SYNC_TYPE=FULL\n"
    )
    told("restart")
    row = Schedule.objects.get()
    assert row.minutes == 5
    assert row.next_run > at(15, 30)
    settings = scheduling.status().settings
    assert (settings.direction, settings.sync_type) == ("REMOTE_TO_LOCAL", "FULL")
    assert (
        "  - interval: 5 min\n  - direction: REMOTE_TO_LOCAL\n  - type: FULL\n"
        in (told("enable")[0])
    )


def test_restart_enables_what_was_disabled() -> None:
    told("restart")
    assert scheduling.status().enabled


def test_enable_takes_a_changed_interval_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told("enable")
    monkeypatch.setenv("DB_SYNC_INTERVAL", "15")
    told("enable")
    assert Schedule.objects.get().minutes == 15


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("INTERVAL", "0", "CFG_002"),
        ("INTERVAL", "10081", "CFG_002"),
        ("DIRECTION", "UP", "CFG_004"),
    ],
)
def test_wrong_settings_change_nothing(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str, code: str
) -> None:
    told("enable")
    before = Schedule.objects.values().get()
    monkeypatch.setenv(f"DB_SYNC_{key}", value)
    for action in ("enable", "restart"):
        with pytest.raises(CommandError, match=f"{code}: .*DB_SYNC_{key}") as caught:
            told(action)
        assert caught.value.returncode == 2
    assert Schedule.objects.values().get() == before


def test_an_older_installations_schedule_is_taken_over() -> None:
    older = {"func": scheduling.TASK, "schedule_type": "I", "minutes": 60, "cluster": "slow"}
    Schedule.objects.create(name="数据库同步", kwargs="a=1", **older)
    Schedule.objects.create(name="again", **older)
    nightly = Schedule.objects.create(name="nightly", func=scheduling.TASK, schedule_type="D")
    assert scheduling.status().enabled
    told("enable")
    row = Schedule.objects.get(name=scheduling.NAME)
    assert (row.cluster, set(Schedule.objects.all())) == ("slow", {row, nightly})
    told("disable")
    assert list(Schedule.objects.all()) == [nightly]


def test_a_schedule_that_was_stopped_elsewhere_is_disabled() -> None:
    told("enable")
    Schedule.objects.update(repeats=0)
    assert "State: disabled" in told("status")[0]
    told("enable")
    assert "State: enabled" in told("status")[0]


def test_a_schedule_of_another_type_has_no_interval() -> None:
    told("enable")
    Schedule.objects.update(schedule_type="D")
    out = told("status")[0]
    assert ("Schedule type: DAILY" in out, "Interval" in out) == (True, False)


def test_two_who_enable_at_once_leave_one_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    save = Schedule.save

    def save_second(row: Schedule, **options: Any) -> None:
        monkeypatch.setattr(Schedule, "save", save)
        scheduling.enable()
        row.save(**options)

    monkeypatch.setattr(Schedule, "save", save_second)
    scheduling.enable()
    assert Schedule.objects.count() == 1


def test_the_settings_file_is_handed_to_the_task(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DB_SYNC_ENABLED")
    (files / "other.env").write_text("DB_SYNC_INTERVAL=7\nDB_SYNC_ENABLED=True\n")
    assert told("enable", "--env-file=other.env")[1] == ""
    row = Schedule.objects.get()
    assert f"'env_file': '{files / 'other.env'}'" in row.kwargs
    for action in ("enable", "restart", "status"):
        assert told(action)[1] == ""
        assert Schedule.objects.get().minutes == 7


@pytest.mark.parametrize("action", ["enable", "status", "restart"])
def test_automatic_runs_that_are_off_are_told(monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    told("enable")
    monkeypatch.setenv("DB_SYNC_ENABLED", "False")
    assert told(action)[1].startswith("DB_SYNC_ENABLED is False: ")


def test_a_run_that_is_overdue_is_told() -> None:
    told("enable")
    Schedule.objects.update(next_run=timezone.now() - datetime.timedelta(minutes=3))
    assert "qcluster" in told("status")[1]


def test_without_django_q2_it_says_what_to_do(settings: Settings) -> None:
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_q"]
    for action in ("enable", "disable", "status", "restart"):
        with pytest.raises(CommandError, match=r"django-db-sync\[scheduler\]") as caught:
            told(action)
        assert caught.value.returncode == 2
    with pytest.raises(Exception, match=r"django-db-sync\[scheduler\]"):
        scheduling.enqueue_table("shop_product")


@pytest.mark.parametrize("action", ["enable", "disable", "status", "restart"])
def test_without_sound_settings_it_says_which(monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    monkeypatch.setenv("DB_SYNC_INTERVAL", "0")
    monkeypatch.setattr(project, "DATABASES", databases())
    unset = ImproperlyConfigured("settings.DATABASES is improperly configured.")
    monkeypatch.setattr(Schedule.objects, "filter", Mock(side_effect=unset))
    with pytest.raises(CommandError, match="CFG_002: DB_SYNC_INTERVAL.*\n  Correct") as caught:
        told(action)
    assert caught.value.returncode == 2


def test_without_its_tables_it_says_so_too() -> None:
    call_command("migrate", "django_q", "zero", database="default", verbosity=0)
    with pytest.raises(CommandError, match="run migrate first") as caught:
        told("status")
    assert caught.value.returncode == 1


@pytest.mark.parametrize("words", [[], ["pause"], ["enable", "now"]])
def test_wrong_usage_is_exit_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        Command().run_from_argv(["manage.py", "sync_scheduler", *words])
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err
    connections.close_all()
