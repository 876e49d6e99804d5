"""Whether the settings are complete and sound, and Django and the sync mean the same databases."""

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import mail
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import DEFAULT_DB_ALIAS
from django.utils.translation import gettext as _

from db_sync import _native, dotenv_file
from db_sync.addresses import of_alias, of_side, strangers
from db_sync.checks.homes import homes
from db_sync.conf import PROBLEM, settings_file
from db_sync.errors import SyncError

_AS_CONF_HAS_IT = 'from db_sync.conf import databases; DATABASES = databases(BASE_DIR / ".env")'


def settings_are_complete(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Tells of keys that are missing or wrong (`db_sync.E001`).

    Args:
        app_configs: Unused; the keys belong to the project.
        kwargs: Unused.

    Returns:
        One error with the engine's two sentences, or nothing.
    """
    for database in settings.DATABASES.values():
        options: Any = database.get("OPTIONS") or {}
        problem = options.get(PROBLEM)
        if problem:
            message, hint = problem
            return [Error(message, hint=hint, id="db_sync.E001")]
    return []


def sides_differ(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Tells of two sides that are one database (`db_sync.E002`).

    Args:
        app_configs: Unused.
        kwargs: Unused.

    Returns:
        One error, or nothing.
    """
    remote, local = (of_alias(settings.DATABASES.get(side, {})) for side in ("remote", "local"))
    if _in_tests() or remote is None or remote != local:
        return []
    return [
        Error(
            _("REMOTE and LOCAL are the same database: %(address)s.") % {"address": remote},
            hint=_("Correct DB_REMOTE_… or DB_LOCAL_… in .env; a sync ends with CFG_002."),
            id="db_sync.E002",
        )
    ]


def aliases_fit(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Tells of aliases and routers that look elsewhere than the sync does.

    `db_sync.W004`: `SyncRouter` is missing. `db_sync.W005`: there is no alias `local`.
    `db_sync.W006`: `default` is not the side that `DB_ENV` names. `db_sync.W007`: an alias is
    another database than the side of its name.

    Args:
        app_configs: Unused.
        kwargs: Unused.

    Returns:
        One warning for each; the last two only where the settings can be read.
    """
    if _in_tests():
        return []
    told = _told()
    return [*_router_warnings(), *_local_warnings(told), *_address_warnings(told)]


def env_file_is_private(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Tells of passwords in a `.env` that every user of the machine may read (`db_sync.W008`).

    Args:
        app_configs: Unused.
        kwargs: Unused.

    Returns:
        One warning for each such file: the one with the settings, and `.env` in the working
        directory and in `BASE_DIR`.
    """
    named = [os.path.join(folder, ".env") for folder in (".", _base())]
    paths = sorted({os.path.realpath(path) for path in (*named, settings_file() or ".env")})
    return [
        CheckWarning(
            _("Every user of this machine may read the passwords in %(path)s.") % {"path": path},
            hint=f"chmod 600 {path}",
            id="db_sync.W008",
        )
        for path in paths
        if dotenv_file.shows_passwords(path)
    ]


def _in_tests() -> bool:
    """Says whether Django's test environment is set up, which has databases of its own."""
    return hasattr(mail, "outbox")


def _base() -> str:
    return str(getattr(settings, "BASE_DIR", None) or ".")


def _told() -> Any:
    """What the engine reads; None where it reads nothing sound."""
    try:
        return json.loads(_native.settings(settings_file()))
    except SyncError:
        return None


def _router_warnings() -> Iterator[CheckMessage]:
    if not {"remote", "local"} <= settings.DATABASES.keys():
        return
    from db_sync.models import SyncLog

    aliases = homes(SyncLog)
    if aliases not in ([], ["local"]):
        names = {"alias": ", ".join(aliases)}
        yield CheckWarning(
            _(
                "The app's tables are looked for in `%(alias)s` instead of `local`, where the sync "
                "has them."
            )
            % names,
            hint='DATABASE_ROUTERS = ["db_sync.routers.SyncRouter"]',
            id="db_sync.W004",
        )


def _local_warnings(told: Any) -> Iterator[CheckMessage]:
    if "local" in settings.DATABASES:
        return
    default = of_alias(settings.DATABASES.get(DEFAULT_DB_ALIAS, {}))
    if told is None or default != of_side(told["local"]):
        yield CheckWarning(
            _(
                "DATABASES has no alias `local`, so the app's tables are looked for in `default`, "
                "which is not LOCAL as far as .env says."
            ),
            hint=_AS_CONF_HAS_IT,
            id="db_sync.W005",
        )


def _address_warnings(told: Any) -> Iterator[CheckMessage]:
    found = {} if told is None else strangers(told, settings.DATABASES)
    for alias, (address, side) in found.items():
        names = {"alias": alias, "django": address, "side": side, "env": told["default"]}
        names["path"] = settings_file() or ".env"
        if alias == DEFAULT_DB_ALIAS:
            yield CheckWarning(
                _("DB_ENV is %(env)s, but Django's `default` is the other side, %(django)s.")
                % names,
                hint=_AS_CONF_HAS_IT,
                id="db_sync.W006",
            )
            continue
        yield CheckWarning(
            _(
                "Django's `%(alias)s` is %(django)s, but sync_db, which here reads %(path)s, syncs "
                "%(side)s."
            )
            % names,
            hint=_(
                "Have both read one file: DATABASES = databases(FILE) in settings.py, and no "
                "DB_SYNC_ENV_FILE there that names another one."
            ),
            id="db_sync.W007",
        )
