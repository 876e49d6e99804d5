import io
import json
import sqlite3
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

import db_sync
from example_shop import Site


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files; REMOTE has a column that LOCAL lacks and a table that LOCAL lacks."""
    monkeypatch.chdir(tmp_path)
    definitions = {
        "remote": "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT NOT NULL);"
        "CREATE TABLE there (id INTEGER PRIMARY KEY)",
        "local": "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
    }
    for side, sql in definitions.items():
        path = tmp_path / f"{side}.sqlite3"
        with sqlite3.connect(path) as line:
            line.executescript(sql)
        line.close()
        monkeypatch.setenv(f"DB_{side.upper()}_ENGINE", "sqlite")
        monkeypatch.setenv(f"DB_{side.upper()}_NAME", str(path))


def check(*flags: str) -> tuple[str, int]:
    return compare("--schema", *flags)


def compare(*flags: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("sync_check", *flags, stdout=out)
    except CommandError as error:
        return out.getvalue(), error.returncode
    return out.getvalue(), 0


@pytest.mark.usefixtures("sides")
def test_differences_are_told_with_the_sql_that_mends_them() -> None:
    text, status = check()
    assert status == 1
    assert "error SYNC_001 t.b: Column b exists on REMOTE only" in text
    assert 'ALTER TABLE "t" ADD COLUMN "b" INT NOT NULL' in text
    assert 'CREATE TABLE "there"' in text


@pytest.mark.usefixtures("sides")
def test_json_has_every_finding() -> None:
    text, status = check("--json")
    report = json.loads(text)
    assert (status, report["exit_code"], report["tables"]) == (1, 1, 2)
    assert {finding["code"] for finding in report["findings"]} == {"SYNC_001", None}
    assert db_sync.check_schemas().as_dict() == report


@pytest.mark.usefixtures("sides")
def test_one_table_and_an_unknown_one() -> None:
    assert '"there"' not in check("--table", "t")[0]
    with pytest.raises(CommandError, match="CFG_003") as raised:
        call_command("sync_check", "--schema", "--table", "nobody")
    assert raised.value.returncode == 2


@pytest.mark.usefixtures("sides")
def test_missing_tables_are_made() -> None:
    with pytest.raises(CommandError):
        call_command("sync_db", "--create-tables", stdout=io.StringIO())
    with sqlite3.connect("local.sqlite3") as line:
        assert line.execute("SELECT COUNT(*) FROM there").fetchone() == (0,)
    line.close()


@pytest.mark.usefixtures("sides")
def test_findings_are_told_in_chinese() -> None:
    with translation.override("zh-hans"):
        assert "列 b 只存在于 REMOTE 上" in check()[0]


def test_rows_that_differ_are_named_and_repaired(site: Site) -> None:
    assert "equal" in site.manage("sync_check").stdout
    site.query("local", "UPDATE shop_product SET name = 'other' WHERE id = 3")
    site.query("remote", "DELETE FROM shop_product_tags WHERE 1")
    before = site.bytes()
    report = json.loads(site.manage("sync_check", "--json", status=1).stdout)
    assert site.bytes() == before
    assert report["exit_code"] == 1
    tables = {table["table"]: table for table in report["tables"]}
    product = tables["shop_product"]
    assert (product["only_remote"], product["only_local"], product["differing"]) == (0, 0, 1)
    assert product["differences"] == [{"key": {"id": 3}, "on": "BOTH", "columns": ["name"]}]
    assert product["error"]["code"] == "SYNC_010"
    assert tables["shop_category"]["equal"] is True
    text = site.manage("sync_check", "--table", "shop_product", status=1)
    assert "id=3: name" in text.stdout
    assert "--repair" in text.stdout
    assert "shop_category" not in text.stdout
    repaired = site.manage("sync_check", "--table", "shop_product", "--repair")
    assert repaired.stdout.count("shop_product: equal") == 1
    assert "LOCAL→REMOTE +0 ~1 -0" in repaired.stdout
    assert site.query("remote", "SELECT name FROM shop_product WHERE id = 3") == [("other",)]


def test_a_repair_that_a_guard_refuses_ends_as_its_sync_does(site: Site) -> None:
    site.query("remote", "DELETE FROM shop_product_tags WHERE 1")
    report = json.loads(
        site.manage(
            "sync_check", "--repair", "--json", "--table=shop_product_tags", status=1
        ).stdout
    )
    assert report["repair"]["errors"][0]["code"] == "SYNC_008"
    assert report["after"][0]["only_local"] == report["tables"][0]["only_local"] > 0


def test_python_gives_what_the_command_prints(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.folder)
    site.query("local", "UPDATE shop_product SET name = 'other' WHERE id = 3")
    printed = json.loads(site.manage("sync_check", "--json", status=1).stdout)
    told = db_sync.check()
    assert told.as_dict() == printed
    assert not all(table.equal for table in told.tables)
    assert told.repair is None
    with pytest.raises(TypeError):
        db_sync.check(tables="shop_product")
    with pytest.raises(db_sync.ConfigError, match="CFG_003"):
        db_sync.check(tables=["nobody"])


def test_schema_and_repair_exclude_each_other() -> None:
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("sync_check", "--schema", "--repair")


def test_contents_are_told_in_chinese(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.folder)
    site.query("local", "UPDATE shop_product SET name = 'other' WHERE id = 3")
    with translation.override("zh-hans"):
        text, status = compare("--table=shop_product")
    assert status == 1
    assert "shop_product: 不一致" in text
    assert "两端有 1 行不一致" in text
