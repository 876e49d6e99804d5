"""What a check of both sides' rows found, as frozen dataclasses over the engine's JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from db_sync.report import ErrorReport, RowCounts, SyncReport, known, plain


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row that is not the same on both sides.

    Attributes:
        key: The key's columns and their values.
        on: Where there is such a row: `REMOTE`, `LOCAL` or `BOTH`.
        columns: The columns that differ; all of them where only one side has the row.
    """

    key: Mapping[str, Any]
    on: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableContents:
    """What both sides hold of a table.

    Attributes:
        table: The table's name.
        equal: Whether both sides hold the same rows.
        rows: How many each side has.
        only_remote: Rows that REMOTE alone has.
        only_local: Rows that LOCAL alone has.
        differing: Rows that both have, and differently.
        differences: The first of them all; none of a table of which nothing tells rows apart.
        differences_truncated: Whether there are more.
        error: That they differ (`SYNC_010`), or why they cannot be compared; None where they are
            equal.
    """

    table: str
    equal: bool
    rows: RowCounts
    only_remote: int = 0
    only_local: int = 0
    differing: int = 0
    differences: tuple[RowDifference, ...] = ()
    differences_truncated: bool = False
    error: ErrorReport | None = None


@dataclass(frozen=True, slots=True)
class ContentsReport:
    """What a check of both sides' rows found, and what repairing them did.

    Attributes:
        tables: Each table, as it was found.
        repair: What the sync of those that differ did; None where none was asked for or needed.
        after: Those that differed, looked at again after the repair.
        exit_code: The status with which `sync_check` ends: 0 where both sides hold the same.
    """

    tables: tuple[TableContents, ...]
    repair: SyncReport | None
    after: tuple[TableContents, ...] | None
    exit_code: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ContentsReport":
        """Builds the report from the decoded JSON.

        Args:
            data: The keys of `as_dict`.

        Returns:
            The report.

        Raises:
            KeyError, TypeError: A key is missing.
        """
        repair, after = data.get("repair"), data.get("after")
        nested = {
            "tables": tuple(_table(table) for table in data["tables"]),
            "repair": None if repair is None else SyncReport.from_dict(repair),
            "after": None if after is None else tuple(_table(table) for table in after),
        }
        return known(cls, {**data, **nested})

    def as_dict(self) -> dict[str, Any]:
        """Gives the report back as what `json.dumps` takes."""
        told: dict[str, Any] = plain(self)
        return told


def _table(data: Mapping[str, Any]) -> TableContents:
    error = data.get("error")
    nested = {
        "rows": known(RowCounts, data["rows"]),
        "differences": tuple(
            known(RowDifference, {**row, "columns": tuple(row["columns"])})
            for row in data["differences"]
        ),
        "error": None if error is None else known(ErrorReport, error),
    }
    return known(TableContents, {**data, **nested})
