"""The admin over a real shop: what its buttons do to both sides, and over servers as LOCAL."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from admin_pages import Page, Pages
from db_sync.conf import databases
from db_sync.models import SyncConflict, SyncLog
from db_sync.tasks import sync_table
from example_shop import Site
from sides import Sides, two_sides

DECIDE = "syncconflict/decide/"


def at(folder: Path) -> None:
    """Points Django's aliases to a shop's files; `default` is the remote side."""
    for alias, name in (("default", "remote"), ("remote", "remote"), ("local", "local")):
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = str(folder / f"{name}.sqlite3")


@pytest.fixture
def shop(site: Site, files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A shop with one open conflict, in whose folder this process is."""
    site.manage("shop_demo_changes")
    site.sync("--conflict", "manual", status=3)
    at(site.folder)
    monkeypatch.chdir(site.folder)
    yield site
    User.objects.all().delete()


def decide(person: Pages, page: Page, keep: str) -> Page:
    [chosen] = page.inputs("chosen")
    return person.post(DECIDE, keep=keep, chosen=chosen)


def waiting() -> SyncConflict:
    conflict: SyncConflict = SyncConflict.objects.get(state="PENDING")
    return conflict


@pytest.mark.parametrize("keep", ["REMOTE", "LOCAL"])
def test_a_button_writes_its_row_on_both_sides(shop: Site, keep: str) -> None:
    person = Pages("view_syncconflict", "change_syncconflict")
    number = waiting().pk
    key = waiting().row_key["id"]
    told = decide(person, person.get(f"syncconflict/{number}/change/"), keep)
    assert [level for level, _said in told.messages] == ["success"]
    price = "SELECT price FROM shop_product WHERE id = ?"
    wanted = {"REMOTE": 11.11, "LOCAL": 22.22}[keep]
    for side in ("remote", "local"):
        assert [float(cell) for (cell,) in shop.query(side, price, key)] == [wanted]
    conflict = SyncConflict.objects.get(pk=number)
    assert (conflict.state, conflict.winner) == ("RESOLVED", keep)
    assert conflict.resolved_by == person.user.username
    assert f"{keep}'s row was kept" in told.text
    assert shop.sync()["status"] == "SUCCESS"
    # It can be decided otherwise.
    other = {"REMOTE": "LOCAL", "LOCAL": "REMOTE"}[keep]
    decide(person, told, other)
    assert SyncConflict.objects.get(pk=number).winner == other


def test_a_request_that_is_a_transaction_does_not_stand_in_the_engines_way(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Pages("view_syncconflict", "change_syncconflict")
    for alias in connections:
        monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)
    told = decide(person, person.get(f"syncconflict/{waiting().pk}/change/"), "REMOTE")
    assert [level for level, _said in told.messages] == ["success"]


def test_a_row_that_was_changed_since_stays_and_is_told(shop: Site) -> None:
    person = Pages("view_syncconflict", "change_syncconflict")
    conflict = waiting()
    page = person.get(f"syncconflict/{conflict.pk}/change/")
    key = conflict.row_key["id"]
    shop.query("local", "UPDATE shop_product SET name = 'newer' WHERE id = ?", key)
    before = shop.rows("local"), shop.rows("remote")
    told = decide(person, page, "REMOTE")
    assert "SYNC_010" in told.messages[0][1]
    assert (shop.rows("local"), shop.rows("remote")) == before
    assert waiting() == conflict
    # So it goes on: the next sync writes down what both sides hold, whatever the strategy.
    sync_table("shop_product", conflict="MANUAL", triggered_by="MANUAL")
    told = decide(person, person.get(f"syncconflict/{conflict.pk}/change/"), "LOCAL")
    assert [level for level, _said in told.messages] == ["success"]
    name = "SELECT name FROM shop_product WHERE id = ?"
    assert [shop.query(side, name, key) for side in ("remote", "local")] == [[("newer",)]] * 2


def test_versions_that_nobody_has_looked_at_are_not_decided(shop: Site) -> None:
    person = Pages("view_syncconflict", "change_syncconflict")
    conflict = waiting()
    page = person.get(f"syncconflict/{conflict.pk}/change/")
    key = conflict.row_key["id"]
    shop.query("local", "UPDATE shop_product SET name = 'newer' WHERE id = ?", key)
    # The next run meets the conflict again, with another version.
    shop.sync("--conflict", "manual", status=3)
    assert waiting().seen != conflict.seen
    before = shop.rows("local"), shop.rows("remote")
    told = decide(person, page, "REMOTE")
    assert "met again with other versions" in told.messages[0][1]
    assert (shop.rows("local"), shop.rows("remote")) == before


def test_what_a_run_noted_is_on_the_dashboard(shop: Site) -> None:
    page = Pages("view_synclog", "view_syncconflict").get("dashboard/")
    counts = [
        shop.query(side, "SELECT COUNT(*) FROM shop_product")[0][0] for side in ("remote", "local")
    ]
    assert f"REMOTE {counts[0]} LOCAL {counts[1]}" in page.text
    assert "! PARTIAL" in page.text
    listed = Pages("view_synclog").get("synclog/", status__exact="PARTIAL")
    assert "1 conflict(s): 0 REMOTE wins, 0 LOCAL wins, 0 skipped, 1 manual" in listed.text


@pytest.fixture(params=["MARIADB", "MYSQL"])
def local(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    django_db_blocker: DjangoDbBlocker,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Sides]:
    """Two servers' databases, to which Django's aliases point as `databases()` says."""
    with two_sides(tmp_path, "MARIADB2", request.param) as sides, django_db_blocker.unblock():
        for key, value in sides.settings.items():
            monkeypatch.setenv(key, value)
        monkeypatch.chdir(tmp_path)
        lines = ConnectionHandler(databases())
        before = {alias: connections[alias] for alias in lines}
        for alias in lines:
            connections[alias] = lines[alias]
        yield sides
        for alias, line in before.items():
            connections[alias].close()
            connections[alias] = line


def test_every_page_on_servers(local: Sides) -> None:
    local.query_both(
        "CREATE TABLE t (id int PRIMARY KEY, price decimal(40,20), doc json, raw varbinary(9))"
    )
    local.remote.query("INSERT INTO t VALUES (1, 1, '{\"a\": 0.1}', X'00FF'), (2, 2, NULL, NULL)")
    assert local.sync().status == 0
    exact = {"REMOTE": "12345678901234567890.12345678901234567891", "LOCAL": "0.1"}
    for side, database in local.both.items():
        database.query("UPDATE t SET price = %s WHERE id = 1", exact[side])
    assert local.sync("--conflict", "manual").status == 3
    call_command("migrate", database="default", verbosity=0)
    call_command("migrate", "db_sync", database="local", verbosity=0)
    root = Pages(root=True)
    conflict, log = waiting(), SyncLog.objects.get(error_message__contains="conflict")
    for path, words in (
        ("dashboard/", "REMOTE 2 LOCAL 2"),
        ("synclog/", "! PARTIAL"),
        ("synclog/?time=hour&status__exact=PARTIAL&table=t", "1 manual"),
        (f"synclog/{log.pk}/change/", "1 manual"),
        ("syncconfig/", "INCREMENTAL"),
        ("syncconfig/1/change/", "price"),
        ("syncconflict/", "id=1"),
        (f"syncconflict/{conflict.pk}/change/", exact["REMOTE"]),
    ):
        page = root.get(path)
        assert (page.response.status_code, words in page.text) == (200, True), page.text
    assert "00ff 2 byte(s), shown as hex" in page.text
    root.act("syncconfig/", "disable_tables", [1])
    assert local.local.query("SELECT sync_enabled FROM db_sync_config") == ((0,),)
    told = decide(root, page, "REMOTE")
    assert [level for level, _said in told.messages] == ["success"]
    assert local.local.rows() == local.remote.rows()
    assert str(local.local.query("SELECT price FROM t WHERE id = 1")[0][0]) == exact["REMOTE"]


def test_a_server_that_refuses_is_told_without_the_password(local: Sides) -> None:
    call_command("migrate", database="default", verbosity=0)
    root = Pages(root=True)
    page = root.get("synclog/")
    assert page.response.status_code == 503
    assert "python manage.py migrate --database local" in page.text
    connections["local"].close()
    connections["local"].settings_dict["PASSWORD"] = "wr0ng-secret"  # noqa: S105
    page = root.get("synclog/")
    assert page.response.status_code == 503
    assert "LOCAL cannot be reached" in page.text
    assert "wr0ng-secret" not in page.html
    assert os.environ["DB_LOCAL_PASSWORD"] not in page.html
