"""What applications did: every version that they committed, and what it replaced."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from soak.tables import TOKEN, Key, Row, Side


@dataclass(frozen=True)
class Deed:
    """What one transaction of an application made of one key.

    Attributes:
        side: Where.
        table: The table's name.
        key: The key.
        found: The token of the version that it replaced, as seen under the row's lock; `None`
            where there was no row.
        row: The version that it left, whole; `None` where it deleted the row.
        order: Taken while the row was locked, so deeds on one key of one side are in the order in
            which they happened.
        certain: Whether the server has acknowledged the commit. Without that, nobody knows
            whether it happened.
        step: The step of the history in which it was done.
    """

    side: Side
    table: str
    key: Key
    found: int | None
    row: Row | None
    order: int
    certain: bool
    step: int

    @property
    def token(self) -> int | None:
        """What the version is known by."""
        token = None if self.row is None else self.row[TOKEN]
        return token if isinstance(token, int) else None

    def __str__(self) -> str:
        """One line for people."""
        what = "deletes" if self.row is None else f"writes {dict(self.row)}"
        instead = "no row" if self.found is None else f"token {self.found}"
        surely = "" if self.certain else " (nobody knows whether it was committed)"
        place = f"{self.side.value} {self.table}{self.key}"
        return f"{self.order}: step {self.step}: {place} {what} instead of {instead}{surely}"


class Ledger:
    """All deeds of a history. Several threads may write into it."""

    def __init__(self) -> None:
        """Nothing has been done."""
        self._orders = itertools.count(1)
        self._deeds: list[Deed] = []
        self._lock = threading.Lock()

    def order(self) -> int:
        """The next place in the order; to be taken while the rows are still locked."""
        with self._lock:
            return next(self._orders)

    def add(self, deeds: Iterable[Deed]) -> None:
        """Notes what a transaction did, once its fate is known, or known to be unknown."""
        with self._lock:
            self._deeds.extend(deeds)

    def deeds(self) -> list[Deed]:
        """Everything, in order."""
        with self._lock:
            return sorted(self._deeds, key=lambda deed: deed.order)
