"""What the engine has kept on LOCAL: pre-images and conflicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from soak.lines import Line
from soak.tables import BY_NAME, TOKEN, Cell, Key, Row, Side


@dataclass(frozen=True)
class Undo:
    """A row of `db_sync_undo` that holds something.

    Attributes:
        side: Where the row was overwritten or deleted.
        table: Its table.
        before: The row as it was.
        run: The run that wrote it.
        action: `UPDATE` or `DELETE`.
    """

    side: Side
    table: str
    before: Row
    run: str = ""
    action: str = ""

    def __str__(self) -> str:
        """One line for people."""
        place = f"{self.side.value} {self.table}"
        return f"undo: run {self.run} {self.action} on {place}, was {dict(self.before)}"


@dataclass(frozen=True)
class Conflict:
    """A row of `db_sync_conflict`.

    Attributes:
        number: Its id; the greater, the later.
        table: The table.
        key: The key.
        kind: What both sides did.
        strategy: How it was decided.
        state: `PENDING` or `RESOLVED`.
        winner: Whose version was taken, if anybody's.
        rows: What each side held; `None` where the row was gone.
        run: The run that met it last.
    """

    number: int
    table: str
    key: Key
    kind: str
    strategy: str
    state: str
    winner: str | None
    rows: Mapping[Side, Row | None]
    run: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it waits for a person."""
        return self.state == "PENDING"

    @property
    def leaves_both(self) -> bool:
        """Whether both versions stay."""
        return self.winner is None and (self.is_open or self.strategy == "SKIP")

    def __str__(self) -> str:
        """One line for people."""
        rows = {side.value: dict(row) if row else None for side, row in self.rows.items()}
        how = f"{self.kind} {self.strategy} {self.state} winner {self.winner}"
        return f"conflict {self.number}: run {self.run} {self.table}{self.key} {how}: {rows}"


def undos(line: Line) -> list[Undo]:
    """Reads the pre-images of rows that were there."""
    told = line.run(
        "SELECT side, table_name, row_before, run_id, action FROM db_sync_undo "
        "WHERE row_before IS NOT NULL AND part=0 ORDER BY id"
    )
    return [
        Undo(Side(side), str(table), _row(before) or {}, str(run), str(action))
        for side, table, before, run, action in told
    ]


def conflicts(line: Line) -> list[Conflict]:
    """Reads all conflicts, the oldest first."""
    told = line.run(
        "SELECT id, table_name, row_key, kind, strategy, state, winner, remote_row, local_row, "
        "run_id FROM db_sync_conflict ORDER BY id"
    )
    found = []
    for number, table, key, kind, strategy, state, winner, remote, local, run in told:
        cells = _row(key) or {}
        found.append(
            Conflict(
                number=int(number or 0),
                table=str(table),
                key=tuple(cells.get(name) for name in BY_NAME[str(table)].key),
                kind=str(kind),
                strategy=str(strategy),
                state=str(state),
                winner=None if winner is None else str(winner),
                rows={Side.REMOTE: _row(remote), Side.LOCAL: _row(local)},
                run=str(run),
            )
        )
    return found


def _row(text: Cell) -> Row | None:
    if text is None:
        return None
    row = json.loads(str(text))
    assert isinstance(row, dict)  # noqa: S101 - the contract says objects
    return row


def token(row: Row | None) -> int | None:
    """The version that a row is, if there is one."""
    found = None if row is None else row.get(TOKEN)
    return found if isinstance(found, int) else None
