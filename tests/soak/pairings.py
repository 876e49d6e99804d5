"""Between what histories are played, and where their databases are."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import servers
from soak.lines import Database, FileDatabase, ServerDatabase
from soak.tables import Side

_URL = "DB_SYNC_TEST_{}_URL"


@dataclass(frozen=True)
class Pairing:
    """What stands on either side.

    Attributes:
        name: What it is called.
        remote: The server that REMOTE is in, by the name in its variable.
        local: The same for LOCAL; `None` for a file.
    """

    name: str
    remote: str
    local: str | None

    @property
    def servers(self) -> list[Side]:
        """The sides that are servers."""
        return [Side.REMOTE] if self.local is None else [Side.REMOTE, Side.LOCAL]

    @property
    def missing(self) -> list[str]:
        """The variables that are not set, of those that it needs."""
        names = [name for name in (self.remote, self.local) if name is not None]
        variables = [_URL.format(name) for name in names]
        return [variable for variable in variables if not os.environ.get(variable)]

    def kind(self, side: Side) -> str:
        """What program the server of a side is."""
        name = self.remote if side is Side.REMOTE else self.local
        return "mysql" if name == "MYSQL" else "mariadb"


PAIRINGS = {
    pairing.name: pairing
    for pairing in (
        Pairing("mariadb-mariadb", "MARIADB", "MARIADB2"),
        Pairing("mysql-mariadb", "MYSQL", "MARIADB2"),
        Pairing("mariadb-sqlite", "MARIADB", None),
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
def home(pairing: Pairing, restarted: Side | None) -> Iterator[Home]:
    """Finds databases for a history.

    Args:
        pairing: Between what it is played.
        restarted: The side for which it needs a server of its own.

    Yields:
        The databases. They are left where they are.
    """
    name = f"db_sync_test_soak_{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory(prefix="db-sync-soak.") as made:
        folder = Path(made)
        # The server's own user must get through to its data.
        folder.chmod(0o755)  # noqa: S103
        urls = {
            Side.REMOTE: os.environ[_URL.format(pairing.remote)],
            Side.LOCAL: os.environ[_URL.format(pairing.local)] if pairing.local else None,
        }
        own = _OwnServer(pairing.kind(restarted), folder) if restarted else None
        try:
            if own and restarted:
                urls[restarted] = own.url
            sides: dict[Side, Database] = {
                side: ServerDatabase.at(url, name)
                if url
                else FileDatabase(folder / "local.sqlite3")
                for side, url in urls.items()
            }
            yield Home(sides, folder, own.restart if own else _nothing)
        finally:
            if own:
                own.stop()


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
        place = folder / "server"
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
