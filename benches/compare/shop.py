"""The shop's data, made by the server itself and alike every time."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pymysql

DATABASE = "db_sync_bench"
TABLES = ("category", "product", "orders", "stock_move")


def _script(name: str, **places: int) -> str:
    """A file of statements, with numbers in its places."""
    text = Path(__file__).with_name(f"{name}.sql").read_text()
    for place, number in places.items():
        text = text.replace(f"__{place.upper()}__", str(number))
    return text


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

    def run(self, sql: str, database: str | None = DATABASE) -> list[tuple[object, ...]]:
        """Runs statements, one after another, and answers the last one's rows."""
        line = pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            autocommit=True,
            local_infile=True,
        )
        rows: list[tuple[object, ...]] = []
        with line, line.cursor() as cursor:
            for statement in filter(str.strip, sql.split(";")):
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def arguments(self) -> list[str]:
        """The flags by which the MariaDB tools reach it."""
        return [f"-h{self.host}", f"-P{self.port}", f"-u{self.user}", f"-p{self.password}"]


def empty(server: Server) -> None:
    """Makes the tables anew, without rows."""
    server.run(
        f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4",
        database=None,
    )
    server.run(_script("tables"))


def fill(server: Server, rows: int) -> None:
    """Makes the rows: so many products and orders, and a fifth as many stock moves."""
    empty(server)
    server.run(_script("rows", rows=rows, moves=rows // 5))


def change(server: Server, share: float, salt: int) -> None:
    """Changes this share of the products, with deletions and insertions among the orders."""
    server.run(_script("changes", step=round(1 / share), salt=salt))


def sums(server: Server) -> dict[str, tuple[object, ...]]:
    """What each table adds up to: count, and the sum of the rows' checksums."""
    found = {}
    for table in TABLES:
        names = server.run(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS "
            f"WHERE TABLE_SCHEMA='{DATABASE}' AND TABLE_NAME='{table}' ORDER BY ORDINAL_POSITION"
        )
        columns = ",".join(f"IFNULL(`{name}`,'~')" for (name,) in names)
        query = f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',{columns}))) FROM {table}"
        found[table] = server.run(query)[0]
    return found
