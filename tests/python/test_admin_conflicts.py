"""Conflicts in the admin: both rows beside each other, and decisions by whoever may."""

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ, Task
from django_q.signing import SignedPackage
from pytest_django import Settings

from admin_pages import Page, Pages, ago, configure, conflict, migrate, words
from conftest import FAILURE, SERVER, RecordedEngine, report_data
from db_sync.admin import conflicts, queue
from db_sync.errors import error_from
from db_sync.models import SyncConflict
from db_sync.report import SyncReport

LIST = "syncconflict/"
SETTINGS = {
    "remote": SERVER,
    "local": SERVER,
    "enabled": False,
    "interval": 60,
    "direction": "BOTH",
    "sync_type": "INCREMENTAL",
}
HOSTILE = "<img src=x onerror=alert('1')>"
MOVED = {
    "code": "SYNC_010",
    "table": "shop_product",
    "message": 'Table shop_product, row {"id":1}: LOCAL has changed the row since.',
    "hint": "Look at the row.",
}


class Decisions:
    """Stands where the engine would decide: notes what it is asked and answers what it is told."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: dict[str, Any] | Exception = report_data()

    def __call__(self, number: int, **options: Any) -> SyncReport:
        self.asked.append({"conflict": number, **options})
        if isinstance(self.answer, Exception):
            raise self.answer
        return SyncReport.from_dict(self.answer)


@pytest.fixture(autouse=True)
def _migrated(files: Path) -> None:
    migrate(files)


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> Decisions:
    recorded = Decisions()
    monkeypatch.setattr(conflicts, "resolve_conflict", recorded)
    return recorded


@pytest.fixture
def decider() -> Pages:
    return Pages("view_syncconflict", "change_syncconflict")


@pytest.fixture
def reader() -> Pages:
    return Pages("view_syncconflict")


@pytest.fixture
def _without_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda app: app != "django_q" and installed(app))


def shown(person: Pages, number: int) -> Page:
    return person.get(f"{LIST}{number}/change/")


def decide(person: Pages, page: Page, keep: str) -> Page:
    """Presses a button of a page."""
    assert keep in page.inputs("keep")
    [chosen] = page.inputs("chosen")
    return person.post(f"{LIST}decide/", keep=keep, chosen=chosen)


def column(page: Page, name: str) -> str:
    """One line of the page's table, as a person reads it."""
    rows = re.findall(r"(?s)<tr(.*?)</tr>", page.html)
    [line] = [row for row in rows if re.search(rf'scope="row">{re.escape(name)}\s', row)]
    return words(line.partition(">")[2])


def test_both_rows_stand_beside_each_other_and_differences_are_named(reader: Pages) -> None:
    remote = '{"id": 1, "price": 11.10, "name": "绿茶", "note": "", "big": 12345678901234567890.5}'
    local = '{"id": 1, "price": 11.2, "name": "绿茶", "note": null, "big": 12345678901234567890.6}'
    page = shown(reader, conflict({"id": 1}, remote, local))
    assert column(page, "id") == "id key REMOTE 1 LOCAL 1"
    assert column(page, "price") == "price ≠ differs REMOTE 11.10 LOCAL 11.2"
    assert column(page, "name") == "name REMOTE 绿茶 LOCAL 绿茶"
    assert column(page, "note") == "note ≠ differs REMOTE (empty text) LOCAL NULL"
    assert "REMOTE 12345678901234567890.5 LOCAL 12345678901234567890.6" in column(page, "big")
    assert "Columns that differ: price, note, big" in page.text
    assert "Both sides changed the row since the last sync" in page.text


def test_a_row_that_is_gone_can_be_kept_away(decider: Pages) -> None:
    page = shown(decider, conflict({"id": 1}, None, {"id": 1, "name": "x"}, kind="delete/update"))
    assert column(page, "name") == "name ≠ differs REMOTE (gone) LOCAL x"
    assert "Keep REMOTE's: delete the row" in page.text
    assert "Keep LOCAL's row" in page.text


def test_whatever_cells_hold_is_escaped(decider: Pages) -> None:
    row = {"id": HOSTILE, HOSTILE: HOSTILE, "b": {"bytes": "3c62"}}
    number = conflict({"id": HOSTILE}, row, {**row, "b": HOSTILE}, table_name=HOSTILE, kind="<b>")
    configure(HOSTILE)
    for page in (
        shown(decider, number),
        decider.get(LIST),
        decider.act(LIST, "keep_local", [number]),
    ):
        assert "<img src=x" not in page.html
        assert HOSTILE in page.text


def test_who_may_only_look_sees_no_buttons(reader: Pages) -> None:
    number = conflict({"id": 1}, {"id": 1}, None)
    page = shown(reader, number)
    assert page.response.status_code == 200
    assert page.inputs("keep") == []
    assert "keep_remote" not in reader.get(LIST).html
    assert Pages().get(f"{LIST}{number}/change/").response.status_code == 403


def test_who_may_only_look_decides_nothing(reader: Pages, decisions: Decisions) -> None:
    number = conflict({"id": 1}, {"id": 1}, None)
    chosen = json.dumps([[number, "x"]])
    refused = reader.post(f"{LIST}decide/", keep="REMOTE", chosen=chosen)
    assert refused.response.status_code == 403
    assert reader.act(LIST, "keep_remote", [number]).inputs("keep") == []
    assert decisions.asked == []
    assert OrmQ.objects.count() == 0


def test_a_decision_is_posted_by_a_page_of_the_site(
    decider: Pages, decisions: Decisions, settings: Settings
) -> None:
    number = conflict({"id": 1}, {"id": 1}, None)
    chosen = json.dumps([[number, "x"]])
    form = {"keep": "REMOTE", "chosen": chosen}
    assert decider.get(f"{LIST}decide/", **form).response.status_code == 405
    assert decider.post(f"{LIST}{number}/change/", **form).response.status_code == 405
    stranger = Client(enforce_csrf_checks=True)
    stranger.force_login(decider.user)
    assert stranger.post(f"/admin/db_sync/{LIST}decide/", form).status_code == 403
    assert decisions.asked == []


@pytest.mark.parametrize("keep", ["REMOTE", "LOCAL"])
def test_a_decision_hands_on_what_was_looked_at_and_who_decides(
    decider: Pages, decisions: Decisions, settings: Settings, keep: str
) -> None:
    settings.DB_SYNC_ENV_FILE = "/etc/shop.env"
    number = conflict({"id": 1}, {"id": 1}, {"id": 1}, seen="1|2")
    page = shown(decider, number)
    with connections["local"].cursor() as cursor:
        cursor.execute("UPDATE db_sync_conflict SET seen = '3|4'")
    told = decide(decider, page, keep)
    assert decisions.asked == [
        {
            "conflict": number,
            "keep": keep.lower(),
            "by": decider.user.username,
            "seen": "1|2",
            "env_file": "/etc/shop.env",
        }
    ]
    assert told.messages == [("success", f"Conflict {number}: {keep}'s row is kept.")]
    assert told.response.redirect_chain[-1][0].endswith(f"/{LIST}{number}/change/")
    [entry] = LogEntry.objects.all()
    assert (entry.user, entry.get_edited_object()) == (decider.user, SyncConflict.objects.get())


def test_a_row_that_has_moved_is_told_with_what_to_do(decider: Pages, decisions: Decisions) -> None:
    decisions.answer = report_data(status="PARTIAL", exit_code=3, errors=[MOVED])
    number = conflict({"id": 1}, {"id": 1}, None)
    failed, again = decide(decider, shown(decider, number), "REMOTE").messages
    assert failed == (
        "error",
        f"Conflict {number}: SYNC_010: {MOVED['message']} {MOVED['hint']}",
    )
    assert again[0] == "warning"
    assert "the next sync writes down what both sides hold now" in again[1]
    assert LogEntry.objects.count() == 0


def test_a_failure_is_told_with_its_code_and_what_to_do(
    decider: Pages, decisions: Decisions
) -> None:
    decisions.answer = error_from(FAILURE)
    number = conflict({"id": 1}, {"id": 1}, None)
    [(level, said)] = decide(decider, shown(decider, number), "LOCAL").messages
    assert level == "error"
    assert "SYNC_001: Table products does not exist on LOCAL. Create it." in said


def test_the_name_of_who_decides_fits_its_column(decider: Pages, decisions: Decisions) -> None:
    decider.user.username = "x" * 200
    decider.user.save()
    decide(decider, shown(decider, conflict({"id": 1}, None, {"id": 1})), "LOCAL")
    assert decisions.asked[0]["by"] == "x" * 150


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"keep": "MINE", "chosen": '[[1, "x"]]'},
        {"keep": "LOCAL", "chosen": "[]"},
        {"keep": "LOCAL", "chosen": "[1]"},
        {"keep": "LOCAL", "chosen": '{"1": 2}'},
        {"keep": "LOCAL", "chosen": "7"},
        {"keep": "LOCAL", "chosen": '[["a", "x"]]'},
        {"keep": "LOCAL", "chosen": "[[1, 2, 3]]"},
    ],
)
def test_a_form_that_no_page_makes_is_refused(
    decider: Pages, decisions: Decisions, form: dict[str, str]
) -> None:
    assert decider.post(f"{LIST}decide/", **form).response.status_code == 400
    assert decisions.asked == []


def test_many_are_asked_for_before_they_go_into_the_queue(
    decider: Pages, decisions: Decisions, settings: Settings
) -> None:
    # The worker finds the project's file by itself.
    settings.DB_SYNC_ENV_FILE = "/etc/shop.env"
    numbers = [conflict({"id": n}, {"id": n}, None, seen=f"{n}|-") for n in range(120)]
    asked = decider.act(LIST, "keep_local", numbers)
    assert "Keep LOCAL's rows?" in asked.text
    assert "Conflicts: 120" in asked.text
    assert "… and 100 more" in asked.text
    assert OrmQ.objects.count() == 0
    told = decide(decider, asked, "LOCAL")
    [(level, said)] = told.messages
    assert (level, said.startswith("120 decision(s) are in the queue.")) == ("success", True)
    tasks = [SignedPackage.loads(task.payload) for task in OrmQ.objects.order_by("id")]
    assert [len(task["args"][0]) for task in tasks] == [50, 50, 20]
    assert {task["func"] for task in tasks} == {"db_sync.tasks.decide_conflicts"}
    wanted = {"keep": "local", "by": decider.user.username}
    assert all(task["kwargs"] == wanted for task in tasks)
    chosen = {tuple(one) for task in tasks for one in task["args"][0]}
    assert chosen == {(number, f"{n}|-") for n, number in enumerate(numbers)}
    assert decisions.asked == []


def test_the_table_is_synced_by_the_queue_so_that_a_moved_row_can_be_decided(
    engine: RecordedEngine,
) -> None:
    engine.sides = SETTINGS
    person = Pages("view_syncconflict", "change_syncconflict", "change_syncconfig")
    number = conflict({"id": 1}, {"id": 1}, None)
    page = shown(person, number)
    [action], [chosen] = page.inputs("action"), page.inputs("_selected_action")
    assert "The next sync writes down what both sides hold now." in page.text
    told = person.post(LIST, action=action, _selected_action=chosen)
    assert [level for level, _said in told.messages] == ["success"]
    [task] = [SignedPackage.loads(task.payload) for task in OrmQ.objects.all()]
    assert (task["func"], task["args"]) == ("db_sync.tasks.sync_table", ("shop_product",))
    assert task["kwargs"] == {"triggered_by": "MANUAL", "conflict": "MANUAL"}


def test_the_tables_of_many_conflicts_are_synced_once_each(engine: RecordedEngine) -> None:
    engine.sides = SETTINGS
    numbers = [conflict({"id": n}, {"id": n}, None) for n in range(3)]
    numbers.append(conflict({"id": 1}, {"id": 1}, None, table_name="shop_order"))
    Pages("view_syncconflict", "change_syncconfig").act(LIST, "sync_now", numbers)
    tasks = [SignedPackage.loads(task.payload) for task in OrmQ.objects.order_by("id")]
    assert [task["args"] for task in tasks] == [("shop_order",), ("shop_product",)]


def test_a_sync_is_offered_to_who_may_sync_and_where_it_helps(
    decider: Pages, engine: RecordedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.sides = SETTINGS
    waits = conflict({"id": 1}, {"id": 1}, None)
    decided = conflict({"id": 2}, {"id": 2}, None, state="RESOLVED", winner="LOCAL")
    decider.act(LIST, "sync_now", [waits])
    assert OrmQ.objects.count() == 0
    assert "sync_now" not in decider.get(LIST).html + shown(decider, waits).html
    person = Pages("view_syncconflict", "change_syncconfig")
    assert shown(person, waits).inputs("action") == ["sync_now"]
    assert shown(person, decided).inputs("action") == []
    monkeypatch.setattr(queue, "is_there", lambda: False)
    assert shown(person, waits).inputs("action") == []


def left(*conflicts: tuple[int, str], left: list[int], **more: Any) -> None:
    """Notes a task of decisions as Django Q2 does when it has ended."""
    moment = datetime.now(timezone.utc)
    ended = {"started": moment, "stopped": moment, "success": True, **more}
    Task.objects.create(
        id=f"{Task.objects.count():032}",
        func="db_sync.tasks.decide_conflicts",
        args=(list(conflicts),),
        result={"status": "PARTIAL", "decided": 0, "left": left},
        **ended,
    )


def test_what_a_worker_has_left_is_told_until_it_is_met_again(
    decider: Pages, reader: Pages
) -> None:
    moved = conflict({"id": 1}, {"id": 1}, None, seen="1|2")
    met_again = conflict({"id": 2}, {"id": 2}, None, seen="new|2")
    decided = conflict({"id": 3}, {"id": 3}, None, seen="1|2", state="RESOLVED")
    done = conflict({"id": 4}, {"id": 4}, None, seen="1|2")
    chosen = [(number, "1|2") for number in (moved, met_again, decided, done)]
    left(*chosen, left=[moved, met_again, decided])
    [(level, said)] = decider.get(LIST).messages
    assert level == "warning"
    assert "another run held the table: shop_product id=1. The next sync" in said
    assert reader.get(LIST).messages == []
    with connections["local"].cursor() as cursor:
        cursor.execute("UPDATE db_sync_conflict SET seen = '3|4'")
    assert decider.get(LIST).messages == []


def test_many_that_a_worker_has_left_are_counted(decider: Pages) -> None:
    chosen = [(conflict({"id": n}, {"id": n}, None, seen="1|2"), "1|2") for n in range(23)]
    left(*chosen[:20], left=[number for number, _seen in chosen])
    left(*chosen[20:], left=[number for number, _seen in chosen])
    [(_level, said)] = decider.get(LIST).messages
    assert "; … and 3 more. The next sync" in said


def test_a_task_that_failed_and_a_queue_without_tables_tell_nothing(decider: Pages) -> None:
    number = conflict({"id": 1}, {"id": 1}, None, seen="1|2")
    left((number, "1|2"), left=[number], success=False)
    assert decider.get(LIST).messages == []
    left((number, "1|2"), left=[number])
    with connections["default"].cursor() as cursor:
        cursor.execute("DROP TABLE django_q_task")
    page = decider.get(LIST)
    assert (page.response.status_code, page.messages) == (200, [])


def test_one_chosen_in_the_list_is_decided_at_once(decider: Pages, decisions: Decisions) -> None:
    number = conflict({"id": 1}, {"id": 1}, None)
    conflict({"id": 2}, {"id": 2}, None)
    decide(decider, decider.act(LIST, "keep_remote", [number]), "REMOTE")
    assert [one["conflict"] for one in decisions.asked] == [number]
    assert OrmQ.objects.count() == 0


@pytest.mark.usefixtures("_without_queue")
def test_without_a_queue_a_few_are_decided_at_once(decider: Pages, decisions: Decisions) -> None:
    numbers = [conflict({"id": n}, {"id": n}, None) for n in range(21)]
    [(level, said)] = decider.act(LIST, "keep_remote", numbers).messages
    assert (level, "at most 20" in said) == ("error", True)
    told = decide(decider, decider.act(LIST, "keep_remote", numbers[:20]), "REMOTE")
    assert [level for level, _said in told.messages] == ["success"] * 20
    assert sorted(one["conflict"] for one in decisions.asked) == numbers[:20]


def test_what_waits_is_shown_unless_more_is_asked_for(reader: Pages) -> None:
    configure("shop_product", "shop_order")
    conflict({"id": 1}, {"id": 1}, None)
    conflict({"id": 2}, {"id": 2}, None, state="RESOLVED", winner="LOCAL", resolved_by="anna")
    conflict(
        {"id": 3}, {"id": 3}, None, table_name="shop_order", kind="drift", created_at=ago(days=2)
    )

    def rows(**query: str) -> list[str]:
        return re.findall(r">(id=\d)<", reader.get(LIST, **query).html)

    assert rows() == ["id=3", "id=1"]
    assert rows(state="RESOLVED") == ["id=2"]
    assert rows(state="all") == ["id=3", "id=2", "id=1"]
    assert rows(table="shop_order") == ["id=3"]
    assert rows(kind="drift") == ["id=3"]
    assert rows(time="day") == ["id=1"]
    assert "LOCAL, anna" in reader.get(LIST, state="RESOLVED").text


def test_a_list_leaves_the_rows_where_they_are(reader: Pages) -> None:
    conflict({"id": 1}, {"id": 1, "text": "x" * 100_000}, None)
    with CaptureQueriesContext(connections["local"]) as asked:
        reader.get(LIST)
    assert not [one for one in asked.captured_queries if "remote_row" in one["sql"]]


def test_a_decided_conflict_says_by_whom_and_may_be_decided_otherwise(decider: Pages) -> None:
    number = conflict(
        {"id": 1},
        {"id": 1},
        None,
        state="RESOLVED",
        winner="REMOTE",
        resolved_by="anna",
        resolved_at="2026-01-06 14:30:00",
    )
    page = shown(decider, number)
    assert "REMOTE's row was kept, 2026-01-06" in page.text
    assert "anna" in page.text
    assert "Decide otherwise" in page.text
    assert page.inputs("keep") == ["REMOTE", "LOCAL"]


@pytest.mark.parametrize("number", ["999", "nothing", "9" * 30])
def test_what_is_no_conflict_leads_back_to_the_list(reader: Pages, number: str) -> None:
    page = reader.get(f"{LIST}{number}/change/")
    assert [level for level, _said in page.messages] == ["warning"]
    assert "Conflicts" in page.text
