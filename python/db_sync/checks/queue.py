"""Whether Django Q2 runs the sync well: its settings, and where it keeps its queue."""

import json
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.utils.translation import gettext as _

from db_sync import _native
from db_sync.addresses import of_alias
from db_sync.checks.homes import homes
from db_sync.conf import settings_file
from db_sync.errors import SyncError

# What Django Q2 takes where Q_CLUSTER says nothing.
_RETRY = 60
# A run waits this long for a silent server (DB_READ_TIMEOUT) before it ends with words of its own.
_SHORTEST_TIMEOUT = 60


def queue_is_configured(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Tells of a `Q_CLUSTER` that repeats runs, or ends them too soon or never.

    `db_sync.W001`: a running task is delivered again. `db_sync.W002`: missed runs are made up for.
    `db_sync.W003`: there is no timeout, or one that a healthy run may exceed.

    Args:
        app_configs: Unused; the setting belongs to the project.
        kwargs: Unused.

    Returns:
        One warning for each; nothing where Django Q2 is not installed.
    """
    if not apps.is_installed("django_q"):
        return []
    cluster = _cluster()
    timeout, retry = _seconds(cluster.get("timeout")), _seconds(cluster.get("retry", _RETRY))
    found: list[CheckMessage] = []
    if timeout and retry <= timeout:
        found.append(
            CheckWarning(
                _(
                    "Q_CLUSTER: retry (%(retry)s) is not greater than timeout (%(timeout)s), so a "
                    "sync that is still running is queued a second time."
                )
                % {"retry": retry, "timeout": timeout},
                hint=_("Set retry to more than timeout, for example timeout 600 and retry 660."),
                id="db_sync.W001",
            )
        )
    if cluster.get("catch_up", True):
        found.append(
            CheckWarning(
                _(
                    "Q_CLUSTER: catch_up is on, which is its default, so after a downtime every "
                    "missed run is made up for, one after the other."
                ),
                hint=_("Set catch_up to False: one sync brings everything up to date."),
                id="db_sync.W002",
            )
        )
    if not timeout or timeout < _SHORTEST_TIMEOUT:
        found.append(
            CheckWarning(
                _(
                    "Q_CLUSTER: timeout is %(timeout)s. Without one, a sync that hangs keeps its "
                    "worker for ever; with less than %(least)d seconds, one that only waits for a "
                    "slow server is cut off."
                )
                % {"timeout": cluster.get("timeout"), "least": _SHORTEST_TIMEOUT},
                hint=_("Set timeout to more than a long sync takes, for example 600."),
                id="db_sync.W003",
            )
        )
    return found


def somebody_runs_the_schedule(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Tells of automatic syncs that are switched on without Django Q2 (`db_sync.W009`).

    Args:
        app_configs: Unused.
        kwargs: Unused.

    Returns:
        One warning, or nothing.
    """
    if apps.is_installed("django_q"):
        return []
    try:
        enabled = json.loads(_native.settings(settings_file()))["enabled"]
    except SyncError:
        return []
    if not enabled:
        return []
    return [
        CheckWarning(
            _("DB_SYNC_ENABLED is True, but Django Q2, which runs the sync, is not installed."),
            hint=_(
                "pip install 'django-db-sync[scheduler]', add 'django_q' to INSTALLED_APPS, then "
                "python manage.py migrate and python manage.py sync_scheduler enable. Where "
                "something else calls sync_db, set DB_SYNC_ENABLED=False."
            ),
            id="db_sync.W009",
        )
    ]


def queue_is_local(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Tells of a queue or a schedule that is on REMOTE (`db_sync.W015`).

    Args:
        app_configs: Unused.
        kwargs: Unused.

    Returns:
        One warning, or nothing.
    """
    if not apps.is_installed("django_q"):
        return []
    from django_q.models import Schedule

    aliases = {str(_cluster().get("orm")), *homes(Schedule)}
    remote = of_alias(settings.DATABASES.get("remote", {}))
    there = [
        alias
        for alias in sorted(aliases)
        if remote is not None and of_alias(settings.DATABASES.get(alias, {})) == remote
    ]
    if not there:
        return []
    return [
        CheckWarning(
            _(
                "Django Q2 keeps its schedule or its queue in `%(alias)s`, which is REMOTE: every "
                "installation that shares REMOTE shares them, they are gone when DB_ENV changes, "
                "and nothing is scheduled while REMOTE is away."
            )
            % {"alias": ", ".join(there)},
            hint=_(
                "Send the app django_q to `local` by a router of yours, set Q_CLUSTER['orm'] to "
                "'local', then python manage.py migrate --database local and python manage.py "
                "sync_scheduler enable."
            ),
            id="db_sync.W015",
        )
    ]


def _cluster() -> dict[str, Any]:
    return getattr(settings, "Q_CLUSTER", None) or {}


def _seconds(value: Any) -> int:
    """Reads a number that may come from the environment; 0 for none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
