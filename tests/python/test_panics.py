"""A panic in native code is an exception in Python: no abort, and the process lives on.

What makes the engine panic as it is released is a server that speaks nonsense: the driver trusts a
greeting to be whole.
"""

import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

import db_sync
from sides import COMMAND, HANGS, Sides, two_sides

# A greeting that ends after the server's version, in a packet that says so.
GREETING = b"\x0a8.0.99\x00"
PACKET = len(GREETING).to_bytes(3, "little") + b"\x00" + GREETING
FORKED = """
import multiprocessing, os, sys, db_sync

def work():
    try:
        db_sync.sync()
    except RuntimeError as problem:
        os.environ["DB_REMOTE_PORT"] = os.environ["SOUND_PORT"]
        print(str(problem).partition(":")[0], db_sync.sync().status, sep=", ", flush=True)

worker = multiprocessing.get_context("fork").Process(target=work)
worker.start()
worker.join()
sys.exit(worker.exitcode)
"""


class Babbler:
    """A server that greets everybody, and ends in the midst of its greeting."""

    def __init__(self) -> None:
        """Listens on a port of its own."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._greet)

    def __enter__(self) -> "Babbler":
        """Begins to greet."""
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        """Greets nobody any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _greet(self) -> None:
        # A listener that was shut down accepts nothing more.
        with suppress(OSError):
            while True:
                line, _address = self._listener.accept()
                with line, suppress(OSError):
                    line.settimeout(HANGS)
                    line.sendall(PACKET)
                    line.recv(1)


@pytest.fixture
def babbler() -> Iterator[Babbler]:
    with Babbler() as server:
        yield server


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sides]:
    """Two sides that can be synced, which our own environment names."""
    monkeypatch.chdir(tmp_path)
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        sides.query_both("CREATE TABLE t (id INT PRIMARY KEY)")
        sides.remote.query("INSERT INTO t VALUES (1)")
        for key, value in sides.settings.items():
            monkeypatch.setenv(key, value)
        yield sides


def test_this_process_lives_on(
    sides: Sides, babbler: Babbler, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _time in range(2):
        with monkeypatch.context() as patch:
            patch.setenv("DB_REMOTE_PORT", str(babbler.port))
            with pytest.raises(RuntimeError, match="the engine stopped: .*out of bounds"):
                db_sync.sync()
    assert db_sync.sync().ok
    assert sides.local.rows() == ((1,),)


def test_a_forked_worker_lives_on(sides: Sides, babbler: Babbler) -> None:
    port = {"DB_REMOTE_PORT": str(babbler.port), "SOUND_PORT": str(sides.remote.server.port)}
    done = subprocess.run(
        [sys.executable, "-c", FORKED],
        env=sides.environment(port),
        cwd=sides.folder,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "the engine stopped, SUCCESS\n"), done.stderr


def test_a_command_ends_by_itself(sides: Sides, babbler: Babbler) -> None:
    done = subprocess.run(
        [COMMAND, "run"],
        env=sides.environment({"DB_REMOTE_PORT": str(babbler.port)}),
        cwd=sides.folder,
        capture_output=True,
        timeout=HANGS,
        check=False,
    )
    # An abort would be a signal, which is a negative number.
    assert done.returncode == 1
    assert sides.sync().status == 0


def test_the_process_of_an_engine_for_files_may_panic_too(
    sides: Sides, babbler: Babbler, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sides.folder / "local.sqlite3"
    with closing(sqlite3.connect(file)) as line:
        line.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    monkeypatch.setenv("DB_LOCAL_ENGINE", "sqlite")
    monkeypatch.setenv("DB_LOCAL_NAME", str(file))
    with monkeypatch.context() as patch:
        patch.setenv("DB_REMOTE_PORT", str(babbler.port))
        with pytest.raises(db_sync.SyncError, match=r"SYNC_005: .* \(exit status 1\)"):
            db_sync.sync()
    assert db_sync.sync().ok
    with closing(sqlite3.connect(file)) as line:
        assert line.execute("SELECT id FROM t").fetchall() == [(1,)]
