"""What Django Q2 runs: automatic syncs of all tables, or of one.

A task may come twice, late, or beside another one: a table has one run at a time, and what a second
run finds in order it leaves alone. A run that fails raises, so that Django Q2 counts a failure.
"""

import json
import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.translation import gettext as _

from db_sync import _native
from db_sync.conf import settings_file
from db_sync.engine import resolve_conflict, sync
from db_sync.errors import ConnectionFailed, LockHeld, SyncError, error_from
from db_sync.printout import error_lines
from db_sync.report import ErrorReport, PassCounts, SyncReport

_log = logging.getLogger("db_sync")
_LOCKED = "SYNC_009"
# The exit codes of a run that ended well, but for rows that wait for a person.
_DONE = (0, 3)
_HELD = 4
# Failures that a failed task tells of.
_TOLD = 5


def run_scheduled_sync(env_file: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Runs the scheduled sync of all enabled tables.

    Args:
        env_file: Where the settings are, instead of the file that the project has.

    Returns:
        What was done, short enough for Django Q2 to keep: `status` is `SUCCESS`, `PARTIAL` (rows
        wait for a person), `HELD` (another run is at work on the tables in `held`, which does what
        this one would have done) or `DISABLED` (`DB_SYNC_ENABLED` is False: nothing was done); but
        for the last, also run_id, tables, written and conflicts.

    Raises:
        SyncError: A table failed, or the run as a whole cannot be done.
    """
    return _run(env_file)


def sync_table(
    name: str, *, env_file: str | os.PathLike[str] | None = None, **options: Any
) -> dict[str, Any]:
    """Syncs one table, otherwise as `run_scheduled_sync` does.

    Args:
        name: The table.
        env_file: Where the settings are, instead of the file that the project has.
        options: Further ones as for `db_sync.sync`: sync_type, direction, conflict, wait, … With
            `triggered_by="MANUAL"` a person asked for it: it is done whatever `DB_SYNC_ENABLED`
            says.

    Returns:
        As `run_scheduled_sync`.

    Raises:
        SyncError: The table failed, or is unknown.
        TypeError: There is no such option.
    """
    return _run(env_file, tables=[name], **options)


def decide_conflicts(
    chosen: Iterable[tuple[int, str]],
    *,
    keep: str,
    by: str,
    env_file: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Decides conflicts one after the other.

    It is no automatic run: a person has decided, whatever `DB_SYNC_ENABLED` says.

    Args:
        chosen: Each conflict's id, and the versions that were looked at, as `SyncConflict.seen`
            names them.
        keep: Whose rows: `remote` or `local`.
        by: Who decides.
        env_file: Where the settings are, instead of the file that the project has.

    Returns:
        `status` is `SUCCESS`, or `PARTIAL` where rows were changed since or another run holds their
        table: those conflicts are in `left`. `decided` counts the others.

    Raises:
        SyncError: A side cannot be reached, and the rest was not tried; or, after all of them, some
            cannot be decided.
    """
    path = settings_file(env_file)
    decided, left, failures = 0, [], []
    for conflict, seen in chosen:
        try:
            report = resolve_conflict(conflict, keep=keep, by=by, seen=seen, env_file=path)
            if report.exit_code not in (*_DONE, _HELD):
                raise _failure(report)
        except ConnectionFailed:
            raise
        except SyncError as error:
            failures.append(ErrorReport.from_exception(error))
            continue
        decided += report.ok
        left += [] if report.ok else [conflict]
    if failures:
        raise _told(failures)
    return {"status": "PARTIAL" if left else "SUCCESS", "decided": decided, "left": left}


def _run(
    env_file: str | os.PathLike[str] | None, *, triggered_by: str = "SCHEDULED", **options: Any
) -> dict[str, Any]:
    path = settings_file(env_file)
    automatic = triggered_by != "MANUAL"
    if automatic and not json.loads(_native.settings(path))["enabled"]:
        message = _("DB_SYNC_ENABLED is False: nothing was synced.")
        _log.info(message)
        return {"status": "DISABLED", "message": message}
    try:
        report = sync(env_file=path, triggered_by=triggered_by, **options)
    except LockHeld as error:
        return _held([error.table] if error.table else [])
    if report.exit_code == _HELD:
        tables = {error.table for error in report.errors if error.code == _LOCKED}
        return {**_summary(report), **_held(sorted(filter(None, tables)))}
    if report.exit_code not in _DONE:
        raise _failure(report)
    return _summary(report)


def _summary(report: SyncReport) -> dict[str, Any]:
    to_local = sum((table.remote_to_local for table in report.tables), PassCounts())
    to_remote = sum((table.local_to_remote for table in report.tables), PassCounts())
    return {
        "status": report.status,
        "run_id": report.run_id,
        "tables": len(report.tables),
        "written": {"REMOTE": _rows(to_remote), "LOCAL": _rows(to_local)},
        "conflicts": sum(table.conflicts.detected for table in report.tables),
    }


def _rows(counts: PassCounts) -> int:
    return counts.inserted + counts.updated + counts.deleted


def _held(tables: list[str]) -> dict[str, Any]:
    message = _("Another run holds the lock of a table.")
    _log.warning("%s %s", message, ", ".join(tables))
    return {"status": "HELD", "held": tables, "message": message}


def _failure(report: SyncReport) -> SyncError:
    """Makes an exception of a report: the code of its first failure, and the words of the first."""
    errors = report.errors or tuple(table.error for table in report.tables if table.error)
    return _told(errors or (ErrorReport(code="SYNC_005", message=report.status),))


def _told(errors: Sequence[ErrorReport]) -> SyncError:
    first = errors[0]
    lines = [line.text for error in errors[:_TOLD] for line in error_lines(error)]
    if len(errors) > _TOLD:
        lines.append("…")
    words = "\n".join(lines).removeprefix(f"{first.code}: ") or first.message
    return error_from({**first.as_dict(), "message": words})
