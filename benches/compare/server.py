"""A database server: how it is reached, and what passes through it."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

DATABASE = "db_sync_bench"


@dataclass(frozen=True)
class Server:
    """One server of the two.

    Attributes:
        host: Its address.
        port: Its port.
        user: Who may do anything there.
        password: Their password.
    """

    host: str
    port: int
    user: str
    password: str

    @classmethod
    def at(cls, url: str) -> "Server":
        """Takes a URL such as `mysql://user:password@host:port/` apart."""
        parts = urlsplit(url)
        return cls(
            str(parts.hostname), parts.port or 3306, str(parts.username), str(parts.password)
        )

    def connect(self, database: str | None = DATABASE) -> "Connection[Cursor]":
        """Opens a connection that commits every statement."""
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            local_infile=True,
        )

    def run(self, sql: str, database: str | None = DATABASE) -> list[tuple[object, ...]]:
        """Runs statements, one after another, and answers the last one's rows."""
        rows: list[tuple[object, ...]] = []
        with self.connect(database) as line, line.cursor() as cursor:
            for statement in filter(str.strip, sql.split(";")):
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def arguments(self) -> list[str]:
        """The flags by which the MariaDB tools reach it."""
        return [f"-h{self.host}", f"-P{self.port}", f"-u{self.user}", f"-p{self.password}"]

    def url(self, scheme: str) -> str:
        """The database as a URL, for those who take one."""
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{DATABASE}"


def traffic_of(server: Server) -> Callable[[], int]:
    """Counts what a server says and hears.

    It keeps one connection open, so that looking costs next to nothing of what is counted.

    Args:
        server: Whose bytes are counted.

    Returns:
        Tells how many bytes the server has sent and received since it started.
    """
    line = server.connect(database=None)

    def bytes_so_far() -> int:
        with line.cursor() as cursor:
            cursor.execute(
                "SHOW GLOBAL STATUS WHERE Variable_name IN ('Bytes_sent', 'Bytes_received')"
            )
            return sum(int(number) for _, number in cursor.fetchall())

    return bytes_so_far
