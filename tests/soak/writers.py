"""Applications: seeded transactions on one side, each of them noted once its fate is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from soak.ledger import Deed, Ledger
from soak.lines import Database, Line, LostError, RefusedError, UnknownError
from soak.script import Script
from soak.tables import (
    BY_NAME,
    CHILDREN,
    CODE,
    PARENT,
    PARENTS,
    PAYLOAD,
    PREVIOUS,
    TABLES,
    TOKEN,
    Cell,
    Key,
    Row,
    Side,
    Table,
)

# What texts are made of: whatever a careless program would take for something else.
_TEXTS = (
    None,
    "",
    "NULL",
    "\\N",
    "a",
    "A",
    "ä",
    "é",
    " ",
    "'",
    '"',
    "\\",
    "\t",
    "\n",
    "%s",
    "🎁",
    "商品",
)


@dataclass(frozen=True)
class Fate:
    """How many transactions an application tried, and what became of them."""

    committed: int = 0
    refused: int = 0
    unknown: int = 0

    def __add__(self, other: Fate) -> Fate:
        """Both together."""
        return Fate(
            self.committed + other.committed,
            self.refused + other.refused,
            self.unknown + other.unknown,
        )


class Application:
    """One application on one side, with a line of its own.

    Attributes:
        side: Where it writes.
        line: Its line.
        fate: What became of its transactions so far.
    """

    def __init__(
        self, script: Script, side: Side, number: int, database: Database, ledger: Ledger
    ) -> None:
        """Connects; applications of one history differ in `number`, from 0 to 9."""
        self._script, self.side, self._number = script, side, number
        self._database, self._ledger = database, ledger
        self._dice = script.dice("application", number)
        self._tokens = 0
        self._step = 0
        self.line: Line = database.connect()
        # What the transaction that is open has done so far.
        self._drafts: list[Deed] = []
        self.fate = Fate()

    def close(self) -> None:
        """Goes away."""
        self.line.close()

    def fill(self, share: float) -> None:
        """Writes the rows that are there before the first sync, a table at a time."""
        for table in TABLES:
            self._transaction(partial(self._fill, table, share))

    def _fill(self, table: Table, share: float) -> None:
        for number in range(self._script.keys[table.name]):
            if self._dice.random() < share:
                self._insert(table, table.nth_key(number), code=f"C{number}")

    def work(self, step: int, transactions: int) -> None:
        """Does so many transactions, whatever becomes of them.

        Args:
            step: The step of the history, for the ledger.
            transactions: How many.
        """
        self._step = step
        for _ in range(transactions):
            self._transaction(self._some)

    def _transaction(self, work: Callable[[], None]) -> None:
        """Runs `work` in a transaction, and notes what it did."""
        self._drafts = []
        try:
            self.line.begin()
            work()
            # The rows are still locked, so nobody else can be earlier with the same keys.
            self._drafts = [replace(one, order=self._ledger.order()) for one in self._drafts]
            if self._dice.random() < 0.05:
                self.line.rollback()
                return
            self.line.commit()
        except RefusedError:
            self.fate += Fate(refused=1)
        except LostError:
            self.fate += Fate(refused=1)
            self._reconnect()
        except UnknownError:
            self.fate += Fate(unknown=1)
            self._ledger.add(replace(one, certain=False) for one in self._drafts)
            self._reconnect()
        else:
            self.fate += Fate(committed=1)
            self._ledger.add(self._drafts)

    def _reconnect(self) -> None:
        self.line.close()
        self.line = self._database.connect()

    def _some(self) -> None:
        for _ in range(self._dice.choice((1, 1, 1, 2, 4))):
            table = self._dice.choice(TABLES)
            key, other = self._key(table), self._key(table)
            deed = self._dice.random()
            if self._is_touched(table, key):
                continue
            if deed < 0.5:
                self._put(table, key)
            elif deed < 0.75:
                self._delete(table, key)
            elif deed < 0.9:
                self._renew(table, key)
            elif not self._is_touched(table, other):
                self._move(table, key, other)

    def _key(self, table: Table) -> Key:
        return table.nth_key(self._dice.randrange(self._script.keys[table.name]))

    def _is_touched(self, table: Table, key: Key) -> bool:
        # What one transaction does to a key twice leaves one version; only that one is anybody's.
        return any((one.table, one.key) == (table.name, key) for one in self._drafts)

    def _new_cells(self, table: Table) -> dict[str, Cell]:
        self._tokens += 1
        texts = [self._dice.choice(_TEXTS) for _ in range(self._dice.randint(1, 4))]
        cells: dict[str, Cell] = {
            TOKEN: self._tokens * 10 + self._number,
            PAYLOAD: None if texts[0] is None else "".join(text or "" for text in texts),
        }
        if table.parent is not None:
            parents = self.line.run(f"SELECT id FROM {table.parent} ORDER BY id")
            # Without a parent the row is refused, which may well be tried, too.
            cells[PARENT] = self._dice.choice(parents or [(0,)])[0]
        if CODE in table.columns:
            number = self._dice.randrange(self._script.keys[table.name] * 4)
            cells[CODE] = self._dice.choice((None, f"C{number}", f"C{number}"))
        return cells

    def _where(self, table: Table) -> str:
        return " AND ".join(f"{name}=?" for name in table.key)

    def _rows(self, table: Table, where: str, *arguments: Cell, lock: bool = False) -> list[Row]:
        locking = self._database.locking if lock else ""
        columns = ", ".join(table.columns)
        sql = f"SELECT {columns} FROM {table.name} WHERE {where}{locking}"
        rows = self.line.run(sql, *arguments)
        return [dict(zip(table.columns, row, strict=True)) for row in rows]

    def _note(self, table: Table, key: Key, found: Cell, row: Row | None) -> None:
        found = found if isinstance(found, int) else None
        self._drafts.append(Deed(self.side, table.name, key, found, row, 0, True, self._step))

    def _insert(self, table: Table, key: Key, found: Cell = None, code: str | None = None) -> None:
        cells = dict(zip(table.key, key, strict=True)) | self._new_cells(table)
        if code is not None and CODE in cells:
            cells[CODE] = code
        names, marks = ", ".join(cells), ", ".join("?" * len(cells))
        sql = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
        self.line.write(sql, *cells.values())
        row = {name: cells.get(name) for name in table.columns}
        self._note(table, key, found, row)

    def _put(self, table: Table, key: Key) -> None:
        """Updates the row without looking at it first, or inserts it where there is none."""
        cells = self._new_cells(table)
        sets = ", ".join(f"{name}=?" for name in cells)
        # The server itself says what was there: assignments are done from left to right.
        sql = f"UPDATE {table.name} SET {PREVIOUS}={TOKEN}, {sets} WHERE {self._where(table)}"
        if self.line.write(sql, *cells.values(), *key) == 0:
            self._insert(table, key)
            return
        [row] = self._rows(table, self._where(table), *key)
        self._note(table, key, row[PREVIOUS], row)

    def _locked(self, table: Table, key: Key) -> Row | None:
        rows = self._rows(table, self._where(table), *key, lock=True)
        return rows[0] if rows else None

    def _delete(self, table: Table, key: Key) -> None:
        row = self._locked(table, key)
        if row is None:
            return
        if table.name == PARENTS:
            self._delete_children(key)
        self.line.write(f"DELETE FROM {table.name} WHERE {self._where(table)}", *key)
        self._note(table, key, row[TOKEN], None)

    def _delete_children(self, key: Key) -> None:
        """Sees to the children of a parent that is locked, so that there cannot be more."""
        table = BY_NAME[CHILDREN]
        children = self._rows(table, f"{PARENT}=?", *key, lock=True)
        if any(self._is_touched(table, table.key_of(child)) for child in children):
            self.line.rollback()
            raise RefusedError("a child was touched before")
        if self._script.reaction != "CASCADE":
            self.line.write(f"DELETE FROM {table.name} WHERE {PARENT}=?", *key)
        for child in children:
            self._note(table, table.key_of(child), child[TOKEN], None)

    def _renew(self, table: Table, key: Key) -> None:
        """Deletes the row and uses its key again."""
        row = self._locked(table, key)
        if row is not None:
            if table.name == PARENTS:
                self._delete_children(key)
            self.line.write(f"DELETE FROM {table.name} WHERE {self._where(table)}", *key)
        self._insert(table, key, None if row is None else row[TOKEN])

    def _move(self, table: Table, key: Key, to: Key) -> None:
        """Gives the row another key, if that is free."""
        row = self._locked(table, key)
        if row is None or key == to:
            return
        cells = dict(zip(table.key, to, strict=True)) | self._new_cells(table)
        sets = ", ".join(f"{name}=?" for name in cells)
        sql = f"UPDATE {table.name} SET {PREVIOUS}={TOKEN}, {sets} WHERE {self._where(table)}"
        self.line.write(sql, *cells.values(), *key)
        [moved] = self._rows(table, self._where(table), *to)
        self._note(table, key, row[TOKEN], None)
        self._note(table, to, None, moved)
