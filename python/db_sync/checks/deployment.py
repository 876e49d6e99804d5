"""Whether a site that others use is set up for it: SQLite beside many threads, lines to REMOTE."""

import json
import os
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.utils.translation import gettext as _

from db_sync import _native
from db_sync.addresses import LOOPBACK, of_alias
from db_sync.conf import settings_file
from db_sync.errors import SyncError

# What Python's sqlite3 waits for a lock where nothing else is set, and what outlasts a batch.
_WAITS = 5
_LONG_ENOUGH = 20


def default_takes_turns(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Tells of a `default` in a SQLite file whose writers do not wait (`db_sync.W013`).

    A server's threads, and a sync, write one after the other there.

    Args:
        app_configs: Unused.
        kwargs: Unused.

    Returns:
        One warning where `default` is a side in a SQLite file and its options do not have writers
        wait.
    """
    default = settings.DATABASES.get("default", {})
    address = of_alias(default)
    sides = [of_alias(settings.DATABASES.get(side, {})) for side in ("remote", "local")]
    if not _is_file(default) or address is None or address not in sides:
        return []
    options: Any = default.get("OPTIONS") or {}
    at_once = str(options.get("transaction_mode")).upper() in ("IMMEDIATE", "EXCLUSIVE")
    waits = options.get("timeout")
    if at_once and (waits if isinstance(waits, int | float) else _WAITS) >= _LONG_ENOUGH:
        return []
    return [
        CheckWarning(
            _(
                "`default` is the SQLite file %(path)s: while a sync or another thread writes it, "
                "requests fail with 'database is locked'."
            )
            % {"path": address},
            hint=_(
                "Use a server for this side, or have writers wait: DATABASES['default']['OPTIONS'] "
                "= {'transaction_mode': 'IMMEDIATE', 'timeout': 30}"
            ),
            id="db_sync.W013",
        )
    ]


def files_are_absolute(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Tells of SQLite files that are named from the working directory (`db_sync.W014`).

    Args:
        app_configs: Unused.
        kwargs: Unused.

    Returns:
        One warning for each side.
    """
    sides = {side: settings.DATABASES.get(side, {}) for side in ("remote", "local")}
    return [
        CheckWarning(
            _(
                "The SQLite file of %(side)s, %(path)s, is looked for in whatever directory a "
                "process starts in: a web server and a worker may mean two files."
            )
            % {"side": side.upper(), "path": database["NAME"]},
            hint=f"DB_{side.upper()}_NAME={os.path.abspath(database['NAME'])}",
            id="db_sync.W014",
        )
        for side, database in sides.items()
        if _is_file(database) and of_alias(database) and not os.path.isabs(database["NAME"])
    ]


def remote_is_encrypted(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Tells of a line to REMOTE that may be readable on its way (`db_sync.W016`).

    Args:
        app_configs: Unused.
        kwargs: Unused.

    Returns:
        One warning where REMOTE is another machine and TLS is not required.
    """
    try:
        remote = json.loads(_native.settings(settings_file()))["remote"]
    except SyncError:
        return []
    if remote["engine"] == "sqlite" or remote["host"].lower() in LOOPBACK:
        return []
    if remote["ssl_mode"] not in ("DISABLED", "PREFERRED"):
        return []
    return [
        CheckWarning(
            _(
                "DB_REMOTE_SSL_MODE is %(mode)s: what goes to and from %(host)s may not be "
                "encrypted, and nobody checks who answers."
            )
            % {"mode": remote["ssl_mode"], "host": remote["host"]},
            hint=_(
                "DB_REMOTE_SSL_MODE=VERIFY_IDENTITY, with DB_REMOTE_SSL_CA where the server's "
                "certificate is of an authority of your own; REQUIRED only encrypts."
            ),
            id="db_sync.W016",
        )
    ]


def _is_file(database: Any) -> bool:
    return str(database.get("ENGINE", "")).endswith(".sqlite3")
