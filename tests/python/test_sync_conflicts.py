"""Conflicts that a person decides, in a project with two SQLite files."""

import json
from typing import Any

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
