"""The shop's data, made by the server itself and alike every time."""

from pathlib import Path

from compare.server import DATABASE, Server

TABLES = ("category", "product", "orders", "stock_move")


def script(name: str, **places: int | str) -> str:
    """Reads a file of statements.

    Args:
        name: The file beside this one, without its ending.
        places: What stands in its places, `__SO__` for `so`.

    Returns:
        The statements.
    """
    lines = Path(__file__).with_name(f"{name}.sql").read_text().splitlines()
    # A comment's semicolon ends no statement.
    text = "\n".join(line for line in lines if not line.startswith("--"))
    for place, meant in places.items():
        text = text.replace(f"__{place.upper()}__", str(meant))
    return text


def empty_database(server: Server) -> None:
    """Makes the database anew, without tables; what was is forgotten by the server's log too."""
    if server.run("SELECT @@log_bin", database=None)[0][0]:
        # Every load is written there once more, and nobody reads it: it would fill the disk.
        server.run("PURGE BINARY LOGS BEFORE NOW()", database=None)
    server.run(
        f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4",
        database=None,
    )


def empty(server: Server) -> None:
    """Makes the tables anew, without rows."""
    empty_database(server)
    server.run(script("tables"))


def fill(server: Server, rows: int) -> None:
    """Makes the rows: so many products and orders, and a fifth as many stock moves."""
    empty(server)
    server.run(script("rows", rows=rows, moves=rows // 5))


def change(server: Server, share: float, salt: int, *, second_side: bool = False) -> None:
    """Changes this share of the products, with deletions and insertions among the orders.

    Changes with the same share and salts that follow each other are of different rows.

    Args:
        server: Where.
        share: How many of the products.
        salt: Makes it other rows each time.
        second_side: New rows take even numbers then, and odd ones else, so that never two sides
            give one number to two rows.
    """
    server.run(script("changes", step=round(1 / share), salt=salt, offset=1 + second_side))


def append(server: Server, share: float, salt: int) -> None:
    """Adds this share of products and of orders at the end, and touches nothing else."""
    server.run(script("appended", step=round(1 / share), salt=salt))


def row_count(server: Server) -> int:
    """How many rows all tables have together."""
    return sum(int(str(server.run(f"SELECT COUNT(*) FROM {table}")[0][0])) for table in TABLES)


def sums(server: Server, tables: tuple[str, ...] = TABLES) -> dict[str, tuple[object, ...]]:
    """What each table adds up to: count, and the sum of the rows' checksums."""
    found = {}
    for table in tables:
        names = server.run(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS "
            f"WHERE TABLE_SCHEMA='{DATABASE}' AND TABLE_NAME='{table}' ORDER BY ORDINAL_POSITION"
        )
        columns = ",".join(f"IFNULL(`{name}`,'~')" for (name,) in names)
        query = f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',{columns}))) FROM {table}"
        found[table] = server.run(query)[0]
    return found
