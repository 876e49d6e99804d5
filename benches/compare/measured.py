"""What was measured, and the words by which it is found again."""

import dataclasses
import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

# The parts of `make bench`.
SHOP, GROWTH, LINK, KEYS, FILES = "shop", "growth", "link", "keys", "files"
OURS = "db-sync"
# Works.
FIRST, NOTHING, APPENDED = "first load", "nothing changed", "0.1 % appended"
FEW, SOME, MIXED = "0.1 % changed", "1 % changed", "0.2 % changed"
IDLE, TAIL = "idle", "1,000 rows appended"
TO_FILE, FILE_TO_FILE = "MariaDB → SQLite", "SQLite → SQLite"
# Contenders whom the aims name.
LIMIT, DUMP = "the limit: SELECT → LOAD DATA", "mariadb-dump → mariadb"
MYDUMPER, SLING = "mydumper + myloader", "sling"
PLAIN, DJANGO = "plain PyMySQL script", "Django bulk_create"
TABLE_SYNC, RELADIFF, IMPORT = "pt-table-sync", "reladiff (lists only)", "sqlite3 .import"
PYTHON = "db-sync through Python"
ONE_SIDE, BOTH_SIDES = "db-sync, all on one side", "db-sync, half on each side"
DIRECTLY, SLOWLY = "directly", "over the slow link"
NUMBERS, TEXTS = "integer key", "text key"


@dataclass(frozen=True)
class Measurement:
    """One work, done once.

    Attributes:
        part: The part of `make bench`.
        work: What was done.
        by: Who did it, or upon what.
        rows: How many rows the tables had.
        seconds: How long it took.
        peak: The most memory that the program had, in bytes; None for more than one program.
        remote: The bytes that the remote server said and heard.
        local: The same of the local server.
        trips: How often each connection over the slow link asked and waited for the answer.
    """

    part: str
    work: str
    by: str
    rows: int
    seconds: float
    peak: int | None = None
    remote: int | None = None
    local: int | None = None
    trips: list[int] | None = None


@dataclass
class Part:
    """All of one part.

    Attributes:
        name: The part of `make bench`.
        head: When, where and how large it was.
        found: The measurements.
        absent: Contenders that could not be had, and why.
        failed: Contenders that failed, and why.
    """

    name: str
    head: str
    found: list[Measurement] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def keep(self, path: Path) -> None:
        """Writes it down, so that one part can be measured anew without the others."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False))

    @classmethod
    def kept(cls, path: Path) -> "Part":
        """Reads what `keep` wrote."""
        read = json.loads(path.read_text())
        return cls(**{**read, "found": [Measurement(**one) for one in read["found"]]})


class Measured:
    """All measurements, by part, work, contender and rows."""

    def __init__(self, parts: Iterable[Part]) -> None:
        """Takes what was measured."""
        self.parts = list(parts)

    def of(
        self, part: str, work: str | None = None, by: str | None = None, rows: int | None = None
    ) -> list[Measurement]:
        """Those that are meant; None means any."""
        return [
            one
            for each in self.parts
            for one in each.found
            if one.part == part
            and work in (None, one.work)
            and by in (None, one.by)
            and rows in (None, one.rows)
        ]

    def seconds(self, part: str, work: str, by: str, rows: int | None = None) -> float | None:
        """The median time, or None where there is none."""
        return median(one.seconds for one in self.of(part, work, by, rows))

    def peak(self, part: str, work: str, by: str, rows: int | None = None) -> int | None:
        """The most memory in any round, or None where there is none."""
        return max((one.peak for one in self.of(part, work, by, rows) if one.peak), default=None)

    def sizes(self, part: str) -> list[int]:
        """The numbers of rows that were measured, the smallest first."""
        return sorted({one.rows for one in self.of(part) if one.rows})


def median(numbers: Iterable[float | None]) -> float | None:
    """The median of those that are there, or None."""
    there = [number for number in numbers if number is not None]
    return statistics.median(there) if there else None
