"""The example, driven as a user drives it: `manage.py` commands on two SQLite files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from example_shop import SHOP, Site
from sides import HANGS

REPORT_KEYS = {
    "run_id",
    "sync_type",
    "sync_direction",
    "dry_run",
    "status",
    "started_at",
    "duration_ms",
    "tables",
    "errors",
}
TABLE_KEYS = {
    "table",
    "status",
    "capture",
    "strategy",
    "remote_to_local",
    "local_to_remote",
    "conflicts",
    "rows",
    "verified",
    "duration_ms",
    "error",
}


def written(report: dict[str, Any]) -> int:
    passes = [
        table[name] for table in report["tables"] for name in ("remote_to_local", "local_to_remote")
    ]
    return sum(sum(counts.values()) for counts in passes)


def table(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in report["tables"] if one["table"] == name)
    return found


def test_seeding_is_deterministic(seeded: Site, new: Site) -> None:
    for sql in (
        "DELETE FROM shop_orderitem",
        "DELETE FROM shop_order",
        "DELETE FROM shop_customer",
        "DELETE FROM shop_product_tags",
        "DELETE FROM shop_product",
        "DELETE FROM shop_tag",
        "DELETE FROM shop_category",
    ):
        new.query("remote", sql)
    new.manage("seed_shop", "--rows=200", "--seed=7")
    assert new.rows("remote") == seeded.rows("remote")


def test_a_shop_is_seeded_once(new: Site) -> None:
    before = new.rows("remote")
    told = new.manage("seed_shop", status=1)
    assert "The shop on remote has categories already: nothing was added." in told.stderr
    assert "Traceback" not in told.stderr
    assert new.rows("remote") == before
    # One table with rows is enough.
    new.query("local", "INSERT INTO shop_tag (code, label) VALUES ('a', 'A')")
    assert "has tags already" in new.manage("seed_shop", "--database=local", status=1).stderr


def test_full_makes_an_empty_side_equal(new: Site) -> None:
    report = new.sync("--type", "FULL")
    assert report["status"] == "SUCCESS"
    assert table(report, "shop_product")["remote_to_local"]["inserted"] == 200
    assert all(one["verified"] for one in report["tables"])
    rows = new.rows("local")
    assert (len(rows), rows) == (7, new.rows("remote"))


def test_the_json_is_what_scripts_rely_on(site: Site) -> None:
    done = site.manage("sync_db", "--json", "--progress", "always")
    report = json.loads(done.stdout)
    assert set(report) >= REPORT_KEYS
    assert all(set(one) >= TABLE_KEYS for one in report["tables"])
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("kind", ["FULL", "INCREMENTAL"])
def test_a_second_run_writes_nothing(site: Site, kind: str) -> None:
    report = site.sync("--type", kind)
    assert (report["status"], written(report)) == ("SUCCESS", 0)


def test_what_each_sides_migrations_number_by_themselves_is_left_alone(new: Site) -> None:
    names = {one["table"] for one in new.sync()["tables"]}
    assert not names & {"auth_permission", "django_content_type", "auth_group_permissions"}
    assert {"auth_user", "shop_product"} <= names


def test_changes_of_both_sides_meet_and_the_conflict_is_kept(site: Site) -> None:
    site.manage("shop_demo_changes")
    report = site.sync()
    product = table(report, "shop_product")
    assert product["remote_to_local"] == {"inserted": 1, "updated": 2, "deleted": 0}
    assert product["conflicts"]["remote_wins"] == 1
    items = table(report, "shop_orderitem")
    assert items["remote_to_local"]["deleted"] == items["local_to_remote"]["deleted"] == 1
    assert table(report, "shop_customer")["local_to_remote"]["inserted"] == 1
    assert table(report, "shop_order")["local_to_remote"]["updated"] == 1
    assert site.rows("local") == site.rows("remote")
    assert site.query("local", "SELECT table_name, kind, state, winner FROM db_sync_conflict") == [
        ("shop_product", "update/update", "RESOLVED", "REMOTE")
    ]
    assert written(site.sync()) == 0


def test_a_conflict_for_a_person_waits_and_is_recorded_once(site: Site) -> None:
    site.manage("shop_demo_changes")
    for _ in range(2):
        report = site.sync("--conflict", "manual", status=3)
        assert report["status"] == "PARTIAL"
    price = "SELECT price FROM shop_product WHERE id = 2"
    assert (site.query("remote", price), site.query("local", price)) == ([(11.11,)], [(22.22,)])
    assert site.query("local", "SELECT state FROM db_sync_conflict") == [("PENDING",)]


def test_one_table_alone(new: Site) -> None:
    report = new.sync("--table", "shop_category")
    assert [one["table"] for one in report["tables"]] == ["shop_category"]
    assert new.query("local", "SELECT count(*) FROM shop_product") == [(0,)]


def test_a_run_is_taken_back(site: Site) -> None:
    site.manage("shop_demo_changes")
    before = site.rows("local"), site.rows("remote")
    run = site.sync()
    assert (site.rows("local"), site.rows("remote")) != before
    undone = site.sync("--undo", run["run_id"])
    assert (undone["status"], written(undone)) == ("SUCCESS", written(run))
    assert (site.rows("local"), site.rows("remote")) == before
    unknown = json.loads(site.manage("sync_db", "--json", "--undo", "?", status=2).stdout)
    assert unknown["error"]["code"] == "CFG_002"


@pytest.mark.parametrize("before", ["new", "site"])
def test_a_dry_run_changes_no_byte(before: str, request: pytest.FixtureRequest) -> None:
    site: Site = request.getfixturevalue(before)
    site.query("remote", "UPDATE shop_product SET price = 5 WHERE id = 3")
    files = site.bytes()
    report = site.sync("--dry-run")
    assert site.bytes() == files
    assert report["dry_run"] is True
    change = next(
        one for one in table(report, "shop_product")["changes"] if one["key"] == {"id": 3}
    )
    assert change["to"] == "LOCAL"
    assert "price" in change["columns"]


def test_a_dry_run_says_when_there_is_more(new: Site) -> None:
    product = table(new.sync("--dry-run"), "shop_product")
    assert (len(product["changes"]), product["changes_truncated"]) == (100, True)


def test_people_get_tables_and_totals(site: Site) -> None:
    short = site.manage("sync_db").stdout
    verbose = site.manage("sync_db", "--verbose").stdout
    assert "shop_product" in short
    assert "0 inserted, 0 updated, 0 deleted" in verbose
    assert short.splitlines()[-1].startswith("SUCCESS")


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--type", "partial"], "CFG_002"),
        (["--conflict", "nobody"], "CFG_002"),
        (["--capture", "guess"], "CFG_002"),
        (["--progress", "sometimes"], "CFG_002"),
        (["--direction", "sideways"], "CFG_004"),
        (["--table", "no_such_table"], "CFG_003"),
        (["--env-file", "missing.env"], "CFG_002"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_code(site: Site, flags: list[str], code: str) -> None:
    assert site.sync(*flags, status=2)["error"]["code"] == code
    done = site.manage("sync_db", *flags, status=2)
    assert code in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_values_are_taken_in_any_case(site: Site) -> None:
    report = site.sync("--type", "full", "--direction", "remote_to_local", "--conflict", "skip")
    assert (report["sync_type"], report["sync_direction"]) == ("FULL", "REMOTE_TO_LOCAL")


def test_a_side_that_is_not_there_ends_with_1(site: Site) -> None:
    # In a file of its own: Django may open its databases, and so make an empty one, on its way.
    example = (site.folder / ".env").read_text()
    (site.folder / "gone.env").write_text(example.replace("remote.sqlite3", "gone.sqlite3"))
    error = site.sync("--env-file", "gone.env", status=1)["error"]
    assert error["code"] == "DB_CONN_004"
    assert "gone.sqlite3" in error["message"]
    assert not (site.folder / "gone.sqlite3").exists()


def test_the_same_failure_has_the_same_class_in_python(site: Site) -> None:
    code = (
        "import db_sync\ntry: db_sync.sync(tables=['x'])\nexcept db_sync.ConfigError as e: print(e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=site.folder,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=True,
    )
    assert done.stdout.startswith("CFG_003: ")


def test_the_demo_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns("data", "__pycache__"))
    monkeypatch.setenv("DB_REMOTE_NAME", "must-not-be-used")
    done = subprocess.run(
        [sys.executable, "demo.py"],
        cwd=tmp_path / "shop",
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'winner': 'REMOTE'" in done.stdout
    assert "REMOTE→LOCAL +0 ~0 -0, LOCAL→REMOTE +0 ~0 -0, conflicts 0, failures 0" in done.stdout
