"""The command and its schedule, on a real table of Django Q2."""

import datetime
import re
import shlex
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

from db_sync import other_schedules, scheduling
from db_sync.conf import databases
from db_sync.management.commands.sync_scheduler import Command
from queued_shop import HERE
from sides import two_sides
from switching_shop import manage

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
    for action in ("enable", "disable", "status", "restart"):
        words = r"no such table: django_q_schedule\): run python manage.py migrate first"
        with pytest.raises(CommandError, match=words) as caught:
            told(action)
        assert caught.value.returncode == 1


def test_a_database_that_cannot_be_reached_is_not_migrated(files: Path) -> None:
    connections["default"].close()
    connections["default"].settings_dict["NAME"] = str(files)
    with pytest.raises(CommandError, match=r"cannot be reached, .*unable to open") as caught:
        told("status")
    assert caught.value.returncode == 1
    assert "migrate" not in str(caught.value)


def test_a_server_that_refuses_the_password_is_not_migrated(tmp_path: Path) -> None:
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        settings = {**sides.settings, "DB_REMOTE_PASSWORD": "wr0ng-one"}
        here = {"DJANGO_SETTINGS_MODULE": "queued_settings", "PYTHONPATH": str(HERE)}
        told = manage(tmp_path, "sync_scheduler", "status", **settings, **here)
        assert told.status == 1
        assert "cannot be reached, or refuses us" in told.err
        assert "1045" in told.err
        assert "migrate" not in told.err


def test_the_latest_failure_is_told_in_its_first_line() -> None:
    told("enable")
    words = (
        "SYNC_001: Table t does not exist.\n  Create it. : Traceback (most recent call last):\n x"
    )
    finished(2, success=False, result=words)
    Task.objects.create(
        id="newest",
        name="run",
        func=scheduling.TASK,
        started=at(15, 0),
        stopped=at(15, 0),
        success=False,
        result="Task exceeded. : Traceback (most recent call last):\n  File",
    )
    out, err = told("status")
    assert err == "The latest failure, at 2026-01-06 15:00:00+00:00: Task exceeded.\n"
    assert out.endswith(f"Failures: 3\n{'=' * 50}\n")
    Task.objects.get(id="newest").delete()
    assert told("status")[1].endswith(": SYNC_001: Table t does not exist.\n")


def test_a_failure_without_words_is_told_too() -> None:
    finished(1, success=False)
    assert told("status")[1] == "The latest failure, at 2026-01-06 14:30:00+00:00: \n"


class TestOthers:
    """What older installations have left in Django Q2 beside our schedule."""

    COMMAND = "django.core.management.call_command"

    def left(self, func: str, args: str = "", **changes: Any) -> int:
        fields = {"name": "old", "schedule_type": "I", "minutes": 60, **changes}
        row: Schedule = Schedule.objects.create(func=func, args=args, **fields)
        number: int = row.pk
        return number

    @pytest.mark.parametrize("action", ["enable", "restart"])
    def test_functions_that_are_gone_are_taken_over(self, action: str) -> None:
        expected = told(action)[0]
        told("disable")
        gone = [
            self.left("db_sync.services.scheduler.run_sync"),
            self.left("db_sync.tasks.scheduled_sync_task", name=None),
            self.left("db_sync.sync.Engine.run", schedule_type="D"),
        ]
        others = {self.left("shop.tasks.nightly"), self.left("db_sync_tests.tasks.run")}
        out, err = told(action)
        assert out == expected
        first, second, third = err.splitlines()
        words = "it called db_sync.services.scheduler.run_sync of an older version"
        assert first.startswith(f"Removed the schedule old (id {gone[0]}): {words}")
        assert second.startswith(f"Removed the schedule {gone[1]} (id {gone[1]}): ")
        assert third.startswith(f"Removed the schedule old (id {gone[2]}): ")
        kept = Schedule.objects.exclude(name=scheduling.NAME)
        assert set(kept.values_list("pk", flat=True)) == others
        assert told(action)[1] == ""

    @pytest.mark.parametrize(
        ("func", "args"),
        [
            (COMMAND, "'sync_db'"),
            (COMMAND, "'sync_db', '--type', 'FULL'"),
            (COMMAND, "('sync_db',)"),
            (COMMAND, "['sync_db']"),
            ("management.call_command", "'sync_db'"),
            ("db_sync.engine.sync", ""),
        ],
    )
    def test_what_syncs_too_is_told_and_kept(self, func: str, args: str) -> None:
        number = self.left(func, args)
        for action in ("enable", "restart", "status"):
            out, err = told(action)
            assert f"The schedule old (id {number}) syncs too: it calls {func}" in err
            assert f"Schedule.objects.filter(pk={number}).delete()" in err
            assert "old" not in out
        assert Schedule.objects.filter(pk=number).exists()

    @pytest.mark.parametrize(
        ("func", "args", "changes"),
        [
            (COMMAND, "'clearsessions'", {}),
            (COMMAND, "'clearsessions', 'sync_db'", {}),
            (COMMAND, "", {}),
            (COMMAND, "sync_db(", {}),
            ("shop.tasks.my_call_command", "'sync_db'", {}),
            (COMMAND, "'sync_db'", {"repeats": 0}),
            ("db_sync.gone", "", {"repeats": 0}),
            (scheduling.TABLE_TASK, "'shop_product'", {}),
            (scheduling.DECISION_TASK, "", {}),
            (scheduling.TASK, "", {"schedule_type": "D"}),
        ],
    )
    def test_what_does_not_is_nobodys_business(
        self, func: str, args: str, changes: dict[str, Any]
    ) -> None:
        number = self.left(func, args, **changes)
        for action in ("enable", "restart", "status"):
            assert told(action)[1] == ""
        assert Schedule.objects.filter(pk=number).exists()

    def test_status_tells_of_both_and_removes_nothing(self) -> None:
        dead, other = self.left("db_sync.gone"), self.left(self.COMMAND, "'sync_db'")
        err = told("status")[1]
        assert f"The schedule old (id {dead}) calls db_sync.gone of an older version" in err
        assert f"(id {other}) syncs too" in err
        assert Schedule.objects.count() == 2

    def test_the_command_that_is_shown_removes_it(self) -> None:
        self.left(self.COMMAND, "'sync_db'")
        kept = self.left("shop.tasks.nightly")
        [other] = other_schedules.find()
        python, script, *words = shlex.split(other.removal)
        assert (python, script) == ("python", "manage.py")
        call_command(*words, verbosity=0)
        assert list(Schedule.objects.values_list("pk", flat=True)) == [kept]

    def test_ours_may_have_a_function_that_is_gone(self) -> None:
        number = self.left("db_sync.gone", name=scheduling.NAME)
        assert told("enable")[1] == ""
        assert Schedule.objects.get().pk == number

    @pytest.mark.usefixtures("_chinese")
    def test_in_chinese(self) -> None:
        self.left("db_sync.gone")
        self.left(self.COMMAND, "'sync_db'")
        out, err = told("enable")
        assert out == ENABLED_IN_CHINESE
        assert re.search(r"已删除.*db_sync\.gone", err)
        assert "The schedule" not in err


@pytest.mark.parametrize("words", [[], ["pause"], ["enable", "now"]])
def test_wrong_usage_is_exit_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        Command().run_from_argv(["manage.py", "sync_scheduler", *words])
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err
    connections.close_all()
