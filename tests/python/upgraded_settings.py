"""A project that had the older module: its queue, and our app in the other's place."""

from db_sync.conf import databases

SECRET_KEY = "for tests"  # noqa: S105
INSTALLED_APPS = ["django_q", "db_sync"]
DATABASES = databases()
DATABASE_ROUTERS = ["db_sync.routers.SyncRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
Q_CLUSTER = {"name": "old", "orm": "default", "timeout": 600, "retry": 660, "catch_up": False}
