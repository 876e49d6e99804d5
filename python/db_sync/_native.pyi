"""The native engine: what crosses the border is text (JSON), lists of text and exceptions."""

__all__ = [
    "ConfigError",
    "ConflictPending",
    "ConnectionFailed",
    "LockHeld",
    "SchemaMismatch",
    "SyncError",
    "check_schemas",
    "config_document",
    "control_statements",
    "diagnose",
    "main",
    "run",
    "settings",
]

class SyncError(Exception):
    """A run as a whole cannot be done. `str(error)` is `CODE: message`.

    Attributes:
        code: The stable code, for example `CFG_001`.
        hint: One sentence of what to do, filled in.
        table: The table it belongs to, or None.
        template: The sentence of what happened, with `{name}` places, for translation.
        hint_template: The same for the hint.
        names: What stands in the places.
    """

    code: str
    hint: str
    table: str | None
    template: str
    hint_template: str
    names: dict[str, str]

class ConnectionFailed(SyncError):
    """A side cannot be reached (`DB_CONN_…`)."""

class ConfigError(SyncError):
    """A setting or an option is missing or wrong (`CFG_…`)."""

class SchemaMismatch(SyncError):
    """Two tables cannot be paired (`SYNC_001`, `SYNC_003`, `SYNC_006`)."""

class ConflictPending(SyncError):
    """Conflicts wait for a person (`SYNC_007`)."""

class LockHeld(SyncError):
    """Another run is at work on a table (`SYNC_009`)."""

def run(options: str) -> str:
    """Runs one sync in this process, without the GIL; Ctrl-C ends it at a batch's edge.

    Args:
        options: A JSON object with any of the keys sync_type, direction, tables, conflict,
            capture, force, dry_run, create_tables, wait, undo, apply, env_file, progress,
            triggered_by.

    Returns:
        The report as JSON, in the shape of `sync_db --json`.

    Raises:
        SyncError: The run as a whole cannot be done.
        KeyboardInterrupt: Ctrl-C; everything applied so far is consistent.
    """

def check_schemas(options: str) -> str:
    """Compares both sides' definitions in this process. Writes nothing.

    Args:
        options: A JSON object with any of the keys tables and env_file.

    Returns:
        A JSON object with the keys tables, findings and exit_code.

    Raises:
        SyncError: The sides cannot be reached, or a table is unknown.
        KeyboardInterrupt: Ctrl-C.
    """

def diagnose(options: str) -> str:
    """Looks in this process for whatever stands in the way of a sync.

    Args:
        options: A JSON object with any of the keys fix and env_file.

    Returns:
        A JSON object with the keys sides, findings and exit_code.

    Raises:
        ConfigError: The settings are wrong.
        KeyboardInterrupt: Ctrl-C.
    """

def main(argv: list[str]) -> int:
    """Is the `db-sync` command.

    Args:
        argv: The command line, with the program's name first.

    Returns:
        The exit status.
    """

def settings(env_file: str | None) -> str:
    """Reads the settings from the environment and a `.env` file.

    Args:
        env_file: The file; None takes `.env` in the working directory, where there is one.

    Returns:
        A JSON object with the keys default, remote, local, enabled, interval, direction and
        sync_type.

    Raises:
        ConfigError: Keys are missing or hold values that are not allowed.
    """

def config_document(exported: str) -> str:
    """Writes tables' settings as the YAML file that `sync_config import` takes. Touches nothing.

    Args:
        exported: A JSON object with the key tables, as `db-sync config export --json` prints it.

    Returns:
        The file's text.

    Raises:
        ValueError: This is no such object.
    """

def control_statements(dialect: str, existing: str) -> list[str]:
    """Says how the control tables come about, or are brought up to date. Touches nothing.

    Args:
        dialect: `mysql` or `sqlite`.
        existing: A JSON object of the `db_sync_…` tables that exist: by name, each an object of
            its columns by name, each an object with the keys `declared` (its type), `collation` (of
            text), `required` (whether a new row has to name it) and `touched` (whether the server
            sets it whenever the row changes); all but the first may be left out.

    Returns:
        The statements to execute, in order; none where nothing is missing.
    """
