"""Servers whose settings change what a transaction is: a sync behaves on them as on any other.

Without autocommit whatever is not committed is lost; with innodb_rollback_on_timeout a row that is
waited for in vain takes the whole transaction with it, not the one statement.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from own_server import open_folder, own_server
from sides import Sides, two_sides

SETTINGS = ["--autocommit=0", "--innodb-rollback-on-timeout=1"]
TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200) NOT NULL)"
SEED = "INSERT INTO t SELECT seq, 'old' FROM seq_1_to_300"


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    with (
        open_folder() as folder,
        own_server(folder, *SETTINGS) as server,
        two_sides(tmp_path, server, server) as sides,
    ):
        sides.query_both(TABLE)
        sides.remote.query(SEED)
        outcome = sides.sync()
        assert (outcome.status, outcome.written) == (0, 300), outcome.out
        yield sides
        sides.assert_settles()


def test_everything_is_committed(sides: Sides) -> None:
    sides.local.query("UPDATE t SET v = 'local' WHERE id <= 3")
    sides.remote.query("UPDATE t SET v = 'remote' WHERE id IN (3, 4)")
    sides.remote.query("DELETE FROM t WHERE id = 5")
    outcome = sides.sync()
    assert (outcome.status, outcome.written) == (0, 5), outcome.out
    assert sides.remote.rows() == sides.local.rows()
    assert sides.local.query("SELECT COUNT(*) FROM db_sync_conflict") == ((1,),)
    (undone,) = sides.local.query("SELECT MAX(run_id) FROM db_sync_undo WHERE action='DELETE'")
    taken_back = sides.run("undo", "--json", undone[0])
    assert taken_back.status == 0, taken_back.out
    assert sides.local.query("SELECT v FROM t WHERE id = 5") == (("old",),)


@pytest.mark.parametrize("side", ["REMOTE", "LOCAL"])
def test_a_row_that_is_held_costs_the_others_nothing(sides: Sides, side: str) -> None:
    target = sides.both[side]
    source = sides.both["LOCAL" if side == "REMOTE" else "REMOTE"]
    source.query("UPDATE t SET v = 'new' WHERE id <= 100")
    source.query("DELETE FROM t WHERE id > 290")
    source.query("INSERT INTO t VALUES (1000, 'new')")
    target.query("BEGIN")
    target.query("SELECT * FROM t WHERE id IN (50, 295) FOR UPDATE")
    outcome = sides.sync(DB_SYNC_LOCK_WAIT="1")
    held = {"SYS_003"}
    assert (outcome.status, outcome.codes, outcome.written) == (3, held, 109), outcome.out
    target.query("ROLLBACK")
    following = sides.sync()
    assert (following.status, following.written) == (0, 2), following.out
