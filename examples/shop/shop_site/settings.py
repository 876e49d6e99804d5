"""As little as a site needs that keeps its data on two sides."""

import os

from db_sync.conf import databases

# A site that is only ever run from its command line signs nothing.
SECRET_KEY = "an example has nothing to hide"  # noqa: S105
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "db_sync",
    "shop",
]
DATABASES = databases()
DATABASE_ROUTERS = ["db_sync.routers.SyncRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = os.environ.get("SHOP_LANGUAGE", "en-us")
USE_TZ = True
