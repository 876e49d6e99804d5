"""A side that has no room left: the run says so, nothing is half written, the next one completes.

What stands for a full disk is a small one of memory; where we may not mount one, these tests are
skipped. (A server whose one data file has a largest size is no stand-in: MariaDB crashes when that
is reached.) The server writes no binary log, for which it would wait until somebody makes room.
"""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from own_server import open_folder, own_server
from sides import Database, Server, Sides, two_sides

MIB = 1 << 20
SETTINGS = ["--skip-log-bin", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=32M"]
TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT NOT NULL)"
# Some 16 MiB: more than there is room for, and less than there is room for afterwards.
LARGE = "INSERT INTO t SELECT seq, REPEAT('large', 1600) FROM seq_1_to_2000"
SMALL = "INSERT INTO t SELECT seq, 'small' FROM seq_1_to_2000"
GROW = "UPDATE t SET v = REPEAT('grown', 1600) WHERE id <= 1900"


class SmallDisk:
    """A disk of memory, where we may mount one."""

    def __init__(self, folder: Path, size: int) -> None:
        """Mounts it over a folder."""
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small disk")
        self._folder = folder
        self._size = size
        problem = self._run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs")
        if problem:
            pytest.skip(f"no small disk can be mounted here: {problem}")

    def _run(self, *words: str) -> str:
        command = [*words, str(self._folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stderr.strip()

    def _resize(self, size: int) -> None:
        assert self._run("mount", "-o", f"remount,size={size}") == ""

    def leave(self, room: int) -> None:
        """Has so many bytes of room from now on."""
        state = os.statvfs(self._folder)
        used = (state.f_blocks - state.f_bfree) * state.f_frsize
        self._resize(used + room)

    def free(self) -> None:
        """Has all its room again."""
        self._resize(self._size)

    def unmount(self) -> None:
        """Takes it away with all that is on it."""
        self._run("umount", "--lazy")


@dataclass(frozen=True)
class Tight:
    """A server whose room is ours to say."""

    server: Server
    disk: SmallDisk


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    disk = SmallDisk(folder, size)
    try:
        yield disk
    finally:
        disk.unmount()


@dataclass(frozen=True)
class Pair:
    """Two sides, one of which has little room."""

    sides: Sides
    name: str
    tight: Tight

    @property
    def full(self) -> Database:
        """The side with little room."""
        return self.sides.both[self.name]

    @property
    def other(self) -> Database:
        """The side with room."""
        return self.sides.both["LOCAL" if self.name == "REMOTE" else "REMOTE"]

    def assert_told(self) -> None:
        """The next run fails with the right code, and says where."""
        outcome = self.sides.sync()
        assert (outcome.status, outcome.codes) == (1, {"SYS_001"}), outcome.out
        for failure in outcome.failures:
            assert failure["message"].startswith(f"{self.name} at 127.0.0.1")
            assert "Free space" in failure["hint"]


@pytest.fixture(scope="module")
def tight() -> Iterator[Tight]:
    with open_folder() as folder:
        data = folder / "data"
        data.mkdir()
        with small_disk(data, 300 * MIB) as disk, own_server(folder, *SETTINGS) as server:
            yield Tight(server, disk)


@pytest.fixture(params=["REMOTE", "LOCAL"])
def pair(request: pytest.FixtureRequest, tight: Tight, tmp_path: Path) -> Iterator[Pair]:
    places: dict[str, Server | str] = {"REMOTE": "MARIADB", "LOCAL": "MARIADB2"}
    places[request.param] = tight.server
    with two_sides(tmp_path, places["REMOTE"], places["LOCAL"]) as sides:
        sides.query_both(TABLE)
        yield Pair(sides, request.param, tight)
        tight.disk.free()


@pytest.mark.parametrize("room", [0, 5 * MIB])
def test_a_first_load_without_room(pair: Pair, room: int) -> None:
    pair.other.query(LARGE)
    rows = pair.other.rows()
    pair.tight.disk.leave(room)
    pair.assert_told()
    assert pair.other.rows() == rows
    assert set(pair.full.rows()) <= set(rows)
    pair.tight.disk.free()
    pair.sides.assert_settles()
    assert pair.full.rows() == rows


def test_changes_without_room(pair: Pair) -> None:
    pair.other.query(SMALL)
    assert pair.sides.sync().status == 0
    before = pair.full.rows()
    pair.other.query(GROW)
    rows = pair.other.rows()
    pair.tight.disk.leave(5 * MIB)
    pair.assert_told()
    assert pair.other.rows() == rows
    assert set(pair.full.rows()) <= {*before, *rows}
    pair.tight.disk.free()
    pair.sides.assert_settles()
    assert pair.full.rows() == rows
    assert pair.sides.local.query("SELECT COUNT(*) FROM db_sync_conflict") == ((0,),)


def test_a_file_without_room(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    path = folder / "local.sqlite3"
    with small_disk(folder, 64 * MIB) as disk, two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        sides.settings |= {"DB_LOCAL_ENGINE": "sqlite", "DB_LOCAL_NAME": str(path)}
        sides.remote.query(TABLE)
        sides.remote.query(LARGE)
        with closing(sqlite3.connect(path)) as file, file:
            file.execute(TABLE)
        disk.leave(2 * MIB)
        outcome = sides.sync()
        assert (outcome.status, outcome.codes) == (1, {"SYS_001"}), outcome.out
        assert outcome.failures[0]["message"].startswith(f"LOCAL at {path}")
        with closing(sqlite3.connect(path)) as file:
            assert set(file.execute("SELECT id, v FROM t")) <= set(sides.remote.rows())
        disk.free()
        following = sides.sync()
        assert following.status == 0, following.out
        with closing(sqlite3.connect(path)) as file:
            assert tuple(file.execute("SELECT id, v FROM t ORDER BY 1")) == sides.remote.rows()
