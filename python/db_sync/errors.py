"""The failures of a run as exceptions, whichever process they happened in.

The classes are the native module's. The engine may have run in a child process, whose failure
arrives as a JSON object; `error_from` makes the same exception of it that the engine raises here.
"""

import re
from collections.abc import Mapping
from typing import Any

from db_sync._native import (
    ConfigError,
    ConflictPending,
    ConnectionFailed,
    LockHeld,
    SchemaMismatch,
    SyncError,
)

__all__ = [
    "ConfigError",
    "ConflictPending",
    "ConnectionFailed",
    "LockHeld",
    "SchemaMismatch",
    "SyncError",
    "error_from",
    "exit_status",
    "fill",
]

_CLASSES: dict[str, type[SyncError]] = {
    "DB_CONN": ConnectionFailed,
    "CFG": ConfigError,
    "SYNC_001": SchemaMismatch,
    "SYNC_003": SchemaMismatch,
    "SYNC_006": SchemaMismatch,
    "SYNC_007": ConflictPending,
    "SYNC_009": LockHeld,
}
_EXIT_STATUSES = {"CFG": 2, "SYNC_007": 3, "SYNC_009": 4, "SYNC_005": 130}


def _family(code: str) -> str:
    return code.rpartition("_")[0]


def fill(template: str, names: Mapping[str, str]) -> str:
    """Puts names into the `{places}` of a sentence.

    Args:
        template: The sentence.
        names: What stands where; a place that nothing is known for becomes `?`.

    Returns:
        The sentence as people read it.
    """
    return re.sub(r"\{(\w+)\}", lambda place: names.get(place[1], "?"), template)


def error_from(fields: Mapping[str, Any]) -> SyncError:
    """Builds the exception for a failure that was reported as JSON.

    Args:
        fields: The keys code and message, and where known hint, table, template, hint_template
            and names.

    Returns:
        A `SyncError`, or the subclass that belongs to the code.
    """
    code = fields["code"]
    kind = _CLASSES.get(code) or _CLASSES.get(_family(code), SyncError)
    error = kind(f"{code}: {fields['message']}")
    error.code = code
    error.hint = fields.get("hint") or ""
    error.table = fields.get("table")
    error.template = fields.get("template") or ""
    error.hint_template = fields.get("hint_template") or ""
    error.names = dict(fields.get("names") or {})
    return error


def exit_status(code: str) -> int:
    """Says with which status a command ends that met this failure.

    Args:
        code: The failure's code.

    Returns:
        2 for settings and flags, 3 for conflicts that wait, 4 for a lock, 130 for an
        interruption, otherwise 1.
    """
    return _EXIT_STATUSES.get(code) or _EXIT_STATUSES.get(_family(code), 1)
