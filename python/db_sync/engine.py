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
from db_sync.contents import ContentsReport
from db_sync.diagnosis import Diagnosis
from db_sync.errors import error_from, fill
from db_sync.report import SchemaReport, SyncReport

_FLAGS = {
    "sync_type": "--type",
    "direction": "--direction",
    "tables": "--table",
    "conflict": "--conflict",
    "capture": "--capture",
    "force": "--force",
    "dry_run": "--dry-run",
    "repair": "--repair",
    "create_tables": "--create-tables",
    "fix": "--fix",
    "wait": "--wait",
    "apply": "--apply",
    "undo": "--undo",
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
    create_tables: bool = False,
    wait: int = 0,
    apply: str | os.PathLike[str] | None = None,
    undo: str | None = None,
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
        create_tables: Make tables that one side lacks there, from the other side's definition.
        wait: Seconds for which a table is waited for that another run is at work on.
        apply: The file with what a dry run printed as JSON (`-` is stdin): what it says is written,
            as far as the rows are still what it saw, and nothing else.
        undo: Take back the run with this id instead of syncing: what it overwrote and deleted
            comes back, what it inserted goes. Rows that were changed since stay.
        env_file: Where the settings are, instead of `.env` in the working directory.
        progress: `auto`, `always` or `never`: bars or lines on stderr.
        triggered_by: `MANUAL`, `SCHEDULED`, `REALTIME` or `TEST`, for `db_sync_log`.

    Returns:
        The report. Failures of single tables or rows are in it and raise nothing.

    Raises:
        SyncError: The run as a whole cannot be done.
        KeyboardInterrupt: Ctrl-C; everything applied so far is consistent. Where the engine came to
            a batch's edge, `interrupted_report` gives the report out of it.
        TypeError: `tables` is a string.
    """
    given: dict[str, Any] = {
        "sync_type": sync_type,
        "direction": direction,
        "tables": _names(tables),
        "conflict": conflict,
        "capture": capture,
        "force": force,
        "dry_run": dry_run,
        "create_tables": create_tables,
        "wait": wait,
        "apply": None if apply is None else os.fspath(apply),
        "undo": undo,
        "env_file": None if env_file is None else os.fspath(env_file),
        "progress": progress,
        "triggered_by": triggered_by,
    }
    options = {name: value for name, value in given.items() if value}
    if _has_file(options.get("env_file")):
        return _run_in_child(options)
    return SyncReport.from_json(_native.run(json.dumps(options)))


def check(
    *,
    tables: Sequence[str] = (),
    repair: bool = False,
    env_file: str | os.PathLike[str] | None = None,
) -> ContentsReport:
    """Compares what both sides hold: counts and digests, then the rows that differ.

    Args:
        tables: Only these tables; all enabled ones if empty.
        repair: Sync the tables that differ, all their rows, and compare them again. Otherwise
            nothing is written.
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        What differs, table by table.

    Raises:
        SyncError: The sides cannot be reached, or a table is unknown.
        TypeError: `tables` is a string.
    """
    path = None if env_file is None else os.fspath(env_file)
    given: dict[str, Any] = {"tables": _names(tables), "repair": repair, "env_file": path}
    options = {name: value for name, value in given.items() if value}
    answer, status = _ask_child(["check", "--json", *_flags(options)])
    return ContentsReport.from_dict({"exit_code": status, **answer})


def check_schemas(
    *, tables: Sequence[str] = (), env_file: str | os.PathLike[str] | None = None
) -> SchemaReport:
    """Compares both sides' definitions of the tables that would be synced. Writes nothing.

    Args:
        tables: Only these tables; all configured ones if empty.
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        Every difference, with what it means for the sync and the SQL that would mend it.

    Raises:
        SyncError: The sides cannot be reached, or a table is unknown.
        TypeError: `tables` is a string.
    """
    path = None if env_file is None else os.fspath(env_file)
    given: dict[str, Any] = {"tables": _names(tables), "env_file": path}
    options = {name: value for name, value in given.items() if value}
    if _has_file(path):
        answer, status = _ask_child(["check", "--schema", "--json", *_flags(options)])
        return SchemaReport.from_dict({"exit_code": status, **answer})
    return SchemaReport.from_dict(json.loads(_native.check_schemas(json.dumps(options))))


def diagnose(*, fix: bool = False, env_file: str | os.PathLike[str] | None = None) -> Diagnosis:
    """Looks for whatever stands in the way of a sync, or will.

    Args:
        fix: Mend what is safe: make our own tables on LOCAL or bring them up to date, and put in
            order what dead runs have left. Otherwise nothing is written.
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        Every finding, with what it means and the statement or command that would mend it. A side
        that cannot be reached is a finding too.

    Raises:
        ConfigError: The settings themselves are wrong.
        KeyboardInterrupt: Ctrl-C.
    """
    path = None if env_file is None else os.fspath(env_file)
    given: dict[str, Any] = {"fix": fix, "env_file": path}
    options = {name: value for name, value in given.items() if value}
    if _has_file(path):
        answer, status = _ask_child(["doctor", "--json", *_flags(options)])
        return Diagnosis.from_dict({"exit_code": status, **answer})
    return Diagnosis.from_dict(json.loads(_native.diagnose(json.dumps(options))))


def list_conflicts(
    *,
    tables: Sequence[str] = (),
    decided: bool = False,
    env_file: str | os.PathLike[str] | None = None,
) -> list[dict[str, Any]]:
    """Lists conflicts, oldest first, without their rows.

    Args:
        tables: Of these tables only; of all if empty.
        decided: Those that are decided too.
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        Objects with id, run_id, table, key, kind, strategy, state, winner and resolved_by.

    Raises:
        SyncError: LOCAL cannot be reached.
    """
    words = [f"--table={table}" for table in _names(tables)] + (["--all"] if decided else [])
    answer, _status = _ask("conflicts", "list", words, env_file)
    found: list[dict[str, Any]] = answer["conflicts"]
    return found


def show_conflict(
    conflict: int, *, env_file: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """Gives one conflict with both rows.

    Args:
        conflict: Its id.
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        What `list_conflicts` gives, and the rows as `remote` and `local`; None for one that is
        gone.

    Raises:
        SyncError: LOCAL cannot be reached, or there is no such conflict.
    """
    answer, _status = _ask("conflicts", "show", [str(conflict)], env_file)
    return answer


def resolve_conflict(
    conflict: int,
    *,
    keep: str,
    by: str,
    seen: str | None = None,
    env_file: str | os.PathLike[str] | None = None,
) -> SyncReport:
    """Writes one of a conflict's two rows on both sides, unless a side was changed since.

    Of a table that is synced one way, only the target is written.

    Args:
        conflict: Its id.
        keep: Whose row: `remote` or `local`.
        by: Who decides, for `db_sync_conflict`.
        seen: The versions that this person looked at, as `show_conflict` names them: where others
            are kept by now, nothing is written. None for whichever are kept.
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        The report; a row that was changed since is an error in it, with exit code 3.

    Raises:
        SyncError: The sides cannot be reached, or there is no such conflict.
    """
    words = [str(conflict), f"--keep={keep}", f"--by={by}"]
    words += [] if seen is None else [f"--seen={seen}"]
    answer, status = _ask("conflicts", "resolve", words, env_file)
    return SyncReport.from_dict({"exit_code": status, **answer})


def list_tables(*, env_file: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Lists how tables are synced, greater priority first.

    Args:
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        An object with tables (each with table, enabled, type, direction, conflict, priority, ignore
        and no_conflict), errors (rows that cannot be understood) and exit_code.

    Raises:
        SyncError: LOCAL cannot be reached, or has no `db_sync_config` yet.
    """
    answer, _status = _ask("config", "list", [], env_file)
    return answer


def export_tables(*, env_file: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Gives how tables are synced as what `import_tables` takes back.

    Args:
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        An object with tables, as `list_tables` gives them.

    Raises:
        SyncError: As for `list_tables`, or a row cannot be understood.
    """
    answer, _status = _ask("config", "export", [], env_file)
    return answer


def set_table(
    table: str, pairs: Sequence[str], *, env_file: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """Changes how a table is synced; one that has no row yet is registered.

    Args:
        table: The table; `*` for the defaults of tables that are registered from now on.
        pairs: `KEY=VALUE`, with the keys that `list_tables` names; names of columns with commas
            between.
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        An object with tables (each with table, registered, and settings: the old and the new value
        by key), unchanged (a count), notes, errors and exit_code. With errors, nothing was changed.

    Raises:
        SyncError: LOCAL cannot be reached, or REMOTE where it has to be asked for a name.
    """
    answer, _status = _ask("config", "set", ["--", table, *pairs], env_file)
    return answer


def import_tables(
    path: str | os.PathLike[str],
    *,
    dry_run: bool = False,
    env_file: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Takes from a YAML file how tables are synced: everything in it, or nothing.

    Args:
        path: A file as `sync_config export` prints it, or as the older distributed setup had it;
            `-` is stdin.
        dry_run: Change nothing; the answer says what would be changed.
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        As for `set_table`; the notes say what in the file was not taken.

    Raises:
        SyncError: The file cannot be read, or a side that has to be asked cannot be reached.
    """
    words = ["--dry-run"] if dry_run else []
    answer, _status = _ask("config", "import", [*words, "--", os.fspath(path)], env_file)
    return answer


def _ask(
    subject: str, action: str, words: Sequence[str], env_file: str | os.PathLike[str] | None
) -> tuple[dict[str, Any], int]:
    path = [] if env_file is None else [f"--env-file={os.fspath(env_file)}"]
    return _ask_child([subject, action, "--json", *path, *words])


def interrupted_report(interrupt: KeyboardInterrupt) -> SyncReport | None:
    """Gives what a run had done when it was interrupted.

    Args:
        interrupt: What `sync` raised.

    Returns:
        The report, or None where the run did not come to a batch's edge in time.
    """
    text = getattr(interrupt, "db_sync_report", None)
    return None if text is None else SyncReport.from_json(text)


def _has_file(env_file: str | None) -> bool:
    settings = json.loads(_native.settings(env_file))
    return any(settings[side]["engine"] == "sqlite" for side in ("remote", "local"))


def _names(tables: Sequence[str]) -> list[str]:
    """Gives table names as a list; one name alone would be taken for its letters."""
    if isinstance(tables, str):
        raise TypeError("tables must be a sequence of table names, not one string")
    return list(tables)


def _flags(options: dict[str, Any]) -> Iterable[str]:
    for name, value in options.items():
        flag = _FLAGS[name]
        if value is True:
            yield flag
        else:
            # With `=`, a value may begin with a dash.
            yield from (f"{flag}={one}" for one in (value if isinstance(value, list) else [value]))


def _run_in_child(options: dict[str, Any]) -> SyncReport:
    answer, status = _ask_child(["run", "--json", *_flags(options)])
    return SyncReport.from_dict({"exit_code": status, **answer})


def _ask_child(words: Sequence[str]) -> tuple[dict[str, Any], int]:
    """Has a child process do the work; gives its JSON and its exit status."""
    command = [sys.executable, "-m", "db_sync", *words]
    # A session of its own keeps the terminal's Ctrl-C away from the child: it gets exactly one,
    # from here, also when only this process was told to stop.
    child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)  # noqa: S603
    try:
        output, _ = child.communicate()
    except BaseException as interrupt:
        output = _stop(child)
        if b'"run_id"' in output:
            interrupt.db_sync_report = output.decode()  # type: ignore[attr-defined]
        raise
    try:
        answer = json.loads(output)
    except ValueError:
        raise _no_report(child.returncode) from None
    if "error" in answer:
        raise error_from(answer["error"])
    return answer, child.returncode


def _stop(child: subprocess.Popen[bytes]) -> bytes:
    """Asks the child to end at the edge of a batch and waits; a second interruption ends it now.

    Gives what it said.
    """
    child.send_signal(signal.SIGINT)
    try:
        return child.communicate()[0]
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
