"""Servers that kill our lines, restart, are full, or take no writes for a while.

A run waits for what passes, within a bound, and begins again; for what does not pass it says why.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import servers
from own_server import open_folder
from sides import COMMAND, HANGS, WAITING, Database, Outcome, Server, Sides, two_sides

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))"


def await_true(database: Database, sql: str) -> None:
    """Asks until the answer is true."""
    deadline = time.monotonic() + HANGS
    while not database.query(sql)[0][0]:
        assert time.monotonic() < deadline, f"never came true: {sql}"
        # The server shows what it showed last until nobody has asked for a tenth of a second.
        time.sleep(0.15)


def begin(sides: Sides) -> None:
    """Both sides are equal, and then REMOTE has a row more."""
    sides.query_both(TABLE)
    sides.remote.query("INSERT INTO t VALUES (1, 'a')")
    assert sides.sync().status == 0
    sides.remote.query("INSERT INTO t VALUES (2, 'b'), (3, 'c')")


def run_that_waits(sides: Sides, act: Callable[[int], None]) -> Outcome:
    """Has something happen to a run that waits for a row which an application holds.

    Args:
        sides: Both sides.
        act: What happens; it is told the number of the application's line. Then the application
            lets go.
    """
    application = sides.local.server.connect()
    with application, application.cursor() as cursor:
        cursor.execute(f"USE {sides.local.name}")
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t VALUES (2, 'held')")
        cursor.execute("SELECT CONNECTION_ID()")
        [holder] = cursor.fetchone() or [0]
        pipe = subprocess.PIPE
        command = [str(COMMAND), "run", "--json"]
        environment = sides.environment({"DB_SYNC_LOCK_WAIT": "60"})
        with subprocess.Popen(
            command, cwd=sides.folder, env=environment, stdout=pipe, stderr=pipe, text=True
        ) as process:
            await_true(sides.local, WAITING)
            act(holder)
            cursor.execute("ROLLBACK")
            out, err = process.communicate(timeout=HANGS)
            return Outcome(process.returncode, out, err)


def kill_lines(database: Database, holder: int) -> None:
    """Kills every line to a database but ours and the one that holds a row."""
    lines = database.query(
        "SELECT id FROM information_schema.processlist WHERE db = DATABASE() "
        "AND id <> CONNECTION_ID() AND id <> %s",
        holder,
    )
    assert lines, "there was no line to kill"
    for (line,) in lines:
        database.query(f"KILL {line}")


@pytest.mark.parametrize("side", ["REMOTE", "LOCAL"])
def test_killed_lines_are_opened_again(tmp_path: Path, side: str) -> None:
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        begin(sides)
        done = run_that_waits(sides, lambda holder: kill_lines(sides.both[side], holder))
        assert done.status == 0, done.out + done.err
        assert done.answer["tables"][0]["verified"]
        sides.assert_settles()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Sides, "servers.Running"]]:
    """Two sides of which LOCAL is a server of this test's own."""
    with open_folder() as folder:
        running = servers.Running(servers.Server("", "mariadb", 1), folder)
        try:
            running.wait()
            local = Server(running.port, servers.USER, servers.PASSWORD)
            with two_sides(tmp_path, "MARIADB", local) as sides:
                yield sides, running
        finally:
            running.stop()


def while_it_runs(sides: Sides, act: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    """Runs the command while something happens to the server."""
    acting = threading.Thread(target=act)
    acting.start()
    done = subprocess.run(
        [COMMAND, "run", "--json"],
        cwd=sides.folder,
        env=sides.environment({}),
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    acting.join()
    return done


def test_a_server_that_takes_no_more_connections(own: tuple[Sides, "servers.Running"]) -> None:
    sides, _running = own
    begin(sides)
    # One line more than this is the administrator's, who is not counted.
    sides.local.query(f"CREATE USER 'many'@'%' IDENTIFIED BY '{servers.PASSWORD}'")
    sides.local.query(f"GRANT ALL ON {sides.local.name}.* TO 'many'@'%'")
    sides.settings |= {"DB_LOCAL_USER": "many", "DB_LOCAL_PASSWORD": servers.PASSWORD}
    sides.local.query("ALTER USER 'many'@'%' WITH MAX_USER_CONNECTIONS 1")
    line = Server(sides.local.server.port, "many", servers.PASSWORD).connect()
    refused = sides.sync(DB_CONNECT_TIMEOUT="1")
    assert (refused.status, refused.codes) == (1, {"DB_CONN_001"}), refused.out
    assert "no more connections" in refused.failures[0]["message"]
    line.close()
    sides.local.query("ALTER USER 'many'@'%' WITH MAX_USER_CONNECTIONS 0")
    sides.assert_settles()


def test_a_server_that_takes_no_writes(own: tuple[Sides, "servers.Running"]) -> None:
    sides, _running = own
    begin(sides)
    sides.local.query(f"CREATE USER 'plain'@'%' IDENTIFIED BY '{servers.PASSWORD}'")
    sides.local.query(f"GRANT ALL ON {sides.local.name}.* TO 'plain'@'%'")
    sides.settings |= {"DB_LOCAL_USER": "plain", "DB_LOCAL_PASSWORD": servers.PASSWORD}
    sides.local.query("SET GLOBAL read_only = 1")
    refused = sides.sync()
    assert (refused.status, refused.codes) == (1, {"SYS_004"}), refused.out
    sides.local.query("SET GLOBAL read_only = 0")
    sides.assert_settles()


def test_a_server_that_restarts_in_the_midst(own: tuple[Sides, "servers.Running"]) -> None:
    sides, running = own
    begin(sides)
    application = sides.local.server.connect()
    with application.cursor() as cursor:
        cursor.execute(f"USE {sides.local.name}")
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t VALUES (2, 'held')")

    def restart() -> None:
        await_true(sides.local, WAITING)
        running.restart()
        running.wait()

    done = while_it_runs(sides, restart)
    assert done.returncode == 0, done.stdout + done.stderr
    sides.local.reconnect()
    sides.assert_settles()
