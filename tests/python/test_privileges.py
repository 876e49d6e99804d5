"""Rights that an account lacks: the run says which, and its GRANT is the one that helps.

The GRANT out of the hint is run by an administrator to the letter; then the next run completes.
"""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from sides import Database, Outcome, Sides, two_sides

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))"
SIDES = ["REMOTE", "LOCAL"]
# What a sync of existing tables cannot do without, on the side that has its own tables too.
ALL = {"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "INDEX"}
# Which change on the other side needs which right.
NEEDED = {
    "INSERT": "INSERT INTO t VALUES (4, 'new')",
    "UPDATE": "UPDATE t SET v = 'changed' WHERE id = 2",
    "DELETE": "DELETE FROM t WHERE id = 3",
}


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        sides.query_both(TABLE)
        sides.remote.query("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        yield sides


class Account:
    """An account through which one side is reached."""

    def __init__(self, sides: Sides, side: str, host: str) -> None:
        """Makes it, without any rights, and has the side reached through it."""
        name = f"user_{uuid.uuid4().hex[:12]}"
        self.words = f"'{name}'@'{host}'"
        self.database: Database = sides.both[side]
        self.database.query(f"CREATE USER {self.words} IDENTIFIED BY '{servers.PASSWORD}'")
        sides.settings |= {f"DB_{side}_USER": name, f"DB_{side}_PASSWORD": servers.PASSWORD}

    def may(self, privileges: set[str], table: str = "*") -> None:
        """Gives it rights, of a table or of the whole database."""
        what = f"{self.database.name}.{table}"
        self.database.query(f"GRANT {', '.join(sorted(privileges))} ON {what} TO {self.words}")

    def may_on_each(self, privileges: dict[str, set[str]], otherwise: set[str]) -> None:
        """Gives it rights table by table."""
        for (table,) in self.database.query("SHOW TABLES"):
            self.may(privileges.get(table, otherwise), table)


def assert_helped(sides: Sides, side: str, outcome: Outcome) -> None:
    """The failure is one of rights, and its GRANT mends it."""
    assert (outcome.status, outcome.codes) == (1, {"SYS_004"}), outcome.out
    for failure in outcome.failures:
        assert side in failure["message"]
        grants = re.findall(r"GRANT [^;]+;", failure["hint"])
        assert grants, failure
        for grant in grants:
            sides.both[side].query(grant)
    sides.assert_settles()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("lacking", NEEDED)
def test_no_right_to_write(sides: Sides, side: str, lacking: str) -> None:
    assert sides.sync().status == 0
    other = sides.both["LOCAL" if side == "REMOTE" else "REMOTE"]
    before = sides.both[side].rows()
    other.query(NEEDED[lacking])
    account = Account(sides, side, "127.0.0.1")
    account.may_on_each({"t": ALL - {lacking}}, otherwise=ALL)
    outcome = sides.sync()
    assert sides.both[side].rows() == before
    assert_helped(sides, side, outcome)
    assert sides.both[side].rows() == other.rows()


def test_no_right_to_load(sides: Sides) -> None:
    # REMOTE's server takes LOAD DATA. There are more rows than wait for it at once.
    sides.local.query("INSERT INTO t SELECT seq, 'row' FROM seq_1_to_5000")
    sides.remote.query("DELETE FROM t")
    Account(sides, "REMOTE", "127.0.0.1").may({"SELECT"})
    outcome = sides.sync()
    assert sides.remote.rows() == ()
    assert (outcome.status, outcome.codes) == (1, {"SYS_004"}), outcome.out


@pytest.mark.parametrize("host", ["%", "127.0.0.1", "127.0.0.0/255.255.255.0"])
def test_no_right_to_make_the_control_tables(sides: Sides, host: str) -> None:
    # The GRANT must name the very account, which only the server knows.
    Account(sides, "LOCAL", host).may({"SELECT", "INSERT", "UPDATE", "DELETE"})
    outcome = sides.sync()
    assert sides.local.query("SHOW TABLES") == (("t",),)
    assert_helped(sides, "LOCAL", outcome)


@pytest.mark.parametrize("side", SIDES)
def test_no_right_to_read(sides: Sides, side: str) -> None:
    assert sides.sync().status == 0
    sides.remote.query("INSERT INTO t VALUES (4, 'new')")
    # With some right to the table it is seen; without any it might as well not be there.
    Account(sides, side, "127.0.0.1").may_on_each({"t": {"INSERT"}}, otherwise=ALL)
    assert_helped(sides, side, sides.sync())


@pytest.mark.parametrize("side", SIDES)
def test_a_table_that_is_hidden(sides: Sides, side: str) -> None:
    assert sides.sync().status == 0
    before = sides.remote.rows(), sides.local.rows()
    account = Account(sides, side, "127.0.0.1")
    if side == "LOCAL":
        for (table,) in sides.local.query("SHOW TABLES LIKE 'db_sync%'"):
            account.may(ALL, table)
    else:
        sides.remote.query("CREATE TABLE other (id INT PRIMARY KEY)")
        account.may(ALL, "other")
    outcome = sides.sync()
    # A server does not say whether a table is hidden or missing.
    assert outcome.status == 1, outcome.out
    assert outcome.codes <= {"SYNC_001", "SYS_004"}
    assert "table t " in outcome.failures[0]["message"].lower()
    assert (sides.remote.rows(), sides.local.rows()) == before


def test_a_one_way_sync_reads_only(sides: Sides) -> None:
    Account(sides, "REMOTE", "127.0.0.1").may({"SELECT"}, "t")
    sides.settings["DB_SYNC_DIRECTION"] = "REMOTE_TO_LOCAL"
    sides.assert_settles()
    for change in NEEDED.values():
        sides.remote.query(change)
    sides.assert_settles()
    assert sides.local.rows() == ((1, "a"), (2, "changed"), (4, "new"))


def test_a_server_that_takes_no_writes(sides: Sides) -> None:
    assert sides.sync().status == 0
    sides.local.query("INSERT INTO t VALUES (4, 'new')")
    Account(sides, "REMOTE", "127.0.0.1").may(ALL)
    # Only those who may administrate the server write on a read-only one.
    sides.remote.query("SET GLOBAL read_only = 1")
    try:
        outcome = sides.sync()
    finally:
        sides.remote.query("SET GLOBAL read_only = 0")
    assert (outcome.status, outcome.codes) == (1, {"SYS_004"}), outcome.out
    assert "read only" in outcome.failures[0]["message"]
    assert len(sides.remote.rows()) == 3
    sides.assert_settles()
