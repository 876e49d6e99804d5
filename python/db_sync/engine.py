"""The way to the engine: in this process, or in a child process where a side is a SQLite file.

The native module brings its own copy of SQLite, and two copies in one process lose each other's
file locks: a commit of Django's may then fail, or be lost. So a SQLite file, which Django may have
open right here, is left to a process in which the engine is alone.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from db_sync import _native
from db_sync.errors import error_from, fill
from db_sync.report import SyncReport

_FLAGS = {
    "sync_type": "--type",
    "direction": "--direction",
    "tables": "--table",
    "conflict": "--conflict",
    "capture": "--capture",
    "force": "--force",
    "dry_run": "--dry-run",
    "env_file": "--env-file",
    "progress": "--progress",
    "triggered_by": "--triggered-by",
}
_NO_REPORT = "The engine's process ended without a report (exit status {status})."
_NO_REPORT_HINT = (
    "Its last lines on stderr say more. Everything applied so far is consistent; "
    "run the sync again to continue."
)


def sync(
    *,
    sync_type: str | None = None,
    direction: str | None = None,
    tables: Sequence[str] = (),
    conflict: str | None = None,
    capture: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    env_file: str | os.PathLike[str] | None = None,
    progress: str = "never",
    triggered_by: str = "MANUAL",
) -> SyncReport:
    """Runs one sync.

    What is left out comes from the table's row in `db_sync_config`, then from the environment,
    then from the defaults. Values of a fixed set are taken in any letter case.

    Args:
        sync_type: `FULL` or `INCREMENTAL`.
        direction: `BOTH`, `REMOTE_TO_LOCAL` or `LOCAL_TO_REMOTE`.
        tables: Only these tables; all enabled ones if empty.
        conflict: `REMOTE_WINS`, `LOCAL_WINS`, `SKIP` or `MANUAL`.
        capture: `auto`, `binlog`, `digest` or `watermark`.
        force: Do what a guard would refuse.
        dry_run: Write nothing; the report says what would be done.
        env_file: Where the settings are, instead of `.env` in the working directory.
        progress: `auto`, `always` or `never`: bars or lines on stderr.
        triggered_by: `MANUAL`, `SCHEDULED`, `REALTIME` or `TEST`, for `db_sync_log`.

    Returns:
        The report. Failures of single tables or rows are in it and raise nothing.

    Raises:
        SyncError: The run as a whole cannot be done.
        KeyboardInterrupt: Ctrl-C; everything applied so far is consistent.
        TypeError: `tables` is a string.
    """
    if isinstance(tables, str):
        raise TypeError("tables must be a sequence of table names, not one string")
    given: dict[str, Any] = {
        "sync_type": sync_type,
        "direction": direction,
        "tables": list(tables),
        "conflict": conflict,
        "capture": capture,
        "force": force,
        "dry_run": dry_run,
        "env_file": None if env_file is None else os.fspath(env_file),
        "progress": progress,
        "triggered_by": triggered_by,
    }
    options = {name: value for name, value in given.items() if value}
    if _has_file(options.get("env_file")):
        return _run_in_child(options)
    return SyncReport.from_json(_native.run(json.dumps(options)))


def _has_file(env_file: str | None) -> bool:
    settings = json.loads(_native.settings(env_file))
    return any(settings[side]["engine"] == "sqlite" for side in ("remote", "local"))


def _flags(options: dict[str, Any]) -> Iterable[str]:
    for name, value in options.items():
        flag = _FLAGS[name]
        if value is True:
            yield flag
        else:
            # With `=`, a value may begin with a dash.
            yield from (f"{flag}={one}" for one in (value if isinstance(value, list) else [value]))


def _run_in_child(options: dict[str, Any]) -> SyncReport:
    command = [sys.executable, "-m", "db_sync", "run", "--json", *_flags(options)]
    # A session of its own keeps the terminal's Ctrl-C away from the child: it gets exactly one,
    # from here, also when only this process was told to stop.
    child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)  # noqa: S603
    try:
        output, _ = child.communicate()
    except BaseException:
        _stop(child)
        raise
    try:
        answer = json.loads(output)
    except ValueError:
        raise _no_report(child.returncode) from None
    if "error" in answer:
        raise error_from(answer["error"])
    return SyncReport.from_dict({"exit_code": child.returncode, **answer})


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Asks the child to end at the edge of a batch and waits; a second interruption ends it now."""
    child.send_signal(signal.SIGINT)
    try:
        child.communicate()
    finally:
        child.kill()
        child.wait()


def _no_report(status: int) -> _native.SyncError:
    names = {"status": str(status)}
    return error_from(
        {
            "code": "SYNC_005",
            "message": fill(_NO_REPORT, names),
            "hint": _NO_REPORT_HINT,
            "template": _NO_REPORT,
            "hint_template": _NO_REPORT_HINT,
            "names": names,
        }
    )
