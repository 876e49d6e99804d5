"""One large table: made, changed and looked at, on servers and in SQLite files."""

import csv
import sqlite3
import zlib
from pathlib import Path

from pymysql.cursors import SSCursor

from compare import shop
from compare.server import Server

NUMBER, TEXT = "BIGINT", "VARCHAR(36)"
_AS_UUID = "INSERT(INSERT(INSERT(INSERT(MD5(seq),9,0,'-'),14,0,'-'),19,0,'-'),24,0,'-')"
_VALUES = {NUMBER: "seq", TEXT: _AS_UUID}
# So many rows per statement, or a server would hold all of them for a rollback.
PIECE = 500_000


def empty(server: Server, key: str = NUMBER) -> None:
    """Makes the database anew, with the table and without rows."""
    shop.empty_database(server)
    server.run(shop.script("item", key=key))


def grow(server: Server, first: int, last: int, key: str = NUMBER) -> None:
    """Adds the rows with these numbers, both included."""
    for start in range(first, last + 1, PIECE):
        end = min(start + PIECE - 1, last)
        server.run(shop.script("item_rows", first=start, last=end, value=_VALUES[key]))


def change(server: Server, share: float, salt: int) -> None:
    """Gives this share of the rows another price; `salt` makes it others each time."""
    step = round(1 / share)
    server.run(f"UPDATE item SET price=price+1.01 WHERE (number*7919+{salt})%{step}=0")


def sums(side: Server | Path) -> tuple[object, ...]:
    """What the table adds up to, alike on a server and in a file."""
    if isinstance(side, Server):
        count, total = shop.sums(side, ("item",))["item"]
        return count, int(str(total or 0))
    columns = (
        "id, number, category_id, sku, name, printf('%.2f', price), stock, attributes, "
        "description, active, updated"
    )
    line = sqlite3.connect(side)
    try:
        count = total = 0
        for row in line.execute(f"SELECT {columns} FROM item"):
            count += 1
            total += zlib.crc32("|".join(map(str, row)).encode())
        return count, total
    finally:
        line.close()


def empty_file(path: Path) -> None:
    """Makes a SQLite file anew, with the table and without rows."""
    path.unlink(missing_ok=True)
    line = sqlite3.connect(path)
    line.executescript(shop.script("item_sqlite"))
    line.close()


def write_csv(server: Server, path: Path) -> None:
    """Writes all rows of a server's table, as `.import` reads them."""
    with server.connect() as line, line.cursor(SSCursor) as cursor, path.open("w") as file:
        cursor.execute("SELECT * FROM item ORDER BY id")
        csv.writer(file, lineterminator="\n").writerows(cursor)
