"""The Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DbSyncConfig(AppConfig):
    """Gives Django the engine's tables to look at, and the commands of `manage.py`."""

    name = "db_sync"
    label = "db_sync"
    verbose_name = _("Database sync")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Registers the system checks."""
        from db_sync import checks

        checks.register_all()
