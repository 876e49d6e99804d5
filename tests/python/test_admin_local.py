"""Where LOCAL is away or has no tables, every page says so; without the admin nothing is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connections
from django.db.models import QuerySet
from pytest_django import Settings

from admin_pages import Pages, configure, conflict, log, migrate
from db_sync.admin import conflicts
from db_sync.admin.filters import NewestRows
from db_sync.models import Dashboard, SyncConfig, SyncConflict, SyncLog

PAGES = (
    "dashboard/",
    "synclog/",
    "synclog/1/change/",
    "synclog/1/history/",
    "syncconfig/",
    "syncconfig/1/change/",
    "syncconflict/",
    "syncconflict/1/change/",
    "syncconflict/1/history/",
)


@pytest.fixture(autouse=True)
def _migrated(files: Path) -> None:
    migrate(files)


@pytest.fixture
def root() -> Pages:
    return Pages(root=True)


def point_local_to(path: str) -> None:
    connections["local"].close()
    connections["local"].settings_dict["NAME"] = path


def drop(table: str) -> None:
    with connections["local"].cursor() as cursor:
        cursor.execute(f"DROP TABLE {table}")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_that_local_is_away(root: Pages, path: str) -> None:
    point_local_to("/nowhere/at/all.sqlite3")
    page = root.get(path)
    assert page.response.status_code == 503
    assert "LOCAL cannot be reached: unable to open database file" in page.text
    assert "DB_LOCAL_…" in page.text
    assert "sync_doctor" in page.text
    # What is on the default side is there all the same.
    assert "Dashboard" in root.get("/admin/").text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_that_the_tables_are_missing(root: Pages, path: str, tmp_path: Path) -> None:
    point_local_to(str(tmp_path / "empty.sqlite3"))
    page = root.get(path)
    assert page.response.status_code == 503
    assert "no such table" in page.text
    assert "python manage.py migrate --database local" in page.text
    assert "SyncRouter" in page.text


@pytest.mark.parametrize("table", ["db_sync_config", "db_sync_log", "db_sync_state"])
def test_one_missing_table_is_enough(root: Pages, table: str) -> None:
    drop(table)
    page = root.get("dashboard/")
    assert page.response.status_code == 503
    assert table in page.text


def test_actions_and_decisions_say_so_too(root: Pages, tmp_path: Path) -> None:
    point_local_to(str(tmp_path / "empty.sqlite3"))
    for path, form in (
        ("syncconfig/", {"action": "enable_tables", "_selected_action": "1"}),
        ("syncconfig/1/change/", {"priority": "1"}),
        ("syncconflict/", {"action": "keep_remote", "_selected_action": "1"}),
    ):
        assert root.post(path, **form).response.status_code == 503


def test_a_local_that_fails_after_a_decision_is_no_crash(
    root: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = conflict({"id": 1}, {"id": 1}, None)

    class Decided:
        ok = True

    def decide(_number: int, **_options: object) -> Decided:
        drop("db_sync_conflict")
        return Decided()

    monkeypatch.setattr(conflicts, "resolve_conflict", decide)
    page = root.post("syncconflict/decide/", keep="LOCAL", chosen=f'[[{number}, "x"]]')
    assert page.response.status_code == 503


def test_a_local_that_is_busy_is_told_to_be_so(
    root: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_rows: QuerySet[SyncConfig]) -> int:
        raise OperationalError("database is locked")

    monkeypatch.setattr(QuerySet, "count", busy)
    page = root.get("synclog/")
    assert page.response.status_code == 503
    assert "LOCAL did not answer: database is locked" in page.text


def test_rows_that_cannot_be_read_while_the_page_is_made(
    root: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NewestRows, "count", 1)
    drop("db_sync_log")
    page = root.get("synclog/")
    assert (page.response.status_code, "no such table" in page.text) == (503, True)


def test_a_mistake_of_ours_is_not_hidden(root: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_rows: QuerySet[SyncConfig]) -> int:
        raise ProgrammingError("no such thing")

    monkeypatch.setattr(QuerySet, "count", wrong)
    with pytest.raises(ProgrammingError, match="no such thing"):
        root.get("synclog/")


def test_nobody_sees_more_of_a_broken_site(tmp_path: Path) -> None:
    stranger = Pages()
    point_local_to(str(tmp_path / "empty.sqlite3"))
    assert stranger.get("synclog/").response.status_code == 403
    assert stranger.get("dashboard/").response.status_code == 403
    assert stranger.get("syncconflict/1/change/").response.status_code == 403


def test_chinese(root: Pages, settings: Settings) -> None:
    settings.LANGUAGE_CODE = "zh-hans"
    point_local_to("/nowhere/at/all.sqlite3")
    assert "无法连接 LOCAL" in root.get("synclog/").text


def test_a_site_of_the_projects_own_has_the_same_pages(root: Pages) -> None:
    number = log()
    configure("shop_product")
    waiting = conflict({"id": 1}, {"id": 1}, None)
    index = root.get("/own/")
    for name in ("Dashboard", "Database Sync Logs", "Table configurations", "Conflicts"):
        assert name in index.text
    assert "Dashboard" in root.get("/own/db_sync/synclog/").text
    for path in (
        "dashboard/",
        f"synclog/{number}/change/",
        "syncconfig/",
        f"syncconflict/{waiting}/change/",
    ):
        page = root.get(f"/own/db_sync/{path}")
        assert page.response.status_code == 200
        # No link leads to the other site.
        assert '="/admin/' not in page.html


def test_the_dashboard_stands_in_the_apps_list_for_whoever_may_see_the_log() -> None:
    assert "Dashboard" in Pages("view_synclog").get("/admin/db_sync/").text
    assert "Dashboard" not in Pages("view_syncconflict").get("/admin/").text


def test_the_models_are_registered_and_the_system_has_no_complaint() -> None:
    for model in (Dashboard, SyncConfig, SyncConflict, SyncLog):
        assert admin.site.is_registered(model)
    call_command("check", "admin", fail_level="WARNING")


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "db_sync", check=True, dry_run=True, verbosity=0)


def test_without_the_admin_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    code = """
import sys
from django.conf import settings
import django
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "db_sync"])
django.setup()
from django.core.management import call_command
call_command("check")
assert not [name for name in sys.modules if name.startswith("db_sync.admin")]
assert "django.contrib.admin" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
