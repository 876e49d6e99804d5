"""Conflicts that a person decides, in a project with two SQLite files."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from db_sync.management.commands import sync_conflicts
from example_shop import Site


def _waiting(site: Site) -> dict[str, Any]:
    site.manage("shop_demo_changes")
    site.sync("--conflict", "manual", status=3)
    listed = json.loads(site.manage("sync_conflicts", "list", "--json").stdout)
    [conflict] = listed["conflicts"]
    found: dict[str, Any] = conflict
    return found


def test_a_conflict_is_listed_shown_and_decided(site: Site) -> None:
    conflict = _waiting(site)
    number = str(conflict["id"])
    assert (conflict["state"], conflict["table"]) == ("PENDING", "shop_product")
    assert number in site.manage("sync_conflicts", "list").stdout
    shown = site.manage("sync_conflicts", "show", number).stdout
    marked = [line.split()[1:] for line in shown.splitlines() if line.startswith("* ")]
    assert ["price", '"11.11"', '"22.22"'] in marked
    assert not any(line[0] in ("id", "name") for line in marked)
    both = json.loads(site.manage("sync_conflicts", "show", number, "--json").stdout)
    assert both["remote"]["id"] == both["local"]["id"]
    decided = site.manage("sync_conflicts", "resolve", number, "--keep", "local", "--json")
    report = json.loads(decided.stdout)
    assert report["status"] == "SUCCESS"
    assert site.rows("local")["shop_product"] == site.rows("remote")["shop_product"]
    assert json.loads(site.manage("sync_conflicts", "list", "--json").stdout) == {"conflicts": []}
    everything = site.manage("sync_conflicts", "list", "--all", "--table=shop_product").stdout
    assert "RESOLVED  LOCAL" in everything


def test_a_row_that_was_changed_since_stays(site: Site) -> None:
    conflict = _waiting(site)
    key = conflict["key"]["id"]
    site.query("local", "UPDATE shop_product SET name = 'newer' WHERE id = ?", key)
    before = site.rows("local"), site.rows("remote")
    number = str(conflict["id"])
    refused = site.manage("sync_conflicts", "resolve", number, "--keep=remote", status=3)
    assert "SYNC_010" in refused.stdout
    assert (site.rows("local"), site.rows("remote")) == before


def test_what_is_no_conflict_and_no_side(site: Site) -> None:
    site.sync()
    assert "CFG_002" in site.manage("sync_conflicts", "show", "999", status=2).stderr
    wrong = site.manage("sync_conflicts", "resolve", "1", "--keep=mine", "--json", status=2)
    assert json.loads(wrong.stdout)["error"]["code"] == "CFG_002"


def _shown(
    remote: dict[str, Any] | None, local: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """What `show` prints of two versions of a row, below its first line."""
    heading = {"id": 7, "table": "t", "key": {"id": 1}, "kind": "k", "state": "s", "winner": None}
    conflict = {**heading, "remote": remote, "local": local}
    monkeypatch.setattr(sync_conflicts, "show_conflict", lambda *_args, **_options: conflict)
    out = StringIO()
    call_command("sync_conflicts", "show", "7", stdout=out, no_color=True)
    return out.getvalue().splitlines()[1:]


def test_columns_stand_below_each_other_whatever_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    # A Chinese character takes two places on a terminal, a combining accent none.
    remote = {"id": 1, "名称": "绿茶", "cafe": "e\u0301"}
    local = {"id": 1, "名称": "红茶（新）", "cafe": "x"}
    assert _shown(remote, local, monkeypatch) == [
        "        REMOTE  LOCAL",
        "  id    1       1",
        '* 名称  "绿茶"  "红茶（新）"',
        '* cafe  "e\u0301"     "x"',
    ]


def test_one_uuid_in_two_spellings_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    bare, dashed = "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9"
    lines = _shown({"id": bare, "name": "a"}, {"id": dashed, "name": "b"}, monkeypatch)
    assert [line.split()[:2] for line in lines if line.startswith("*")] == [["*", "name"]]
    assert bare in lines[1]
    assert dashed in lines[1]


@pytest.mark.parametrize("gone", ["remote", "local"])
def test_a_row_that_is_gone_differs_in_every_column(
    gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"id": 1, "note": None}
    remote, local = (None, row) if gone == "remote" else (row, None)
    lines = _shown(remote, local, monkeypatch)
    assert all(line.startswith("*") for line in lines[1:])
    assert len(lines) == 3
