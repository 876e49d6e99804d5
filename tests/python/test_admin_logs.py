"""The log in the admin: read only, quick, and safe whatever stands in it."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from pytest_django import Settings

from admin_pages import Page, Pages, ago, configure, insert, log, migrate
from db_sync.admin.advice import ADVICE
from db_sync.admin.filters import NewestRows
from db_sync.models import SyncLog

HOSTILE = "<script>alert('1')</script>"
LIST = "synclog/"


@pytest.fixture(autouse=True)
def _migrated(files: Path) -> None:
    migrate(files)


@pytest.fixture
def reader() -> Pages:
    return Pages("view_synclog")


def listed(page: Page) -> list[str]:
    """The tables of the list's rows."""
    cells = re.findall(r'(?s)<td class="field-table">(.*?) <small', page.html)
    return [cell.strip() for cell in cells]


def test_a_pass_is_one_line_with_all_that_matters(reader: Pages) -> None:
    log(status="PARTIAL", rows_inserted=12_345, rows_updated=2, rows_skipped=3, conflicts=4)
    page = reader.get(LIST)
    assert "Database Sync Logs" in page.text
    assert "! PARTIAL shop_product → LOCAL 0.250 s +12,345 ~2 −0 skipped 3 conflicts 4" in page.text
    assert "db-sync-badge db-sync-fair" in page.html


@pytest.mark.parametrize(
    ("status", "colour"),
    [
        ("SUCCESS", "good"),
        ("PARTIAL", "fair"),
        ("FAILED", "bad"),
        ("INTERRUPTED", "halted"),
        ("RUNNING", "busy"),
    ],
)
def test_every_status_has_a_colour_and_a_sign(reader: Pages, status: str, colour: str) -> None:
    log(status=status)
    [sign] = re.findall(
        rf'db-sync-badge db-sync-{colour}"><span aria-hidden="true">(.)</span> {status}<',
        reader.get(LIST).html,
    )
    assert sign.strip()


def test_filters_by_status_table_and_time(reader: Pages) -> None:
    configure("shop_product", "shop_order", "*")
    log("shop_product", status="FAILED", start_time=ago(minutes=59))
    log("shop_order", start_time=ago(minutes=61))
    log("shop_tag", start_time=ago(days=8), sync_direction="LOCAL_TO_REMOTE")
    assert listed(reader.get(LIST)) == ["shop_tag", "shop_order", "shop_product"]
    assert listed(reader.get(LIST, status__exact="FAILED")) == ["shop_product"]
    assert listed(reader.get(LIST, table="shop_order")) == ["shop_order"]
    assert listed(reader.get(LIST, time="hour")) == ["shop_product"]
    assert listed(reader.get(LIST, time="week")) == ["shop_order", "shop_product"]
    assert listed(reader.get(LIST, sync_direction__exact="LOCAL_TO_REMOTE")) == ["shop_tag"]
    # A table that is configured no more stays in the choice while it is chosen.
    page = reader.get(LIST, table="shop_tag")
    assert listed(page) == ["shop_tag"]
    assert "shop_order shop_product shop_tag" in page.text
    assert "shop_tag" not in reader.get(LIST, status__exact="FAILED").text


def test_times_are_in_the_sites_zone_and_the_column_is_in_utc(
    reader: Pages, settings: Settings
) -> None:
    log(start_time="2026-01-06 14:30:00.250000")
    settings.TIME_ZONE = "Asia/Shanghai"
    assert "2026-01-06 22:30:00" in reader.get(LIST).text
    settings.USE_TZ = False
    assert "2026-01-06 22:30:00" in reader.get(LIST).text
    log("recent", start_time=ago(minutes=50))
    assert listed(reader.get(LIST, time="hour")) == ["recent"]


def test_what_a_table_is_called_and_what_failed_is_escaped(reader: Pages) -> None:
    number = log(
        HOSTILE,
        status="FAILED",
        run_id=HOSTILE[:36],
        error_code=HOSTILE[:20],
        error_message=HOSTILE,
    )
    configure(HOSTILE)
    for page in (reader.get(LIST), reader.get(f"{LIST}{number}/change/")):
        assert "<script>alert" not in page.html
        assert HOSTILE in page.text


def test_an_error_is_short_in_the_list_and_whole_beside_what_to_do(reader: Pages) -> None:
    words = "Table t: this run would delete 120 of 200 rows. " * 5
    number = log(status="FAILED", error_code="SYNC_008", error_message=words)
    page = reader.get(LIST)
    assert "SYNC_008 Table t: this run" in page.text
    assert words.strip() not in page.text
    assert str(ADVICE["SYNC_008"]) in page.html
    detail = reader.get(f"{LIST}{number}/change/")
    assert words.strip() in detail.text
    assert str(ADVICE["SYNC_008"]) in detail.text


def test_every_documented_code_has_its_advice() -> None:
    documented = (Path(__file__).parents[2] / "docs/errors.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+_\d{3})`", documented, re.M)) == set(ADVICE)


def test_the_passes_of_one_run_are_one_step_away(reader: Pages) -> None:
    number = log("shop_product", run_id="run-1")
    log("shop_order", run_id="run-1")
    log("shop_tag", run_id="run-2")
    [link] = re.findall(r'href="([^"]*\?run_id=[^"]*)"', reader.get(f"{LIST}{number}/change/").html)
    assert listed(reader.get(link)) == ["shop_order", "shop_product"]
    assert listed(reader.get(LIST, q="run-2")) == ["shop_tag"]
    assert listed(reader.get(LIST, q="shop_order")) == ["shop_order"]


def test_nobody_changes_what_has_happened() -> None:
    root = Pages(root=True)
    number = log()
    assert root.get(f"{LIST}add/").response.status_code == 403
    assert root.get(f"{LIST}{number}/delete/").response.status_code == 403
    assert root.post(f"{LIST}{number}/change/", status="FAILED").response.status_code == 403
    assert "_selected_action" not in root.get(LIST).html
    assert SyncLog.objects.get().status == "SUCCESS"
    assert Pages().get(LIST).response.status_code == 403


def test_rows_of_an_older_installation_are_shown(reader: Pages) -> None:
    number = insert(
        "db_sync_log",
        table_name="products",
        status="FAILED",
        start_time="2025-01-02 00:00:00",
        error_message="3 conflicts",
        created_at="2025-01-02 00:00:00",
    )
    assert "products – 3 conflicts –" in reader.get(LIST).text
    assert reader.get(f"{LIST}{number}/change/").response.status_code == 200


def test_a_long_log_is_neither_counted_nor_sorted_as_a_whole(
    reader: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NewestRows, "limit", 150)
    with connections["local"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO db_sync_log (run_id, table_name, status, start_time, created_at) "
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
            "SELECT 'run', 't' || i, 'SUCCESS', '2026-01-06', '2026-01-06' FROM n"
        )
    with CaptureQueriesContext(connections["local"]) as asked:
        page = reader.get(LIST)
    assert listed(page)[0] == "t200"
    assert len(listed(page)) == 100
    asked_for: list[dict[str, Any]] = asked.captured_queries
    counts = [one["sql"] for one in asked_for if "COUNT(" in one["sql"]]
    assert all("LIMIT 150" in sql for sql in counts)
    assert len(counts) == 1
    assert not [one for one in asked_for if "DISTINCT" in one["sql"]]
    assert len(asked_for) <= 4
    # The second page ends with what the limit holds.
    assert len(listed(reader.get(LIST, p="2"))) == 50


def test_chinese(reader: Pages, settings: Settings) -> None:
    settings.LANGUAGE_CODE = "zh-hans"
    number = log(status="FAILED", error_code="SYNC_008", error_message="Table t: …")
    page = reader.get(LIST)
    assert "数据库同步日志" in page.text
    with translation.override("zh-hans"):
        advice = str(ADVICE["SYNC_008"])
    assert advice in reader.get(f"{LIST}{number}/change/").text
    assert re.search("[\u4e00-\u9fff]", advice)
