"""Names of tables and columns that look like SQL: they are names, and nothing else.

Where a table with such a name exists it is synced like any other; where none does, the name is
refused with a code. Nothing that it says is ever done.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sides import Database, Sides, two_sides

NAMES = [
    "a`; DROP TABLE x; --",
    "b``); DROP TABLE x; -- `",
    'it\'s "quoted"; DROP TABLE x; --',
    "back\\slash \\'; DROP TABLE x; #",
    "two\nlines; DROP TABLE x;\ttab",
    "表 ünïcödé ‚x‘",
    "{table} %s %(id)s ? :id $1 @x",
    "point.ed.x",
    "/*! DROP TABLE x */",
    "-x --force",
    "select",
]
COLUMN = "c`, (SELECT 1)); DROP TABLE x; -- ' \" \\ \n ? {key} %s"
SIDES = ["REMOTE", "LOCAL"]


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    """A table of every name, and one called x, which is still there in the end."""
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        for name in ["x", *NAMES]:
            sides.query_both(
                f"CREATE TABLE {quoted(name)} "
                f"(id INT PRIMARY KEY, {quoted(COLUMN)} VARCHAR(30) UNIQUE)"
            )
            rows = "(1, 'remote 1'), (2, 'remote 2'), (3, 'remote 3')"
            sides.remote.query(f"INSERT INTO {quoted(name)} VALUES {rows}")  # noqa: S608
            sides.local.query(f"INSERT INTO {quoted(name)} VALUES (4, 'local 4')")  # noqa: S608
        yield sides
        for database in sides.both.values():
            tables = {name for (name,) in database.query("SHOW TABLES")}
            assert {"x", *NAMES} <= tables


def change(database: Database, name: str) -> None:
    table, column = quoted(name), quoted(COLUMN)
    for sql in (
        f"UPDATE {table} SET {column} = 'changed' WHERE id = 1",  # noqa: S608
        f"DELETE FROM {table} WHERE id = 2",  # noqa: S608
        f"INSERT INTO {table} VALUES (5, 'new')",  # noqa: S608
    ):
        database.query(sql)


def test_tables_of_such_names_are_synced(sides: Sides) -> None:
    first = sides.sync("--type", "FULL")
    assert first.status == 0, first.out
    assert {table["table"] for table in first.answer["tables"]} == {"x", *NAMES}
    for number, name in enumerate(["x", *NAMES]):
        assert len(sides.local.rows(name)) == 4
        change([sides.remote, sides.local][number % 2], name)
    sides.assert_settles("x", *NAMES)
    assert all(len(sides.remote.rows(name)) == 4 for name in NAMES)


def test_tables_of_such_names_are_loaded(sides: Sides) -> None:
    # More rows than a batch takes into a table without any: REMOTE's server takes LOAD DATA.
    for name in NAMES:
        sides.remote.query(f"TRUNCATE {quoted(name)}")
        many = f"INSERT INTO {quoted(name)} SELECT seq, seq FROM seq_10_to_60"  # noqa: S608
        sides.local.query(many)
    outcome = sides.sync(DB_SYNC_BATCH_SIZE="20")
    assert outcome.status == 0, outcome.out
    for name in NAMES:
        assert sides.remote.rows(name) == sides.local.rows(name)


def test_flags_name_such_tables(sides: Sides) -> None:
    flags = [f"--table={name}" for name in NAMES]
    outcome = sides.sync(*flags)
    assert outcome.status == 0, outcome.out
    assert sorted(table["table"] for table in outcome.answer["tables"]) == sorted(NAMES)
    checked = sides.run("check", "--schema", "--json", *flags)
    assert checked.status == 0, checked.out
    for name in NAMES:
        assert sides.remote.rows(name) == sides.local.rows(name)
    assert len(sides.local.rows("x")) == 1
    undone = sides.run("undo", "--json", outcome.answer["run_id"], *flags)
    assert undone.status == 0, undone.out
    for name in NAMES:
        assert (len(sides.remote.rows(name)), len(sides.local.rows(name))) == (3, 1)


def test_a_conflict_in_such_a_table_is_decided(sides: Sides) -> None:
    name = NAMES[0]
    sides.local.query(f"INSERT INTO {quoted(name)} VALUES (1, 'ours')")  # noqa: S608
    assert sides.sync(f"--table={name}", "--conflict", "MANUAL").status == 3
    [[conflict]] = sides.local.query("SELECT id FROM db_sync_conflict")
    decided = sides.run("conflicts", "resolve", "--json", str(conflict), "--keep", "local")
    assert decided.status == 0, decided.out
    assert sides.remote.rows(name) == sides.local.rows(name)


def test_a_name_that_no_table_has(sides: Sides) -> None:
    assert sides.sync().status == 0
    for name in ("no`; DROP TABLE x; --", "x; DROP TABLE x", "", " x", "x' OR '1'='1", "表" * 200):
        outcome = sides.sync(f"--table={name}")
        assert (outcome.status, outcome.codes) == (2, {"CFG_003"}), outcome.out
        undone = sides.run("undo", "--json", f"{name} no run")
        assert (undone.status, undone.codes) == (2, {"CFG_002"}), undone.out


def test_a_row_of_the_configuration(sides: Sides) -> None:
    assert sides.sync().status == 0
    columns = "table_name, sync_enabled, sync_type, sync_direction, priority, conflict_resolution"
    for name in ("no`; DROP TABLE x; --", "no'; DROP TABLE x; --", "no\nline"):
        row = f"INSERT INTO db_sync_config ({columns}) VALUES (%s, 1, 'FULL', 'BOTH', 0, 'SKIP')"  # noqa: S608
        sides.local.query(row, name)
        outcome = sides.sync()
        assert (outcome.status, outcome.codes) == (1, {"SYNC_001"}), outcome.out
        [failure] = outcome.failures
        assert failure["table"] == name
        sides.local.query("DELETE FROM db_sync_config WHERE table_name = %s", name)


def test_files_with_tables_of_such_names(tmp_path: Path) -> None:
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        paths = {side: tmp_path / f"{side}.sqlite3" for side in SIDES}
        for side, path in paths.items():
            sides.settings |= {f"DB_{side}_ENGINE": "sqlite", f"DB_{side}_NAME": str(path)}
            with closing(sqlite3.connect(path)) as file, file:
                for name in ["x", *NAMES, "😀`; DROP TABLE x; --"]:
                    file.execute(f"CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY, v TEXT)")
                    values = (1, "theirs") if side == "REMOTE" else (2, "ours")
                    file.execute(f"INSERT INTO {quoted(name)} VALUES (?, ?)", values)  # noqa: S608
        outcome = sides.sync()
        assert outcome.status == 0, outcome.out
        for path in paths.values():
            with closing(sqlite3.connect(path)) as file:
                for name in ["x", *NAMES]:
                    rows = file.execute(f"SELECT * FROM {quoted(name)} ORDER BY 1").fetchall()  # noqa: S608
                    assert rows == [(1, "theirs"), (2, "ours")]
