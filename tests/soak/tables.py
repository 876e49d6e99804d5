"""The tables of every history: what their keys look like, and what stands in the way of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

Cell = int | str | None
Key = tuple[Cell, ...]
# A row by its columns. Every version of a row has a token of its own.
Row = Mapping[str, Cell]

TOKEN, PREVIOUS, PAYLOAD = "token", "previous", "payload"
PARENT, CODE = "parent_id", "code"


class Side(str, Enum):
    """One of the two sides, by the name that it has in the engine's tables."""

    REMOTE = "REMOTE"
    LOCAL = "LOCAL"

    @property
    def other(self) -> Side:
        """The other side."""
        return Side.LOCAL if self is Side.REMOTE else Side.REMOTE


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Its name.
        keys: The columns of its key, with their types.
        further: More columns, with their types; every table also has those of a version.
        rules: What else its definition says.
        parent: The table to which its rows belong.
    """

    name: str
    keys: tuple[tuple[str, str], ...]
    further: tuple[tuple[str, str], ...] = ()
    rules: str = ""
    parent: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the key's columns."""
        return tuple(name for name, _ in self.keys)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        further = tuple(name for name, _ in self.further)
        return (*self.key, *further, TOKEN, PREVIOUS, PAYLOAD)

    def definition(self, reaction: str) -> str:
        """The statement that makes it, on a server and in a file alike.

        Args:
            reaction: What a deleted parent does to its children, in SQL.
        """
        columns = [f"{name} {kind}" for name, kind in (*self.keys, *self.further)]
        columns += [f"{TOKEN} BIGINT NOT NULL", f"{PREVIOUS} BIGINT", f"{PAYLOAD} VARCHAR(80)"]
        columns.append(f"PRIMARY KEY ({', '.join(self.key)})")
        rules = self.rules.format(reaction=reaction)
        return f"CREATE TABLE {self.name} ({', '.join(columns)}{rules})"

    def key_of(self, row: Row) -> Key:
        """The key of a row."""
        return tuple(row[name] for name in self.key)

    def nth_key(self, number: int) -> Key:
        """The key with a number; texts that only a careless comparison takes for each other."""
        if self.name == "words":
            return (("w{}", "wörter {}", "w {}", "單詞{}")[number % 4].format(number),)
        if self.name == "pairs":
            return (number // 3, f"b{number % 3}")
        return (number,)


PARENTS, CHILDREN = "parents", "children"
_NUMBER = (("id", "INTEGER NOT NULL"),)
TABLES = (
    Table("numbers", _NUMBER),
    Table("words", (("word", "VARCHAR(30) NOT NULL"),)),
    Table("pairs", (("a", "INTEGER NOT NULL"), ("b", "VARCHAR(10) NOT NULL"))),
    Table(PARENTS, _NUMBER),
    Table(
        CHILDREN,
        _NUMBER,
        ((PARENT, "INTEGER NOT NULL"),),
        f", FOREIGN KEY ({PARENT}) REFERENCES {PARENTS} (id) ON DELETE {{reaction}}",
        PARENTS,
    ),
    Table("coupons", _NUMBER, ((CODE, "VARCHAR(10)"),), f", UNIQUE ({CODE})"),
)
BY_NAME = {table.name: table for table in TABLES}
