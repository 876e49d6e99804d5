"""A side that has no room left: the run says so, nothing is half written, the next one completes.

What stands for a full disk is a small one of memory where we may mount it, and everywhere a server
whose one data file has a largest size: it gives the same answers. No such server writes a binary
log, for which MariaDB would wait until somebody makes room.
"""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest

from own_server import open_folder, own_server
from sides import Database, Server, Sides, two_sides

MIB = 1 << 20
SETTINGS = ["--skip-log-bin", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=32M"]
# It grows page by page, not by eight of these at once.
ONE_FILE = [
    "--innodb-file-per-table=0",
    "--innodb-data-file-path=ibdata1:12M:autoextend:max:48M",
    "--innodb-autoextend-increment=1",
]
TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT NOT NULL)"
# Some 16 MiB: more than there is room for, and less than there is room for afterwards.
LARGE = "INSERT INTO t SELECT seq, REPEAT('large', 1600) FROM seq_1_to_2000"
SMALL = "INSERT INTO t SELECT seq, 'small' FROM seq_1_to_2000"
GROW = "UPDATE t SET v = REPEAT('grown', 1600) WHERE id <= 1900"
FULL = 1114


class SmallDisk:
    """A disk of memory."""

    def __init__(self, folder: Path, size: int) -> None:
        """Mounts it over a folder, where we may."""
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small disk")
        self.folder = folder
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs")

    def _mount(self, *words: str) -> None:
        command = ["mount", *words, str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")

    def leave(self, room: int) -> None:
        """Has so much room, more or less, from now on."""
        state = os.statvfs(self.folder)
        used = (state.f_blocks - state.f_bfree) * state.f_frsize
        self._mount("-o", f"remount,size={used + room}")

    def unmount(self) -> None:
        """Takes it away with all that is on it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    disk = SmallDisk(folder, size)
    try:
        yield disk
    finally:
        disk.unmount()


@dataclass(frozen=True)
class Tight:
    """A server whose room is ours to say.

    Attributes:
        server: The server.
        leave: Leaves so many bytes of room.
    """

    server: Server
    leave: Callable[[int], None]


class Ballast:
    """Tables that take up the room in a server's one data file."""

    def __init__(self, server: Server) -> None:
        """Takes up nothing yet."""
        self.database = Database(server)
        self.tables: list[str] = []

    def leave(self, room: int) -> None:
        """Fills the file, then makes room by dropping tables of a MiB and a bit each."""
        for name in self.tables:
            self.database.query(f"DROP TABLE {name}")
        self.tables = []
        try:
            while True:
                name = f"b{len(self.tables)}"
                self.database.query(f"CREATE TABLE {name} (v LONGBLOB) ENGINE=InnoDB")
                self.tables.append(name)
                self.database.query(f"INSERT INTO {name} VALUES (REPEAT('b', 1000000))")  # noqa: S608
        except pymysql.Error as problem:
            assert problem.args[0] in (FULL, 1005), problem
        for _ in range(room // MIB + 1):
            if self.tables:
                self.database.query(f"DROP TABLE {self.tables.pop()}")


@pytest.fixture(scope="module", params=["small disk", "largest file"])
def tight(request: pytest.FixtureRequest) -> Iterator[Tight]:
    with open_folder() as folder:
        (folder / "data").mkdir()
        if request.param == "small disk":
            with small_disk(folder / "data", 300 * MIB) as disk:
                with own_server(folder, *SETTINGS) as server:
                    yield Tight(server, disk.leave)
        else:
            with own_server(folder, *SETTINGS, *ONE_FILE) as server:
                ballast = Ballast(server)
                yield Tight(server, ballast.leave)
                ballast.database.drop()


@pytest.fixture(params=["REMOTE", "LOCAL"])
def sides(request: pytest.FixtureRequest, tight: Tight, tmp_path: Path) -> Iterator[Sides]:
    """One side has little room; the settings' folder is told which by `DB_ENV`."""
    tight.leave(100 * MIB)
    places = {"REMOTE": "MARIADB", "LOCAL": "MARIADB2", request.param: tight.server}
    with two_sides(tmp_path, places["REMOTE"], places["LOCAL"]) as sides:
        sides.settings["DB_ENV"] = request.param.lower()
        sides.query_both(TABLE)
        yield sides


def roomy_and_tight(sides: Sides) -> tuple[str, Database, Database]:
    name = sides.settings["DB_ENV"].upper()
    other = "LOCAL" if name == "REMOTE" else "REMOTE"
    return name, sides.both[other], sides.both[name]
