"""What the dashboard shows, counted by the database in a few statements of bounded size.

Nothing here counts rows of synced tables: how many each side had is what the last sync noted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

from django.db.models import Count, Max, Sum
from django.db.models.functions import TruncDate

from db_sync.admin.clock import now, since, utc
from db_sync.admin.filters import DEFAULTS
from db_sync.models import SyncConfig, SyncConflict, SyncLog, SyncState

DAYS = 30
# A young log is not drawn beside weeks of nothing.
_LEAST_DAYS = 7
# However many passes the log has, only so many of the newest are looked at: their ids are a range
# of the primary key.
_PASSES = 30_000
# In the order in which they are stacked.
_SUCCESS = "SUCCESS"
_ENDED = (_SUCCESS, "PARTIAL", "INTERRUPTED", "FAILED")


@dataclass(slots=True)
class Passes:
    """Passes that ended, of one day or of all.

    Attributes:
        ended: How many, by how they ended.
        seconds: How long those took together that say it.
        timed: How many say it.
    """

    ended: Counter[str] = field(default_factory=Counter)
    seconds: float = 0
    timed: int = 0

    def add(self, other: "Passes") -> None:
        """Takes others in."""
        self.ended.update(other.ended)
        self.seconds += other.seconds
        self.timed += other.timed

    @property
    def mean(self) -> float | None:
        """Seconds that a pass took."""
        return self.seconds / self.timed if self.timed else None

    @property
    def success(self) -> float | None:
        """The share that ended as SUCCESS, from 0 to 1; None where nothing has ended."""
        total = self.ended.total()
        return self.ended[_SUCCESS] / total if total else None


@dataclass(frozen=True, slots=True)
class LastPass:
    """The newest pass of a table in one direction."""

    number: int
    direction: str
    status: str
    started: datetime
    error_code: str


@dataclass(slots=True)
class TableFigures:
    """One table.

    Attributes:
        name: Its name.
        enabled: Whether it is synced.
        last_sync: When a sync last ended with it, as SUCCESS or PARTIAL.
        rows: What REMOTE and LOCAL had then; None where nothing is noted.
        open_conflicts: Those that wait for a person.
        last: The newest pass in each direction.
        days: The passes of each day.
    """

    name: str
    enabled: bool
    last_sync: datetime | None
    rows: tuple[int, int] | None = None
    open_conflicts: int = 0
    last: list[LastPass] = field(default_factory=list)
    days: dict[date, Passes] = field(default_factory=dict)

    @property
    def lag(self) -> timedelta | None:
        """How long ago that was; None where there was none."""
        return _ago(self.last_sync)

    @property
    def total(self) -> Passes:
        """All passes that are looked at."""
        return _total(self.days.values())


@dataclass(frozen=True, slots=True)
class Figures:
    """All tables.

    Attributes:
        tables: In the order in which a run takes them.
        days: Every day that is looked at, oldest first, in UTC.
        is_cut: Whether the log holds so many passes that older ones were not looked at.
        unreached: The newest run that did not come to its tables, where no sync came after it.
    """

    tables: Sequence[TableFigures]
    days: Sequence[date]
    is_cut: bool
    unreached: LastPass | None

    def of_day(self, day: date) -> Passes:
        """Adds up the passes of all tables."""
        return _total(table.days[day] for table in self.tables if day in table.days)

    @property
    def open_conflicts(self) -> int:
        """Conflicts that wait for a person, in all tables."""
        return sum(table.open_conflicts for table in self.tables)

    @property
    def last_sync(self) -> datetime | None:
        """When a sync last ended with any table."""
        return max((table.last_sync for table in self.tables if table.last_sync), default=None)

    @property
    def lag(self) -> timedelta | None:
        """How long ago that was; None where there was none."""
        return _ago(self.last_sync)


def read() -> Figures:
    """Reads the figures from LOCAL.

    Returns:
        All configured tables.

    Raises:
        django.db.Error: LOCAL cannot be read.
    """
    tables = {
        row["table_name"]: TableFigures(
            name=row["table_name"],
            enabled=row["sync_enabled"],
            last_sync=_utc(row["last_sync_time"]),
        )
        for row in SyncConfig.objects.exclude(table_name=DEFAULTS).values()
    }
    newest = SyncLog.objects.order_by("-id").values_list("id", flat=True).first() or 0
    recent = SyncLog.objects.filter(id__gt=newest - _PASSES).order_by()
    window = recent.filter(start_time__gte=since(timedelta(days=DAYS)))
    _read_days(tables, window)
    unreached = _read_last(tables, window)
    synced = max((table.last_sync for table in tables.values() if table.last_sync), default=None)
    if unreached is not None and synced is not None and unreached.started <= synced:
        unreached = None
    _read_sides(tables)
    today = now().date()
    first = min((day for table in tables.values() for day in table.days), default=today)
    back = max((today - first).days, _LEAST_DAYS - 1)
    days = [today - timedelta(days=ago) for ago in reversed(range(back + 1))]
    oldest = recent.order_by("id").values_list("start_time", flat=True).first()
    is_cut = newest > _PASSES and oldest is not None and utc(oldest).date() > days[0]
    return Figures(list(tables.values()), days, is_cut, unreached)


def columns_of(passes: Passes) -> list[tuple[str, int]]:
    """Gives how many passes ended how, in the order in which they are stacked."""
    return [(status, passes.ended[status]) for status in _ENDED]


def _read_days(tables: Mapping[str, TableFigures], window: Any) -> None:
    # In UTC, as the column is: a server without time zone tables cannot turn it into another one.
    day = TruncDate("start_time", tzinfo=timezone.utc)
    rows = window.filter(status__in=_ENDED).annotate(day=day)
    counted = rows.values("table_name", "day", "status").annotate(
        passes=Count("id"), timed=Count("duration"), seconds=Sum("duration")
    )
    for row in counted:
        if row["table_name"] in tables:
            passes = tables[row["table_name"]].days.setdefault(row["day"], Passes())
            ended = Counter({row["status"]: row["passes"]})
            passes.add(Passes(ended, float(row["seconds"] or 0), row["timed"]))


def _read_last(tables: Mapping[str, TableFigures], window: Any) -> LastPass | None:
    """Reads how the newest pass in each direction stands, and gives the newest of all tables."""
    of_all: list[LastPass] = []
    ends = window.values("table_name", "sync_direction").annotate(newest=Max("id"))
    newest = ends.values_list("newest", flat=True)
    logs = SyncLog.objects.filter(id__in=list(newest)).defer("error_message")
    for log in logs.order_by("sync_direction"):
        begun, code = utc(log.start_time), log.error_code or ""
        last = LastPass(log.pk, log.sync_direction or "", log.status, begun, code)
        if log.table_name in tables:
            tables[log.table_name].last.append(last)
        elif log.table_name == DEFAULTS:
            of_all.append(last)
    return max(of_all, key=lambda last: last.number, default=None)


def _read_sides(tables: Mapping[str, TableFigures]) -> None:
    """Reads what the last sync noted of both sides, and what waits."""
    for name, seen in SyncState.objects.values_list("table_name", "seen"):
        if name in tables and seen:
            tables[name].rows = (seen["remote"]["rows"], seen["local"]["rows"])
    waiting = SyncConflict.objects.filter(state="PENDING").order_by().values("table_name")
    for row in waiting.annotate(conflicts=Count("id")):
        if row["table_name"] in tables:
            tables[row["table_name"]].open_conflicts = row["conflicts"]


def _total(parts: Any) -> Passes:
    total = Passes()
    for part in parts:
        total.add(part)
    return total


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else utc(moment)


def _ago(moment: datetime | None) -> timedelta | None:
    # LOCAL's clock may be ahead of ours.
    return None if moment is None else max(now() - moment, timedelta())
