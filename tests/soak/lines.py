"""The applications' own lines to the databases, and what a failure means to a transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from soak.tables import Cell

Answer = list[tuple[Cell, ...]]
# How long an application waits for a row that somebody else has locked.
LOCK_SECONDS = 2
# How long a server that was restarted may take to be back.
BACK_SECONDS = 60.0


class RefusedError(Exception):
    """The server refused a statement; the transaction has been rolled back."""


class LostError(Exception):
    """The line is gone, and the transaction with it; it had not been committed."""


class UnknownError(Exception):
    """The line was lost at the commit: nobody knows whether it happened."""


class Line(Protocol):
    """One line to one side. Placeholders are question marks.

    `run` and `begin` raise `RefusedError` or `LostError`, `commit` also `UnknownError`; after each
    of them no transaction is open.
    """

    def begin(self) -> None:
        """Begins a transaction that will write."""

    def run(self, sql: str, *arguments: Cell) -> Answer:
        """Runs a statement; answers its rows."""

    def write(self, sql: str, *arguments: Cell) -> int:
        """Runs a statement; answers how many rows it changed."""

    def commit(self) -> None:
        """Commits."""

    def rollback(self) -> None:
        """Rolls back, if the line is still there."""

    def close(self) -> None:
        """Closes the line; an open transaction is rolled back."""


class Database(Protocol):
    """One side of a history."""

    @property
    def place(self) -> str:
        """Where people find it."""

    @property
    def settings(self) -> dict[str, str]:
        """How `db-sync` reaches it, by the ends of the keys."""

    @property
    def locking(self) -> str:
        """What a SELECT needs at its end to lock its rows."""

    def connect(self) -> Line:
        """Opens a line for an application; a server that is away is waited for."""

    def create(self) -> None:
        """Makes the database, empty."""

    def drop(self) -> None:
        """Removes it."""


class ServerLine:
    """A line to a MySQL or MariaDB server."""

    def __init__(self, line: Connection[Cursor]) -> None:
        """Takes a connection without autocommit."""
        self._line = line

    @property
    def number(self) -> int:
        """By what the server knows it."""
        return int(self._line.thread_id())  # type: ignore[no-untyped-call]

    def begin(self) -> None:
        """Begins a transaction."""
        self.run("START TRANSACTION")

    def run(self, sql: str, *arguments: Cell) -> Answer:
        """Runs a statement; answers its rows."""
        return list(self._do(sql, arguments).fetchall())

    def write(self, sql: str, *arguments: Cell) -> int:
        """Runs a statement; answers how many rows it met."""
        return self._do(sql, arguments).rowcount

    def _do(self, sql: str, arguments: Sequence[Cell]) -> Cursor:
        try:
            cursor = self._line.cursor()
            cursor.execute(sql.replace("?", "%s"), tuple(arguments) or None)
        except (pymysql.MySQLError, OSError) as problem:
            # A server that ends the connection says so, too; before a commit both are the same.
            alive = isinstance(problem, pymysql.MySQLError) and self._line.open
            if not alive or not self._rolled_back():
                raise LostError(str(problem)) from problem
            raise RefusedError(str(problem)) from problem
        return cursor

    def _rolled_back(self) -> bool:
        try:
            self._line.rollback()
        except (pymysql.MySQLError, OSError):
            return False
        return True

    def commit(self) -> None:
        """Commits."""
        try:
            self._line.commit()
        except (pymysql.MySQLError, OSError) as problem:
            raise UnknownError(str(problem)) from problem

    def rollback(self) -> None:
        """Rolls back; a line that is gone has done so."""
        self._rolled_back()

    def close(self) -> None:
        """Closes the line."""
        with suppress(pymysql.MySQLError, OSError):
            self._line.close()


class FileLine:
    """A line to a SQLite file."""

    def __init__(self, line: sqlite3.Connection) -> None:
        """Takes a connection that begins nothing by itself."""
        self._line = line

    def begin(self) -> None:
        """Begins a transaction that writes."""
        self.run("BEGIN IMMEDIATE")

    def run(self, sql: str, *arguments: Cell) -> Answer:
        """Runs a statement; answers its rows."""
        return list(self._do(sql, arguments).fetchall())

    def write(self, sql: str, *arguments: Cell) -> int:
        """Runs a statement; answers how many rows it changed."""
        return self._do(sql, arguments).rowcount

    def _do(self, sql: str, arguments: Sequence[Cell]) -> sqlite3.Cursor:
        try:
            return self._line.execute(sql, tuple(arguments))
        except sqlite3.Error as problem:
            self.rollback()
            raise RefusedError(str(problem)) from problem

    def commit(self) -> None:
        """Commits; a file that is busy for too long has refused, and nothing has happened."""
        self._do("COMMIT", ())

    def rollback(self) -> None:
        """Rolls back."""
        if self._line.in_transaction:
            self._line.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the file."""
        self.rollback()
        self._line.close()


@dataclass(frozen=True)
class ServerDatabase:
    """A database of a server.

    Attributes:
        host: The server's address.
        port: Its port.
        user: Who may do anything there.
        password: Their password.
        name: The database; there need not be one yet.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str
    locking = " FOR UPDATE"

    @classmethod
    def at(cls, url: str, name: str) -> ServerDatabase:
        """Takes a URL such as `mysql://user:password@host:port/` apart."""
        parts = urlsplit(url)
        user, password = str(parts.username), str(parts.password)
        return cls(str(parts.hostname), parts.port or 3306, user, password, name)

    def through(self, port: int) -> ServerDatabase:
        """The same, reached through another port of this machine."""
        return replace(self, host="127.0.0.1", port=port)

    @property
    def place(self) -> str:
        """Where people find it."""
        return f"{self.name} at {self.host}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """How `db-sync` reaches it; a proxy can only read what is not encrypted."""
        return {
            "ENGINE": "mysql",
            "HOST": self.host,
            "PORT": str(self.port),
            "NAME": self.name,
            "USER": self.user,
            "PASSWORD": self.password,
            "SSL_MODE": "DISABLED",
        }

    def connect(self) -> ServerLine:
        """Opens a line; a server that is away is waited for.

        Raises:
            LostError: If it stays away.
        """
        deadline = time.monotonic() + BACK_SECONDS
        while True:
            try:
                return ServerLine(self._connection(self.name))
            except (pymysql.MySQLError, OSError) as problem:
                if time.monotonic() > deadline:
                    raise LostError(str(problem)) from problem
                # A server does not say when it is back: it is asked again, until the deadline.
                time.sleep(0.05)

    def _connection(self, database: str | None) -> Connection[Cursor]:
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            charset="utf8mb4",
            connect_timeout=10,
            read_timeout=30,
            client_flag=CLIENT.FOUND_ROWS,
            init_command=f"SET SESSION innodb_lock_wait_timeout={LOCK_SECONDS}",
        )

    def create(self) -> None:
        """Makes the database, empty."""
        self.server(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4")

    def drop(self) -> None:
        """Removes it."""
        self.server(f"DROP DATABASE IF EXISTS {self.name}")

    def server(self, sql: str) -> Answer:
        """Runs a statement of nobody's database; answers its rows."""
        with self._connection(None) as line, line.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


@dataclass(frozen=True)
class FileDatabase:
    """A SQLite file.

    Attributes:
        path: Where it is.
        journal: What it keeps until a commit is over: `DELETE` for the pages as they were, `WAL`
            for those that are new.
    """

    path: Path
    journal: str = "DELETE"
    locking = ""

    @property
    def place(self) -> str:
        """Where people find it."""
        return str(self.path)

    @property
    def settings(self) -> dict[str, str]:
        """How `db-sync` reaches it."""
        return {"ENGINE": "sqlite", "NAME": str(self.path)}

    def connect(self) -> FileLine:
        """Opens the file."""
        line = sqlite3.connect(
            self.path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        line.execute("PRAGMA foreign_keys=ON")
        return FileLine(line)

    def create(self) -> None:
        """Makes the file, which remembers its kind of journal."""
        line = self.connect()
        line.run(f"PRAGMA journal_mode={self.journal}")
        line.close()

    def drop(self) -> None:
        """Removes it, and what SQLite may have left beside it."""
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()
