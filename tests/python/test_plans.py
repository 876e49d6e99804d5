"""`sync_db --dry-run --json > plan.json`, then `sync_db --apply plan.json`, as people do it."""

import json
from pathlib import Path

from example_shop import Site


def test_a_plan_is_made_looked_at_and_applied(site: Site, tmp_path: Path) -> None:
    site.manage("shop_demo_changes")
    plan = tmp_path / "plan.json"
    plan.write_text(site.manage("sync_db", "--dry-run", "--json").stdout)
    planned = {
        table["table"]: table["plan"]["rows"] for table in json.loads(plan.read_text())["tables"]
    }
    assert {row["action"] for rows in planned.values() for row in rows} >= {"UPDATE", "INSERT"}
    applied = json.loads(site.manage("sync_db", f"--apply={plan}", "--json").stdout)
    assert applied["status"] == "SUCCESS"
    again = json.loads(site.manage("sync_db", "--json").stdout)
    ways = ("remote_to_local", "local_to_remote")
    assert not any(sum(table[way].values()) for table in again["tables"] for way in ways)


def test_rows_that_were_struck_out_wait(site: Site, tmp_path: Path) -> None:
    site.manage("shop_demo_changes")
    report = json.loads(site.manage("sync_db", "--dry-run", "--json").stdout)
    struck = 0
    for table in report["tables"]:
        rows = table["plan"]["rows"]
        struck += len(rows[1:])
        table["plan"]["rows"] = rows[:1]
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(report))
    applied = json.loads(site.manage("sync_db", f"--apply={plan}", "--json").stdout)
    said = [note["message"] for table in applied["tables"] for note in table["notes"]]
    assert any("left for the next sync" in note for note in said)
    rest = json.loads(site.manage("sync_db", "--json").stdout)
    ways = ("remote_to_local", "local_to_remote")
    assert sum(sum(table[way].values()) for table in rest["tables"] for way in ways) == struck
    assert struck > 0


def test_what_is_no_plan_changes_nothing(site: Site, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text("{}")
    refused = site.manage("sync_db", f"--apply={plan}", status=2)
    assert "CFG_002" in refused.stderr
