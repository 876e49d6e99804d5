"""Between what histories are played, and where their databases are."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import servers
from soak.lines import Database, FileDatabase, ServerDatabase
from soak.script import Script
from soak.tables import Side

_URL = "DB_SYNC_TEST_{}_URL"


@dataclass(frozen=True)
class Pairing:
    """What stands on either side.

    Attributes:
        name: What it is called.
        remote: The server that REMOTE is in, by the name in its variable; `None` for a file.
        local: The same for LOCAL.
    """

    name: str
    remote: str | None
    local: str | None

    def server(self, side: Side) -> str | None:
        """The server that a side is in, by the name in its variable; `None` for a file."""
        return self.remote if side is Side.REMOTE else self.local

    @property
    def servers(self) -> list[Side]:
        """The sides that are servers."""
        return [side for side in Side if self.server(side) is not None]

    @property
    def missing(self) -> list[str]:
        """The variables that are not set, of those that it needs."""
        variables = [_URL.format(self.server(side)) for side in self.servers]
        return [variable for variable in variables if not os.environ.get(variable)]

    def kind(self, side: Side) -> str:
        """What program the server of a side is."""
        return "mysql" if self.server(side) == "MYSQL" else "mariadb"


PAIRINGS = {
    pairing.name: pairing
    for pairing in (
        Pairing("mariadb-mariadb", "MARIADB", "MARIADB2"),
        Pairing("mysql-mariadb", "MYSQL", "MARIADB2"),
        Pairing("mariadb-sqlite", "MARIADB", None),
        Pairing("sqlite-sqlite", None, None),
    )
}


@dataclass(frozen=True)
class Home:
    """Where a history is played.

    Attributes:
        sides: Its databases, which are still to be made.
        folder: A folder of its own.
        restart: Restarts the server that is the history's own, or kills it first; does nothing
            where there is none.
    """

    sides: Mapping[Side, Database]
    folder: Path
    restart: Callable[[bool], None]


@contextmanager
def home(pairing: Pairing, script: Script) -> Iterator[Home]:
    """Finds databases for a history.

    Args:
        pairing: Between what it is played.
        script: The history: which side needs a server of its own, how files keep their journals.

    Yields:
        The databases. Those that are not removed stay, but for a server of the history's own.
    """
    name = f"db_sync_test_soak_{uuid.uuid4().hex[:12]}"
    folder = Path(tempfile.mkdtemp(prefix="db-sync-soak."))
    # The server's own user must get through to its data.
    folder.chmod(0o755)  # noqa: S103
    urls = {side: os.environ[_URL.format(pairing.server(side))] for side in pairing.servers}
    restarted = script.restarted
    own = _OwnServer(pairing.kind(restarted), folder) if restarted else None
    try:
        if own and restarted:
            urls[restarted] = own.url
        sides: dict[Side, Database] = {
            side: ServerDatabase.at(urls[side], name)
            if side in urls
            else FileDatabase(folder / f"{side.value.lower()}.sqlite3", script.journal)
            for side in Side
        }
        yield Home(sides, folder, own.restart if own else _nothing)
    finally:
        if own:
            own.stop()
        # It is not empty where databases are left in it.
        with suppress(OSError):
            folder.rmdir()


def _nothing(_killed: bool) -> None:
    """There is no server to restart."""


class _OwnServer:
    """A server that belongs to one history.

    A server ends with the thread that started it, so one thread does all of that.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self._keeper = ThreadPoolExecutor(1)
        self._running, self.url = self._keeper.submit(self._start, kind, folder).result()

    def _start(self, kind: str, folder: Path) -> tuple[servers.Running, str]:
        self._place = place = folder / "server"
        place.mkdir(mode=0o755)
        # What was acknowledged must outlive the server's process.
        durable = ("--innodb-flush-log-at-trx-commit=2",)
        # Tests take the small numbers; a third server needs one that is not theirs.
        running = servers.Running(servers.Server("", kind, 100, durable), place)
        return running, running.wait()

    def restart(self, killed: bool) -> None:
        self._keeper.submit(self._restart, killed).result()

    def _restart(self, killed: bool) -> None:
        if killed:
            self._running.process.kill()
            self._running.process.wait()
        self._running.restart()
        self._running.wait()

    def stop(self) -> None:
        self._keeper.submit(self._running.stop).result()
        self._keeper.shutdown()
        shutil.rmtree(self._place, ignore_errors=True)
