"""How tables are synced, edited in the admin; a sync is put into the queue, never run there."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import connections
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from pytest_django import Settings

from admin_pages import Page, Pages, configure, migrate
from conftest import SERVER, RecordedEngine
from db_sync.admin.configuration import _KEEP_THE_KEY, _KEY_NEEDED
from db_sync.models import SyncConfig
from db_sync.tasks import sync_table
from test_locale import engine_sentences

LIST = "syncconfig/"


@pytest.fixture(autouse=True)
def _migrated(files: Path) -> None:
    migrate(files)
    configure("shop_order", "shop_product", "*")


@pytest.fixture
def editor() -> Pages:
    return Pages("view_syncconfig", "change_syncconfig")


@pytest.fixture
def automatic(engine: RecordedEngine) -> RecordedEngine:
    """An engine whose settings allow automatic runs."""
    engine.sides = {
        "remote": SERVER,
        "local": SERVER,
        "enabled": True,
        "interval": 60,
        "direction": "BOTH",
        "sync_type": "INCREMENTAL",
    }
    return engine


def key(table: str) -> int:
    return int(SyncConfig.objects.get(table_name=table).pk)


def keys() -> list[int]:
    return list(SyncConfig.objects.values_list("pk", flat=True))


def change(person: Pages, table: str, **form: str | list[str]) -> Page:
    """Saves a table's form, with everything else as it was."""
    row = SyncConfig.objects.get(table_name=table)
    now: dict[str, Any] = {
        "sync_direction": row.sync_direction,
        "sync_type": row.sync_type,
        "conflict_resolution": row.conflict_resolution,
        "priority": str(row.priority),
        **({"sync_enabled": "on"} if row.sync_enabled else {}),
        **(row.column_rules or {}),
    }
    return person.post(f"{LIST}{row.pk}/change/", **{**now, **form})


def queued() -> list[dict[str, Any]]:
    return [SignedPackage.loads(task.payload) for task in OrmQ.objects.order_by("id")]


def test_every_setting_is_saved_as_the_engine_reads_it(editor: Pages) -> None:
    with connections["local"].cursor() as cursor:
        cursor.execute("CREATE TABLE shop_product (id integer PRIMARY KEY, name text, seen text)")
    form = editor.get(f"{LIST}{key('shop_product')}/change/")
    assert form.inputs("ignore") == form.inputs("no_conflict") == ["name", "seen"]
    saved = change(
        editor,
        "shop_product",
        sync_direction="REMOTE_TO_LOCAL",
        sync_type="FULL",
        conflict_resolution="MANUAL",
        priority="-3",
        ignore=["name"],
        no_conflict=["seen", "name"],
    )
    assert [level for level, _words in saved.messages] == ["success"]
    row = SyncConfig.objects.values().get(table_name="shop_product")
    wanted = {
        "sync_enabled": True,
        "sync_direction": "REMOTE_TO_LOCAL",
        "sync_type": "FULL",
        "conflict_resolution": "MANUAL",
        "priority": -3,
        "column_rules": {"ignore": ["name"], "no_conflict": ["seen", "name"]},
    }
    assert {name: row[name] for name in wanted} == wanted
    change(editor, "shop_product", ignore=[], no_conflict=[])
    assert SyncConfig.objects.get(table_name="shop_product").column_rules is None


def test_what_is_not_allowed_changes_nothing(editor: Pages) -> None:
    before = list(SyncConfig.objects.values())
    for form in (
        {"sync_direction": "SIDEWAYS"},
        {"sync_type": "HALF"},
        {"conflict_resolution": "MINE"},
        {"priority": "high"},
        {"ignore": ["nowhere"]},
    ):
        refused = change(editor, "shop_product", **form)
        assert "Please correct the error below." in refused.text
    assert list(SyncConfig.objects.values()) == before


KEYS = {
    "id integer PRIMARY KEY, name text, seen text": ["name", "seen"],
    "id integer, name text, seen text, PRIMARY KEY (seen, id)": ["name"],
    "id integer NOT NULL UNIQUE, name text UNIQUE, seen text": ["name", "seen"],
    # Without one key there is the other.
    "id integer PRIMARY KEY, name text NOT NULL UNIQUE, seen text": ["id", "name", "seen"],
    "id integer, name text, seen text": ["id", "name", "seen"],
}


@pytest.mark.parametrize("columns", list(KEYS))
def test_what_alone_identifies_rows_is_not_offered(editor: Pages, columns: str) -> None:
    with connections["local"].cursor() as cursor:
        cursor.execute(f"CREATE TABLE shop_product ({columns})")
    form = editor.get(f"{LIST}{key('shop_product')}/change/")
    assert form.inputs("ignore") == form.inputs("no_conflict") == KEYS[columns]


def test_a_rule_that_leaves_no_key_is_refused_as_the_engine_does(editor: Pages) -> None:
    with connections["local"].cursor() as cursor:
        columns = "id integer PRIMARY KEY, name text NOT NULL UNIQUE, seen text"
        cursor.execute(f"CREATE TABLE shop_product ({columns})")
    refused = change(editor, "shop_product", ignore=["id", "name"])
    assert "CFG_002: Table shop_product: without id nothing identifies its rows." in refused.text
    assert "Leave out of ignore what the key consists of" in refused.text
    assert SyncConfig.objects.get(table_name="shop_product").column_rules is None
    assert {_KEY_NEEDED, _KEEP_THE_KEY} <= set(engine_sentences())
    for allowed in (["name", "seen"], ["id", "seen"]):
        change(editor, "shop_product", ignore=allowed)
        rules = SyncConfig.objects.get(table_name="shop_product").column_rules
        assert rules == {"ignore": allowed}
    # What an older version let in stays, until somebody changes it.
    rules = {"ignore": ["id", "name"]}
    SyncConfig.objects.filter(table_name="shop_product").update(column_rules=rules)
    change(editor, "shop_product", priority="9")
    row = SyncConfig.objects.get(table_name="shop_product")
    assert (row.priority, row.column_rules) == (9, rules)


def test_rules_of_a_table_that_local_lacks_are_kept(editor: Pages) -> None:
    rules = {"ignore": ["gone"], "no_conflict": ["seen"]}
    SyncConfig.objects.filter(table_name="shop_order").update(column_rules=rules)
    form = editor.get(f"{LIST}{key('shop_order')}/change/")
    assert form.inputs("ignore") == ["gone"]
    assert form.html.count("checked") == 3
    change(editor, "shop_order", priority="9")
    assert SyncConfig.objects.get(table_name="shop_order").column_rules == rules


def test_many_tables_are_switched_at_once_but_never_the_defaults(editor: Pages) -> None:
    told = editor.act(LIST, "disable_tables", keys())
    assert ("success", "2 table(s) disabled.") in told.messages
    assert "warning" in [level for level, _words in told.messages]
    enabled = dict(SyncConfig.objects.values_list("table_name", "sync_enabled"))
    assert enabled == {"*": True, "shop_order": False, "shop_product": False}
    told = editor.act(LIST, "enable_tables", [key("shop_order")])
    assert told.messages == [("success", "1 table(s) enabled.")]
    assert SyncConfig.objects.get(table_name="shop_order").sync_enabled
    assert not SyncConfig.objects.get(table_name="shop_product").sync_enabled
    # Once more changes nothing.
    told = editor.act(LIST, "enable_tables", [key("shop_order")])
    assert told.messages == [("success", "0 table(s) enabled.")]


def test_what_people_did_is_in_the_admins_own_log(editor: Pages) -> None:
    editor.act(LIST, "disable_tables", [key("shop_order")])
    change(editor, "shop_order", priority="7")
    entries = list(LogEntry.objects.order_by("pk"))
    assert [entry.user for entry in entries] == [editor.user, editor.user]
    assert [entry.get_edited_object() for entry in entries] == [
        SyncConfig.objects.get(table_name="shop_order")
    ] * 2
    assert entries[0].get_change_message() == "Changed enabled."
    assert "Priority" in entries[1].get_change_message()
    history = editor.get(f"{LIST}{key('shop_order')}/history/")
    assert "Changed enabled." in history.text


def test_the_defaults_are_no_table(editor: Pages) -> None:
    page = editor.get(LIST)
    assert "* (defaults of new tables)" in page.text
    form = editor.get(f"{LIST}{key('*')}/change/")
    for name in ("sync_enabled", "priority", "ignore", "no_conflict"):
        assert form.inputs(name) == []
    SyncConfig.objects.filter(table_name="*").update(column_rules={"ignore": ["a"]})
    choices = {"sync_direction": "BOTH", "sync_type": "FULL", "conflict_resolution": "SKIP"}
    saved = editor.post(f"{LIST}{key('*')}/change/", **choices)
    assert [level for level, _words in saved.messages] == ["success"]
    row = SyncConfig.objects.get(table_name="*")
    assert (row.sync_enabled, row.sync_type, row.conflict_resolution) == (True, "FULL", "SKIP")
    assert row.column_rules == {"ignore": ["a"]}


def test_sync_now_puts_tasks_into_the_queue_and_runs_nothing(
    editor: Pages, automatic: RecordedEngine
) -> None:
    told = editor.act(LIST, "sync_now", keys())
    assert [level for level, _words in told.messages] == ["warning", "success"]
    assert "shop_order, shop_product" in told.messages[1][1]
    tasks = queued()
    assert {task["func"] for task in tasks} == {"db_sync.tasks.sync_table"}
    assert [task["args"] for task in tasks] == [("shop_order",), ("shop_product",)]
    assert [task["kwargs"]["triggered_by"] for task in tasks] == ["MANUAL", "MANUAL"]
    assert automatic.asked == []


def test_sync_now_uses_the_file_that_the_project_names(
    editor: Pages, automatic: RecordedEngine, settings: Settings
) -> None:
    settings.DB_SYNC_ENV_FILE = Path("/etc/shop.env")
    editor.act(LIST, "sync_now", [key("shop_order")])
    assert set(automatic.read) == {"/etc/shop.env"}
    # The worker may have the project elsewhere, and finds its file by itself.
    [task] = queued()
    assert task["kwargs"] == {"triggered_by": "MANUAL"}


def test_sync_now_says_why_it_cannot(
    editor: Pages, automatic: RecordedEngine, settings: Settings
) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("DROP TABLE django_q_ormq")
    [(level, words)] = editor.act(LIST, "sync_now", [key("shop_order")]).messages
    assert (level, "OperationalError" in words) == ("error", True)


def test_sync_now_is_a_persons_whether_or_not_syncs_come_by_themselves(
    editor: Pages, automatic: RecordedEngine
) -> None:
    automatic.sides["enabled"] = False
    [(level, _words)] = editor.act(LIST, "sync_now", [key("shop_order")]).messages
    assert level == "success"
    [task] = queued()
    assert sync_table(*task["args"], **task["kwargs"])["status"] == "SUCCESS"
    assert automatic.asked[0]["triggered_by"] == "MANUAL"


def test_sync_now_without_django_q2_names_it(
    editor: Pages, automatic: RecordedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda app: app != "django_q" and installed(app))
    [(level, words)] = editor.act(LIST, "sync_now", [key("shop_order")]).messages
    assert (level, "pip install" in words, "sync_db --table" in words) == ("error", True, True)


def test_a_wrong_setting_is_told_with_its_code(editor: Pages, settings: Settings) -> None:
    settings.DB_SYNC_ENV_FILE = "/nowhere/.env"
    [(level, words)] = editor.act(LIST, "sync_now", [key("shop_order")]).messages
    assert (level, words.startswith("CFG_002")) == ("error", True)


@pytest.mark.usefixtures("automatic")
def test_who_may_only_look_changes_nothing() -> None:
    reader = Pages("view_syncconfig")
    before = list(SyncConfig.objects.values())
    rules = {"ignore": ["name"]}
    SyncConfig.objects.filter(table_name="shop_order").update(column_rules=rules)
    page = reader.get(f"{LIST}{key('shop_order')}/change/")
    assert "ignore: name" in page.text
    assert page.inputs("_save") == []
    SyncConfig.objects.filter(table_name="shop_order").update(column_rules=None)
    assert change(reader, "shop_order", priority="7").response.status_code == 403
    assert reader.act(LIST, "disable_tables", keys()).response.status_code in (200, 403)
    assert reader.act(LIST, "sync_now", keys()).response.status_code in (200, 403)
    assert list(SyncConfig.objects.values()) == before
    assert OrmQ.objects.count() == 0
    root = Pages(root=True)
    assert root.get(f"{LIST}add/").response.status_code == 403
    assert root.get(f"{LIST}{key('*')}/delete/").response.status_code == 403


def test_a_hostile_table_name_is_escaped(editor: Pages) -> None:
    hostile = "<script>alert('1')</script>"
    configure(hostile)
    with connections["local"].cursor() as cursor:
        cursor.execute(f'CREATE TABLE "{hostile}" (id integer, "<b>x</b>" text)')
    for page in (editor.get(LIST), editor.get(f"{LIST}{key(hostile)}/change/")):
        assert "<script>alert" not in page.html
        assert "<b>x</b>" not in page.html
        assert hostile in page.text
    assert re.search(r'value="&lt;b&gt;x&lt;/b&gt;"', page.html)
