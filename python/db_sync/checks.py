"""System checks: what is wrong with a project before anything is synced. Their ids are stable."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.utils.translation import gettext as _

from db_sync.conf import PROBLEM

# What Django Q2 takes where Q_CLUSTER says nothing.
_RETRY = 60
# A run waits this long for a silent server (DB_READ_TIMEOUT) before it ends with words of its own.
_SHORTEST_TIMEOUT = 60


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
        options: Any = database.get("OPTIONS", {})
        problem = options.get(PROBLEM)
        if problem:
            message, hint = problem
            return [Error(message, hint=hint, id="db_sync.E001")]
    return []


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
    cluster: dict[str, Any] = getattr(settings, "Q_CLUSTER", {})
    timeout, retry = cluster.get("timeout"), cluster.get("retry", _RETRY)
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
                % {"timeout": timeout, "least": _SHORTEST_TIMEOUT},
                hint=_("Set timeout to more than a long sync takes, for example 600."),
                id="db_sync.W003",
            )
        )
    return found
