"""How the two sides stand: whether they answer, when they were last synced, and what waits."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import Error
from django.db.utils import ConnectionHandler
from django.utils.translation import gettext as _

from db_sync import engine
from db_sync.conf import databases
from db_sync.errors import ConnectionFailed, SyncError
from db_sync.report import ErrorReport, PassCounts, SyncReport, TableReport

SIDES = ("REMOTE", "LOCAL")
DIRECTIONS = ("REMOTE_TO_LOCAL", "LOCAL_TO_REMOTE")
# The engine has just reached the server: only a driver of Django's that cannot takes longer.
_PATIENCE = 10
_CONFIGURED = """
    SELECT table_name, sync_direction, last_sync_time FROM db_sync_config
    WHERE sync_enabled = 1 AND table_name <> '*'
"""
_PASSES = """
    SELECT table_name, sync_direction, MAX(start_time) FROM db_sync_log
    WHERE status = 'SUCCESS' GROUP BY table_name, sync_direction
"""
# A run that ends so has looked at every table; with the second, rows stay different.
_DONE, _LEFT = 0, 3


@dataclass(frozen=True, slots=True)
class SideStanding:
    """One side.

    Attributes:
        error: Why it cannot be reached, or None.
        latency_ms: Milliseconds that Django waits for the answer to the smallest question; None
            where the side cannot be reached.
    """

    error: ErrorReport | None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class LastSync:
    """Up to when one direction is synced.

    Attributes:
        at: When the last successful pass began of the table that has waited longest; None where a
            table was never synced.
        table: That table.
    """

    at: datetime | None
    table: str

    @property
    def lag(self) -> timedelta | None:
        """How long ago that is."""
        return None if self.at is None else datetime.now(timezone.utc) - self.at


@dataclass(frozen=True, slots=True)
class Standing:
    """How both sides stand.

    Attributes:
        sides: By `REMOTE` and `LOCAL`.
        last_syncs: By direction; without a direction in which no table is synced, and empty where
            LOCAL cannot be asked.
        report: What a sync would do now; None where that cannot be known.
        trouble: Why it cannot be known, or None.
        conflicts: How many wait for a person; None where LOCAL cannot be asked.
    """

    sides: Mapping[str, SideStanding]
    last_syncs: Mapping[str, LastSync] = field(default_factory=dict)
    report: SyncReport | None = None
    trouble: ErrorReport | None = None
    conflicts: int | None = None

    @property
    def rows_for_local(self) -> int:
        """How many rows a sync would write on LOCAL."""
        return sum(_rows(table.remote_to_local) for table in self._tables)

    @property
    def rows_for_remote(self) -> int:
        """How many rows a sync would write on REMOTE."""
        return sum(_rows(table.local_to_remote) for table in self._tables)

    @property
    def rows_stay(self) -> bool:
        """Whether a sync would leave rows for a person, or as they are."""
        return self.report is not None and self.report.exit_code == _LEFT

    @property
    def rows_wait(self) -> bool:
        """Whether the sides are not as a sync would have them."""
        return bool(self.rows_for_local or self.rows_for_remote or self.rows_stay)

    @property
    def _tables(self) -> tuple[TableReport, ...]:
        return self.report.tables if self.report else ()


def look(env_file: str | os.PathLike[str] | None = None, *, progress: str = "never") -> Standing:
    """Looks at both sides, and writes nothing.

    What a sync would do is found by a dry run, which for large tables takes its time.

    Args:
        env_file: Where the settings are, instead of `.env` in the working directory.
        progress: As for `sync`.

    Returns:
        How the sides stand.

    Raises:
        ConfigError: Keys are missing or hold values that are not allowed.
    """
    failures: dict[str, ErrorReport] = {}
    conflicts = report = trouble = None
    try:
        conflicts = len(engine.list_conflicts(env_file=env_file))
    except SyncError as error:
        _note(failures, error)
    try:
        report = engine.sync(dry_run=True, env_file=env_file, progress=progress)
        trouble = _trouble(report)
    except SyncError as error:
        _note(failures, error)
        trouble = ErrorReport.from_exception(error)
    lines = ConnectionHandler(_patient(databases(env_file)))
    sides = {
        side: SideStanding(failures[side]) if side in failures else _answer(lines, side)
        for side in SIDES
    }
    last_syncs = {} if sides["LOCAL"].error else _last_syncs(lines)
    lines.close_all()
    return Standing(sides, last_syncs, None if trouble else report, trouble, conflicts)


def _rows(counts: PassCounts) -> int:
    return counts.inserted + counts.updated + counts.deleted


def _note(failures: dict[str, ErrorReport], error: SyncError) -> None:
    """Notes that a side cannot be reached, where that is what the failure says."""
    side = error.names.get("side")
    if isinstance(error, ConnectionFailed) and side in SIDES:
        failures[side] = ErrorReport.from_exception(error)


def _trouble(report: SyncReport) -> ErrorReport | None:
    """Gives the failure for which a dry run did not look at every table, if there is one."""
    if report.exit_code in (_DONE, _LEFT):
        return None
    failed = [table.error for table in report.tables if table.error]
    return next(iter((*failed, *report.errors)), ErrorReport("SYNC_005", report.status))


def _patient(aliases: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Has Django's drivers give up on a server that falls silent."""
    for database in aliases.values():
        if database["ENGINE"].endswith(".mysql"):
            limits = {"connect_timeout": _PATIENCE, "read_timeout": _PATIENCE}
            database["OPTIONS"] = {**database["OPTIONS"], **limits}
    return aliases


def _answer(lines: ConnectionHandler, side: str) -> SideStanding:
    """Asks a side that the engine can reach the way the site asks it."""
    try:
        with lines[side.lower()].cursor() as cursor:
            begun = time.perf_counter()
            cursor.execute("SELECT 1")
            cursor.fetchone()
            return SideStanding(None, (time.perf_counter() - begun) * 1000)
    except (Error, ImproperlyConfigured) as error:
        problem = _("Django cannot connect to %(side)s: %(reason)s.")
        names = {"side": side, "reason": str(error).rstrip(".")}
        hint = _("The sync can. Look at the database driver and at what DATABASES says.")
        return SideStanding(ErrorReport("DB_CONN_001", problem % names, hint))


def _last_syncs(lines: ConnectionHandler) -> dict[str, LastSync]:
    """Finds for each direction the table that has waited longest."""
    try:
        with lines["local"].cursor() as cursor:
            cursor.execute(_CONFIGURED)
            configured = cursor.fetchall()
            cursor.execute(_PASSES)
            passes = {(table, way): _moment(at) for table, way, at in cursor.fetchall()}
    except Error:
        # Nothing was ever synced, or by an older version whose log says less.
        return {}
    found = {}
    for way in DIRECTIONS:
        tables = [
            # What was undone or decided by a person is in the log too, but is no sync.
            LastSync(_earlier(passes.get((table, way)), _moment(synced)), table)
            for table, allowed, synced in configured
            if allowed in ("BOTH", way)
        ]
        if tables:
            never = datetime.min.replace(tzinfo=timezone.utc)
            found[way] = min(tables, key=lambda last: (last.at or never, last.table))
    return found


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else min(one, other)


def _moment(value: Any) -> datetime | None:
    """Reads a time of the engine's, which is in UTC; SQLite has it as text."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        return at.replace(tzinfo=timezone.utc) if isinstance(at, datetime) else None
    except ValueError:
        return None
