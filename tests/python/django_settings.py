"""Settings for the tests that need Django but no sync: three aliases, pointed to files per test."""

SECRET_KEY = "for tests"  # noqa: S105
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django_q",
    "db_sync",
    "shop",
    "every_field",
]
DATABASES = {
    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{alias}.sqlite3"}
    for alias in ("default", "remote", "local")
}
DATABASE_ROUTERS = ["db_sync.routers.SyncRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
Q_CLUSTER = {"name": "tests", "orm": "default", "timeout": 600, "retry": 660, "catch_up": False}
