"""Where the app's own tables live: on the local side."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model

_APP = "db_sync"


class SyncRouter:
    """Sends the app's models, and the migration of their tables, to the `local` alias.

    A project without that alias keeps them in `default`. Models of other apps are none of this
    router's business.
    """

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Names the alias to read from.

        Args:
            model: The model that is read.
            hints: Unused.

        Returns:
            The local side's alias for the app's own models, otherwise None.
        """
        return _home() if model._meta.app_label == _APP else None

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        """Names the alias to write to, the same as for reading."""
        return self.db_for_read(model, **hints)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Says whether the app may migrate there.

        Args:
            db: The alias that is migrated.
            app_label: The app that is asked for.
            hints: Unused.

        Returns:
            For this app, whether the alias is the local side; for other apps None.
        """
        if app_label != _APP:
            return None
        # By database rather than by name: with DB_ENV=local, `default` is the local side too, and a
        # migration that was refused there would be recorded as done for both.
        return _database(db) == _database(_home())


def _home() -> str:
    return "local" if "local" in connections else DEFAULT_DB_ALIAS


def _database(alias: str) -> tuple[str, ...]:
    settings = connections[alias].settings_dict
    return tuple(str(settings[key]) for key in ("ENGINE", "NAME", "HOST", "PORT"))
