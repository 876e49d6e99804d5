"""System checks: what is wrong with a project before anything is synced. Their ids are stable."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from db_sync.conf import PROBLEM


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
