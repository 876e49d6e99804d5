"""What LOCAL must be asked for: these checks run with `check --database` and `migrate`."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from db_sync.addresses import of_alias
from db_sync.checks.homes import homes
from db_sync.control_tables import missing_statements

_OURS = "db_sync_"
_QUEUE = "django_q_"
_MIGRATIONS = "django_migrations"
# Django's own check of a database tells why it cannot be asked; where settings are missing, so that
# an alias stands for none, `db_sync.E001` does.
_NOT_TO_BE_ASKED = (Error, ImproperlyConfigured)


def local_has_tables(
    app_configs: Sequence[AppConfig] | None, databases: Any = None, **kwargs: Any
) -> list[CheckMessage]:
    """Tells of tables that LOCAL lacks.

    `db_sync.W010`: it has none that could be synced. `db_sync.W011`: the sync's own are missing or
    of an older version.

    Args:
        app_configs: Unused.
        databases: The aliases that may be asked.
        kwargs: Unused.

    Returns:
        One warning at most; nothing where LOCAL is not among the aliases or cannot be asked.
    """
    alias = _local_among(databases)
    # Whoever migrates is about to make them.
    if alias is None or sys.argv[1:2] == ["migrate"]:
        return []
    try:
        names = _table_names(connections[alias])
        empty = all(name.startswith(_OURS) or name == _MIGRATIONS for name in names)
        ours = connections[alias].vendor in ("mysql", "sqlite")
        complete = empty or not ours or not missing_statements(connections[alias])
    except _NOT_TO_BE_ASKED:
        return []
    if empty:
        return [
            CheckWarning(
                _("LOCAL (`%(alias)s`) has no tables that could be synced.") % {"alias": alias},
                hint=f"python manage.py migrate --database {alias}",
                id="db_sync.W010",
            )
        ]
    if complete:
        return []
    return [
        CheckWarning(
            _("LOCAL (`%(alias)s`) lacks the sync's own tables, or columns of them.")
            % {"alias": alias},
            hint=_(
                "python manage.py migrate --database %(alias)s; where that says there is nothing "
                "to do, the next python manage.py sync_db makes them."
            )
            % {"alias": alias},
            id="db_sync.W011",
        )
    ]


def queue_is_not_synced(
    app_configs: Sequence[AppConfig] | None, databases: Any = None, **kwargs: Any
) -> list[CheckMessage]:
    """Tells of tables of Django Q2 that are synced (`db_sync.W012`).

    Args:
        app_configs: Unused.
        databases: The aliases that may be asked.
        kwargs: Unused.

    Returns:
        One warning, or nothing.
    """
    alias = _local_among(databases)
    if alias is None:
        return []
    from db_sync.models import SyncConfig

    try:
        if SyncConfig._meta.db_table not in _table_names(connections[alias]):
            return []
        rows = SyncConfig.objects.using(alias).filter(
            sync_enabled=True, table_name__startswith=_QUEUE
        )
        synced = sorted(rows.values_list("table_name", flat=True))
    except _NOT_TO_BE_ASKED:
        return []
    if not synced:
        return []
    return [
        CheckWarning(
            _(
                "Tables of Django Q2 are synced (%(tables)s): tasks and schedules of one side run "
                "on the other side too."
            )
            % {"tables": ", ".join(synced)},
            hint="; ".join(f"python manage.py sync_config disable {name}" for name in synced),
            id="db_sync.W012",
        )
    ]


def _local_among(databases: Iterable[str] | None) -> str | None:
    """Finds LOCAL among the aliases that may be asked, by that name or as `default`."""
    from db_sync.models import SyncLog

    named = sorted(databases or ())
    for home in homes(SyncLog):
        if home in named:
            return home
        wanted = of_alias(settings.DATABASES.get(home, {}))
        for alias in named:
            if wanted is not None and of_alias(settings.DATABASES.get(alias, {})) == wanted:
                return alias
    return None


def _table_names(connection: BaseDatabaseWrapper) -> list[str]:
    name = str(connection.settings_dict["NAME"])
    in_memory = name == ":memory:" or name.startswith("file:")
    if connection.vendor == "sqlite" and not in_memory and not os.path.exists(name):
        # Asking would make the file.
        return []
    return connection.introspection.table_names()
