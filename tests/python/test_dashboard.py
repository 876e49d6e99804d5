"""The dashboard: where its figures come from, and how few questions they take."""

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone as clock
from django_q.models import Schedule, Task
from pytest_django import Settings

from admin_pages import Page, Pages, ago, configure, conflict, insert, log, migrate, words
from conftest import SERVER, RecordedEngine
from db_sync.admin import figures
from db_sync.scheduling import NAME, TASK

PATH = "dashboard/"


@pytest.fixture(autouse=True)
def _migrated(files: Path, engine: RecordedEngine) -> None:
    migrate(files)
    engine.sides = {
        "remote": SERVER,
        "local": SERVER,
        "enabled": True,
        "interval": 60,
        "direction": "BOTH",
        "sync_type": "INCREMENTAL",
    }


@pytest.fixture
def reader() -> Pages:
    return Pages("view_synclog", "view_syncconflict")


def schedule(**changes: Any) -> None:
    row = {"name": NAME, "func": TASK, "schedule_type": Schedule.MINUTES, "minutes": 60}
    due = {"next_run": clock.now() + timedelta(minutes=30), "repeats": -1}
    Schedule.objects.create(**{**row, **due, **changes})


def state(table: str, remote: int, local: int) -> None:
    seen = {"remote": {"rows": remote, "next": 0}, "local": {"rows": local, "next": 0}}
    insert(
        "db_sync_state",
        table_name=table,
        stamp="{}",
        seen=json.dumps(seen),
        updated_at=ago(),
    )


def line(page: Page, table: str) -> str:
    """What the page says of one table."""
    rows = re.findall(r"(?s)<tr>(.*?)</tr>", page.html)
    [row] = [row for row in rows if f">{table}</a>" in row]
    return words(row)


def test_a_table_with_all_that_is_known_of_it(reader: Pages) -> None:
    configure("shop_product", last_sync_time=ago(minutes=12))
    state("shop_product", 1_201, 1_200)
    log(status="SUCCESS", duration="0.100", start_time=ago(hours=2))
    log(status="SUCCESS", duration="0.200", start_time=ago(hours=1))
    log(status="FAILED", duration="0.600", error_code="SYNC_008")
    log(status="RUNNING", sync_direction="LOCAL_TO_REMOTE", duration=None, end_time=None)
    conflict({"id": 1}, {"id": 1}, None)
    conflict({"id": 2}, {"id": 2}, None, state="RESOLVED")
    text = line(reader.get(PATH), "shop_product")
    assert "→ REMOTE … RUNNING → LOCAL ✗ FAILED SYNC_008" in text
    assert "Lag 12 minutes" in text
    assert "REMOTE 1,201 LOCAL 1,200 ≠ differ" in text
    assert "Success 66.6 %" in text
    assert "Duration 0.30 s" in text
    assert text.endswith("Open conflicts 1")


def test_a_table_of_which_nothing_is_known(reader: Pages) -> None:
    configure("shop_order", sync_enabled=0)
    page = reader.get(PATH)
    assert line(page, "shop_order") == (
        "shop_order disabled Last passes – Lag – – Rows – Success – Duration – Open conflicts 0"
    )
    assert "never" in page.text


def test_a_run_that_did_not_reach_remote_is_told_until_one_does(reader: Pages) -> None:
    configure("shop_product", last_sync_time=ago(minutes=12))
    told = "The last run did not reach REMOTE: DB_CONN_001."
    failed = {"status": "FAILED", "error_code": "DB_CONN_001", "sync_direction": "BOTH"}
    log("*", start_time=ago(minutes=20), **failed)
    assert told not in reader.get(PATH).text
    number = log("*", start_time=ago(minutes=2), **failed)
    page = reader.get(PATH)
    assert told in page.text
    assert f"synclog/{number}/change/" in page.html


def test_without_tables_it_says_who_registers_them(reader: Pages) -> None:
    configure("*")
    assert "the first sync_db registers them" in reader.get(PATH).text


def test_passes_are_counted_by_day_in_utc(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    configure("t")
    days = [datetime.now(timezone.utc).date() - timedelta(days=back) for back in (3, 2)]
    for day, moment in zip(days, ("23:59:59.999", "00:00:00.000"), strict=True):
        log("t", start_time=f"{day} {moment}", duration="2", status="PARTIAL")
    log("t", start_time=f"{days[1]} 12:00:00", duration=None)
    found = figures.read()
    [table] = found.tables
    assert {day: dict(passes.ended) for day, passes in table.days.items()} == {
        days[0]: {"PARTIAL": 1},
        days[1]: {"PARTIAL": 1, "SUCCESS": 1},
    }
    # A pass that does not say how long it took is none of those that took no time.
    assert [table.days[day].mean for day in days] == [2, 2]
    assert table.total.success == pytest.approx(1 / 3)
    assert table.total.mean == 2
    assert found.days[-1] == datetime.now(timezone.utc).date()
    assert len(found.days) == 7


def test_days_go_back_as_far_as_the_log_but_never_further_than_a_month() -> None:
    configure("t")
    log("t", start_time=ago(days=29))
    assert len(figures.read().days) == 30
    log("t", start_time=ago(days=31))
    found = figures.read()
    assert len(found.days) == 30
    assert found.tables[0].total.ended.total() == 1


def test_a_log_of_any_length_is_asked_few_questions_about_few_rows(
    reader: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "_PASSES", 100)
    tables = [f"t{number}" for number in range(30)]
    configure(*tables)
    for number in range(150):
        log(tables[number % 30], start_time=ago(days=1))
    with CaptureQueriesContext(connections["local"]) as asked:
        page = reader.get(PATH)
    assert len(asked.captured_queries) <= 8
    assert figures.read().tables[0].total.ended.total() in (3, 4)
    assert sum(table.total.ended.total() for table in figures.read().tables) == 100
    assert "older ones are left out" in page.text
    # No table of the project is asked for anything.
    assert not [
        one
        for one in asked.captured_queries
        if "FROM" in one["sql"] and "db_sync" not in one["sql"]
    ]
    monkeypatch.setattr(figures, "_PASSES", 150)
    assert "older ones are left out" not in reader.get(PATH).text


def test_lag_is_held_against_the_schedule(reader: Pages, engine: RecordedEngine) -> None:
    configure("in_time", last_sync_time=ago(minutes=61))
    configure("behind", last_sync_time=ago(minutes=63))
    configure("switched_off", last_sync_time=ago(days=3), sync_enabled=0)

    def late() -> list[str]:
        page = reader.get(PATH)
        names = ("in_time", "behind", "switched_off")
        return [name for name in names if "! late" in line(page, name)]

    assert late() == []
    schedule()
    assert late() == ["behind"]
    Schedule.objects.update(minutes=58)
    assert late() == ["in_time", "behind"]
    engine.sides["enabled"] = False
    assert late() == []


def test_the_schedule_is_told(reader: Pages, engine: RecordedEngine) -> None:
    assert "manage.py sync_scheduler enable" in reader.get(PATH).text
    schedule()
    for number, success in enumerate((True, True, False)):
        Task.objects.create(
            id=str(number),
            name=str(number),
            func=TASK,
            started=clock.now(),
            stopped=clock.now(),
            success=success,
        )
    page = reader.get(PATH)
    assert "every 60 min" in page.text
    assert "2 succeeded, 1 failed" in page.text
    assert "overdue" not in page.text
    Schedule.objects.update(next_run=clock.now() - timedelta(minutes=3))
    assert "The next run is overdue" in reader.get(PATH).text
    engine.sides["enabled"] = False
    assert "DB_SYNC_ENABLED is False" in reader.get(PATH).text


def test_without_a_schedule_the_page_says_why(
    reader: Pages, monkeypatch: pytest.MonkeyPatch, engine: RecordedEngine
) -> None:
    configure("shop_product")
    with connections["default"].cursor() as cursor:
        cursor.execute("DROP TABLE django_q_schedule")
    page = reader.get(PATH)
    words = "run python manage.py migrate first"
    assert (page.response.status_code, words in page.text) == (200, True)
    installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda app: app != "django_q" and installed(app))
    page = reader.get(PATH)
    assert (page.response.status_code, "needs Django Q2" in page.text) == (200, True)
    assert "shop_product" in page.text


def test_wrong_settings_are_told_in_the_page(
    reader: Pages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    schedule(kwargs=repr({"env_file": str(tmp_path / "none.env")}))
    page = reader.get(PATH)
    assert (page.response.status_code, "CFG_002" in page.text) == (200, True)


def test_the_projects_own_file_is_read(
    reader: Pages, monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    monkeypatch.undo()
    settings.DB_SYNC_ENV_FILE = tmp_path / "project.env"
    sides = "".join(
        f"DB_{side}_ENGINE=sqlite\nDB_{side}_NAME={side}\n" for side in ("REMOTE", "LOCAL")
    )
    (tmp_path / "project.env").write_text(f"{sides}DB_SYNC_ENABLED=False\n")
    schedule()
    assert "DB_SYNC_ENABLED is False" in reader.get(PATH).text


def test_charts_show_what_the_figures_say(reader: Pages) -> None:
    configure("shop_product")
    log(status="SUCCESS")
    log(status="FAILED")
    page = reader.get(PATH)
    today = datetime.now(timezone.utc).date().isoformat()
    assert page.html.count(f"<title>{today}: 1 SUCCESS</title>") == 2
    assert page.html.count(f"<title>{today}: 1 FAILED</title>") == 2
    assert page.html.count(f"<title>{today}: 0.25 s</title>") == 2
    assert page.html.count('<svg class="db-sync-chart"') == 4
    # Nothing comes from elsewhere, and nothing needs a script of ours.
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page.html)
    assert "<script" not in page.html.partition("<main")[2].partition("</main>")[0]


def test_a_hostile_name_is_escaped_and_its_links_work(reader: Pages) -> None:
    hostile = "<b>a&b</b>/?table=x"
    configure(hostile, "other")
    log(hostile, error_code="<i>", status="<u>")
    log("other")
    conflict({"id": 1}, {"id": 1}, None, table_name=hostile)
    page = reader.get(PATH)
    for tag in ("<b>a", "<i>", "<u>"):
        assert tag not in page.html
    links = re.findall(r'href="([^"]*\?table=[^"]*)"', page.html)
    logs = next(link for link in links if "synclog" in link and "%3Cb%3E" in link)
    assert hostile in reader.get(logs).text
    assert "other → LOCAL" not in reader.get(logs).text


def test_who_may_not_see_conflicts_gets_no_link_to_them() -> None:
    configure("shop_product")
    conflict({"id": 1}, {"id": 1}, None)
    page = Pages("view_synclog").get(PATH)
    assert "Open conflicts 1" in page.text
    assert "syncconflict" not in page.html


def test_only_whoever_may_see_the_log_sees_it() -> None:
    assert Pages("view_syncconflict").get(PATH).response.status_code == 403
    assert Pages("view_synclog").post(PATH).response.status_code == 405
    nobody = Pages("view_synclog")
    nobody.user.is_staff = False
    nobody.user.save()
    assert "Log in" in nobody.get(PATH).html


def test_without_time_zones(reader: Pages, settings: Settings) -> None:
    settings.USE_TZ = False
    configure("shop_product", last_sync_time=ago(minutes=12))
    log()
    schedule(next_run=datetime.now() + timedelta(minutes=30))
    text = reader.get(PATH).text
    assert "Lag 12 minutes" in text
    assert "Success 100 %" in text
    assert "overdue" not in text


def test_chinese(reader: Pages, settings: Settings) -> None:
    settings.LANGUAGE_CODE = "zh-hans"
    configure("shop_product", last_sync_time=ago(minutes=12))
    page = reader.get(PATH)
    assert "数据库同步" in page.text
    assert not re.search(r"\b(?:Lag|Rows|Last|Open|Table|never|ago)\b", page.text)
