"""What a bad network does to a sync: it ends by itself, says why, and the next one completes.

Where the network fails once, the engine may mend it by trying again: then the run succeeds. Where
it fails for good, the run has to end with the right code.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from fault_proxy import FaultProxy
from faults import (
    AtStatement,
    Cut,
    Delay,
    Fault,
    HalfOpen,
    Refuse,
    Rule,
    Stall,
    Throttle,
    Way,
)
from sides import Database, Outcome, Sides, two_sides

Rows = dict[int, str]

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200) NOT NULL)"
SEED = "INSERT INTO t SELECT seq, 'old' FROM seq_1_to_300"
LOAD = "INSERT INTO t SELECT seq, REPEAT(CHAR(97 + seq % 26), 100) FROM seq_1_to_4000"
LOADED = 4000
# Seconds, as few as the settings allow: a silent line is waited for in vain.
IMPATIENT = {"DB_CONNECT_TIMEOUT": "1", "DB_READ_TIMEOUT": "1", "DB_SYNC_LOCK_WAIT": "0"}
PERSISTENT: dict[str, tuple[Fault, str]] = {
    "reset at once": (Refuse(), "DB_CONN_001"),
    "never answered": (HalfOpen(), "DB_CONN_002"),
    "cut and gone": (Cut(after=4000), "DB_CONN_001"),
    "silent and gone": (Stall(after=4000), "DB_CONN_002"),
}
SIDES = ["REMOTE", "LOCAL"]
# One of the servers takes no LOAD DATA; the side that is filled decides which way is gone.
WAYS_TO_LOAD = {"statements": ("MARIADB", "MARIADB2"), "load data": ("MARIADB2", "MARIADB")}


@contextmanager
def unencrypted(folder: Path, remote: str, local: str) -> Iterator[Sides]:
    with two_sides(folder, remote, local) as sides:
        sides.settings |= {f"DB_{side}_SSL_MODE": "DISABLED" for side in SIDES}
        yield sides
        # Whatever has happened, there is nothing left to do.
        last = sides.sync()
        assert (last.status, last.written) == (0, 0), last.out


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    """Two equal sides that were synced once, and know of it."""
    with unencrypted(tmp_path, "MARIADB", "MARIADB2") as sides:
        sides.query_both(TABLE)
        sides.remote.query(SEED)
        outcome = sides.sync()
        assert (outcome.status, outcome.written) == (0, 300), outcome.out
        yield sides


def at(side: str, proxy: FaultProxy) -> dict[str, str]:
    """The settings that lead to one side through a proxy."""
    return {f"DB_{side}_PORT": str(proxy.port)}


def port_of(sides: Sides, side: str) -> int:
    return sides.both[side].server.port


def texts(database: Database) -> Rows:
    return {int(key): str(text) for key, text in database.rows()}


def change(sides: Sides, number: int) -> Rows:
    """Changes other rows on each side; answers what both must come to hold."""
    for own, database in enumerate(sides.both.values()):
        first = 10 * number + 5 * own
        database.query("UPDATE t SET v = %s WHERE id = %s", f"changed {number}", first + 1)
        database.query("DELETE FROM t WHERE id = %s", first + 2)
        database.query("INSERT INTO t VALUES (%s, %s)", 1000 + first, f"new {number}")
    rows = [texts(database) for database in sides.both.values()]
    expected = dict(rows[0])
    for own in range(2):
        first = 10 * number + 5 * own
        for key in (first + 1, 1000 + first):
            expected[key] = rows[own][key]
        expected.pop(first + 2, None)
    return expected


def assert_clear(outcome: Outcome) -> None:
    """It was mended, or it is told what was wrong with which side's line."""
    lost = {"DB_CONN_001", "DB_CONN_002"}
    if outcome.status != 0:
        assert outcome.status == 1, outcome.out
        assert outcome.codes, outcome.out
        assert outcome.codes <= lost, outcome.out


def assert_nothing_else(before: Mapping[str, Rows], sides: Sides, expected: Rows) -> None:
    """Every row is what it was, or what it should become: nothing is half done or made up."""
    for side, database in sides.both.items():
        now = texts(database)
        for key in before[side].keys() | now.keys() | expected.keys():
            allowed = (before[side].get(key), expected.get(key))
            assert now.get(key) in allowed, (side, key)


def assert_survives(sides: Sides, side: str, number: int, *rules: Rule, **more: str) -> int:
    """Syncs changes of both sides while a line fails; answers how often it did."""
    expected = change(sides, number)
    before = {name: texts(database) for name, database in sides.both.items()}
    with FaultProxy(port_of(sides, side), *rules) as proxy:
        outcome = sides.sync(**at(side, proxy), **more)
    assert_clear(outcome)
    assert_nothing_else(before, sides, expected)
    sides.assert_completes()
    assert texts(sides.local) == expected
    # What was committed without our hearing of it is no change of anybody else's.
    assert sides.local.query("SELECT COUNT(*) FROM db_sync_conflict") == ((0,),)
    return proxy.strikes


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", PERSISTENT)
def test_a_fault_that_stays_has_its_code(sides: Sides, side: str, name: str) -> None:
    fault, code = PERSISTENT[name]
    change(sides, 1)
    with FaultProxy(port_of(sides, side), Rule(fault, times=None)) as proxy:
        outcome = sides.sync(**at(side, proxy), **IMPATIENT)
    assert (outcome.status, outcome.codes) == (1, {code}), outcome.out
    assert side in outcome.failures[0]["message"]
    sides.assert_completes()


@pytest.mark.parametrize("side", SIDES)
def test_a_server_that_is_down_and_comes_back(sides: Sides, side: str) -> None:
    change(sides, 1)
    with FaultProxy(port_of(sides, side)) as proxy:
        proxy.down()
        outcome = sides.sync(**at(side, proxy))
        assert (outcome.status, outcome.codes) == (1, {"DB_CONN_001"}), outcome.out
        assert f"127.0.0.1:{proxy.port}" in outcome.failures[0]["message"]
        proxy.up()
        sides.assert_completes(**at(side, proxy))


@pytest.mark.parametrize("reached", [False, True], ids=["not reached", "reached"])
@pytest.mark.parametrize("side", SIDES)
def test_a_line_that_is_cut_at_any_commit(sides: Sides, side: str, *, reached: bool) -> None:
    struck, number = 1, 0
    while struck:
        number += 1
        fault = AtStatement("COMMIT", reached=reached, nth=number)
        struck = assert_survives(sides, side, number, Rule(fault))
    assert number > 1, "there was no COMMIT to cut at"


@pytest.mark.parametrize("reached", [False, True], ids=["not reached", "reached"])
@pytest.mark.parametrize("side", SIDES)
def test_a_plan_goes_on_after_a_line_was_cut(sides: Sides, side: str, *, reached: bool) -> None:
    plan = sides.folder / "plan.json"
    struck, number = 1, 0
    while struck:
        number += 1
        expected = change(sides, number)
        plan.write_text(sides.sync("--dry-run").out)
        fault = AtStatement("COMMIT", reached=reached, nth=number)
        with FaultProxy(port_of(sides, side), Rule(fault)) as proxy:
            outcome = sides.sync(f"--apply={plan}", **at(side, proxy))
        struck = proxy.strikes
        # A row that it has written itself is no row that has moved since the plan was made.
        assert (outcome.status, outcome.codes) == (0, set()), outcome.out
        assert texts(sides.remote) == texts(sides.local) == expected
    assert number > 1, "there was no COMMIT to cut at"


@pytest.mark.parametrize("side", SIDES)
def test_lines_that_are_cut_at_every_commit(sides: Sides, side: str) -> None:
    change(sides, 1)
    rule = Rule(AtStatement("COMMIT", reached=False), times=None)
    with FaultProxy(port_of(sides, side), rule) as proxy:
        outcome = sides.sync(**at(side, proxy))
    assert (outcome.status, outcome.codes) == (1, {"DB_CONN_001"}), outcome.out
    sides.assert_completes()


@pytest.mark.parametrize("side", SIDES)
def test_a_line_that_is_silent_at_a_commit(sides: Sides, side: str) -> None:
    fault = AtStatement("COMMIT", reached=True, stalls=True)
    assert assert_survives(sides, side, 1, Rule(fault), **IMPATIENT) == 1


@pytest.mark.parametrize("side", SIDES)
def test_a_line_that_is_gone_without_a_word(sides: Sides, side: str) -> None:
    change(sides, 1)
    gone = AtStatement("COMMIT", reached=False, stalls=True, lingers=True)
    with FaultProxy(port_of(sides, side), Rule(gone)) as proxy:
        outcome = sides.sync(**at(side, proxy), **IMPATIENT)
        assert proxy.strikes == 1
        assert (outcome.status, outcome.codes) == (1, {"DB_CONN_002"}), outcome.out
        # The server still keeps the session: on LOCAL the lock of the table, elsewhere rows.
        following = sides.sync(**{**IMPATIENT, "DB_READ_TIMEOUT": "20"})
        told = {"LOCAL": (4, {"SYNC_009"}), "REMOTE": (3, {"SYS_003"})}
        assert (following.status, following.codes) in (told[side], (0, set())), following.out
    sides.assert_completes()


@pytest.mark.parametrize("side", SIDES)
def test_a_line_that_is_cut_anywhere(sides: Sides, side: str) -> None:
    change(sides, 1)
    with FaultProxy(port_of(sides, side)) as proxy:
        assert sides.sync(**at(side, proxy)).status == 0
    struck = []
    for number, way in enumerate([*Way, *Way, *Way], start=2):
        after = proxy.passed[way] * number // 8
        struck.append(assert_survives(sides, side, number, Rule(Cut(after, way))))
    # The last of them may come too late, where there is less to say.
    assert struck[:4] == [1] * 4
    assert max(struck) == 1


def seed_load(sides: Sides) -> None:
    sides.empty()
    sides.query_both(TABLE)
    sides.remote.query(LOAD)


def assert_load_survives(sides: Sides, side: str, *rules: Rule, **more: str) -> FaultProxy:
    """Loads a table into an empty one while a line fails."""
    seed_load(sides)
    before = sides.remote.rows()
    with FaultProxy(port_of(sides, side), *rules) as proxy:
        outcome = sides.sync(**at(side, proxy), **more)
    assert_clear(outcome)
    assert sides.remote.rows() == before
    # Each row is there as it should be, or not at all.
    assert set(sides.local.rows()) <= set(before)
    sides.assert_completes()
    assert sides.local.rows() == before
    return proxy


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", WAYS_TO_LOAD)
def test_a_first_load_that_is_cut_anywhere(name: str, side: str, tmp_path: Path) -> None:
    # The rows come from REMOTE and go to LOCAL.
    way = Way.TO_CLIENT if side == "REMOTE" else Way.TO_SERVER
    with unencrypted(tmp_path, *WAYS_TO_LOAD[name]) as sides:
        loads = "SHOW GLOBAL STATUS LIKE 'Com_load'"
        [[_, before]] = sides.local.query(loads)
        whole = assert_load_survives(sides, side).passed[way]
        [[_, after]] = sides.local.query(loads)
        assert (int(after) > int(before)) == (name == "load data")
        assert whole > LOADED * 100
        for part in (1, 6):
            proxy = assert_load_survives(sides, side, Rule(Cut(whole * part // 8, way)))
            assert proxy.strikes == 1


@pytest.mark.parametrize("reached", [False, True], ids=["not reached", "reached"])
@pytest.mark.parametrize("begins", ["LOAD DATA", "COMMIT"])
def test_a_load_that_is_cut_at(begins: str, tmp_path: Path, *, reached: bool) -> None:
    with unencrypted(tmp_path, *WAYS_TO_LOAD["load data"]) as sides:
        rule = Rule(AtStatement(begins, reached=reached))
        assert assert_load_survives(sides, "LOCAL", rule).strikes == 1


@pytest.mark.parametrize("side", SIDES)
def test_a_load_that_falls_silent(side: str, tmp_path: Path) -> None:
    way = Way.TO_CLIENT if side == "REMOTE" else Way.TO_SERVER
    with unencrypted(tmp_path, *WAYS_TO_LOAD["load data"]) as sides:
        rule = Rule(Stall(LOADED * 50, way))
        assert assert_load_survives(sides, side, rule, **IMPATIENT).strikes == 1


@pytest.mark.parametrize("side", SIDES)
def test_a_slow_line_is_no_silent_one(side: str, tmp_path: Path) -> None:
    slow = [Rule(Delay(0.001), times=None), Rule(Throttle(500_000), times=None)]
    with unencrypted(tmp_path, *WAYS_TO_LOAD["statements"]) as sides:
        seed_load(sides)
        with FaultProxy(port_of(sides, side), *slow) as proxy:
            outcome = sides.sync(**at(side, proxy), **IMPATIENT)
        assert (outcome.status, outcome.written) == (0, LOADED), outcome.out


def test_a_server_that_knows_less_takes_the_place_of_remote(sides: Sides) -> None:
    """A replica that lags is no REMOTE that has deleted rows."""
    replica = Database(sides.local.server)
    known = sides.remote.name
    try:
        replica.query(f"CREATE DATABASE {known}")
        replica.query(f"USE {known}")
        replica.query(TABLE)
        replica.query("INSERT INTO t SELECT seq, 'old' FROM seq_1_to_250")
        sides.local.query("UPDATE t SET v = 'new' WHERE id = 7")
        cut = AtStatement("COMMIT", reached=False)
        with FaultProxy(port_of(sides, "REMOTE"), Rule(cut)) as proxy:
            proxy.fail_over_to(replica.server.port)
            outcome = sides.sync(**at("REMOTE", proxy))
            assert (outcome.status, outcome.codes) == (1, {"DB_CONN_001"}), outcome.out
            assert len(sides.local.rows()) == 300
            # A run of its own asks about such a server.
            asked = sides.sync(**at("REMOTE", proxy))
            assert (asked.status, asked.codes) == (1, {"SYNC_008"}), asked.out
        assert len(sides.local.rows()) == 300
        assert len(replica.query("SELECT id FROM t")) == 250
    finally:
        replica.query(f"DROP DATABASE IF EXISTS {known}")
        replica.drop()
    sides.assert_completes()
