import io
import json
import sqlite3
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

import db_sync


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
    out = io.StringIO()
    try:
        call_command("sync_check", "--schema", *flags, stdout=out)
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
