"""Two databases of a test's own on the test servers, and the installed command between them.

The command runs as its users run it: a process of its own, in a folder of its own, with its
settings in the environment.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql

COMMAND = Path(sys.executable).with_name("db-sync")
# How long anything may take that has a time limit of its own. Reached only by what hangs.
HANGS = 60.0
# How many transactions wait in this database for a row that somebody else has locked.
WAITING = """
    SELECT COUNT(*) FROM information_schema.innodb_trx
    JOIN information_schema.processlist ON id = trx_mysql_thread_id
    WHERE db = DATABASE() AND trx_state = 'LOCK WAIT'
"""

Cells = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Outcome:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object that is the whole of stdout."""
        answer: dict[str, Any] = json.loads(self.out)
        return answer

    @property
    def failures(self) -> list[dict[str, Any]]:
        """What went wrong, of the run as a whole or of its tables and rows."""
        answer = self.answer
        whole: dict[str, Any] | None = answer.get("error")
        parts: list[dict[str, Any]] = answer.get("errors", [])
        return parts if whole is None else [whole]

    @property
    def codes(self) -> set[str]:
        """The codes of what went wrong."""
        return {failure["code"] for failure in self.failures}

    @property
    def written(self) -> int:
        """How many rows were written on either side."""
        ways = ("remote_to_local", "local_to_remote")
        return sum(sum(table[way].values()) for table in self.answer["tables"] for way in ways)


class Server:
    """A server's address, and somebody who may do everything there."""

    def __init__(self, port: int, user: str, password: str) -> None:
        """Connects to nobody yet."""
        self.port, self.user, self.password = port, user, password

    @classmethod
    def of(cls, name: str) -> "Server":
        """One of the servers that `make test` starts: MARIADB or MARIADB2."""
        parts = urlsplit(os.environ[f"DB_SYNC_TEST_{name}_URL"])
        return cls(parts.port or 3306, str(parts.username), str(parts.password))

    def connect(self) -> "pymysql.Connection[Any]":
        """A line for the administrator."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=self.user,
            password=self.password,
            autocommit=True,
        )


class Database:
    """A database with a name that nobody else has, and a line to it."""

    def __init__(self, server: Server) -> None:
        """Makes it, empty."""
        self.server = server
        self.name = f"db_sync_test_{uuid.uuid4().hex}"
        self._line = server.connect()
        self.empty()

    def empty(self) -> None:
        """Makes it anew."""
        self.query(f"DROP DATABASE IF EXISTS {self.name}")
        self.query(f"CREATE DATABASE {self.name}")
        self.query(f"USE {self.name}")

    def reconnect(self) -> None:
        """Goes on after its server was away."""
        self._line = self.server.connect()
        self.query(f"USE {self.name}")

    def drop(self) -> None:
        """Removes it with all that is in it."""
        with self._line:
            self.query(f"DROP DATABASE IF EXISTS {self.name}")

    def query(self, sql: str, *values: Any) -> Cells:
        """Asks, or changes something."""
        with self._line.cursor() as cursor:
            cursor.execute(sql, values or None)
            return tuple(cursor.fetchall())

    def rows(self, table: str = "t") -> Cells:
        """Every row of a table, in the order of its first column."""
        return self.query(f"SELECT * FROM `{table.replace('`', '``')}` ORDER BY 1")  # noqa: S608

    def await_alone(self) -> None:
        """Waits until no session but ours is left in this database."""
        others = (
            "SELECT COUNT(*) FROM information_schema.processlist "
            "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        deadline = time.monotonic() + HANGS
        while self.query(others)[0][0]:
            assert time.monotonic() < deadline, f"sessions stay in {self.name}"
            # The server shows what it showed last until nobody has asked for a tenth of a second.
            time.sleep(0.15)


@dataclass
class Sides:
    """Both sides, and how the command is told of them.

    Attributes:
        remote: One database.
        local: The other.
        folder: Where the command runs.
        settings: What the environment says, but for passing exceptions.
    """

    remote: Database
    local: Database
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Puts both sides' addresses into the settings."""
        for side, database in self.both.items():
            self.settings |= {
                f"DB_{side}_HOST": "127.0.0.1",
                f"DB_{side}_PORT": str(database.server.port),
                f"DB_{side}_NAME": database.name,
                f"DB_{side}_USER": database.server.user,
                f"DB_{side}_PASSWORD": database.server.password,
            }

    @property
    def both(self) -> dict[str, Database]:
        """The databases by their side's name."""
        return {"REMOTE": self.remote, "LOCAL": self.local}

    def query_both(self, *statements: str) -> None:
        """Changes both sides alike."""
        for database in self.both.values():
            for sql in statements:
                database.query(sql)

    def empty(self) -> None:
        """Makes both databases anew, as if nothing had ever been synced."""
        for database in self.both.values():
            database.empty()

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """The environment of a command: nothing of ours but the settings is in it."""
        foreign = ("DB_", "DJANGO_", "RUST_")
        own = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        return {**own, **self.settings, **more}

    def run(self, *words: str, command: Sequence[str | Path] = (COMMAND,), **more: str) -> Outcome:
        """Runs the command to its end, which must come, with words of its own and no traceback."""
        done = subprocess.run(
            [*command, *words],
            cwd=self.folder,
            env=self.environment(more),
            capture_output=True,
            text=True,
            timeout=HANGS,
            check=False,
        )
        for trace in ("Traceback", "panicked"):
            assert trace not in done.stdout + done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    def sync(self, *flags: str, **more: str) -> Outcome:
        """Runs `db-sync run --json`."""
        return self.run("run", "--json", *flags, **more)

    def assert_completes(self, *tables: str, **more: str) -> None:
        """The next run completes, and both sides are equal then."""
        for database in self.both.values():
            database.await_alone()
        following = self.sync(**more)
        assert following.status == 0, following.out + following.err
        for table in tables or ("t",):
            assert self.remote.rows(table) == self.local.rows(table)

    def assert_settles(self, *tables: str, **more: str) -> None:
        """The next run completes, both sides are equal then, and one more has nothing to do."""
        self.assert_completes(*tables, **more)
        third = self.sync(**more)
        assert (third.status, third.written) == (0, 0), third.out


@contextmanager
def two_sides(folder: Path, remote: Server | str, local: Server | str) -> Iterator[Sides]:
    """Makes a database on each of two servers; removes both afterwards."""
    named = [Server.of(one) if isinstance(one, str) else one for one in (remote, local)]
    made: list[Database] = []
    try:
        made += [Database(server) for server in named]
        yield Sides(made[0], made[1], folder)
    finally:
        for database in made:
            database.drop()
