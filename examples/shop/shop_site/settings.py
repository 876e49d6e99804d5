"""As little as a site needs that keeps its data on two sides and has Django's admin."""

import os
import sys

from db_sync.conf import databases

# Nobody but the one who tries the example ever signs in to it.
SECRET_KEY = "an example has nothing to hide"  # noqa: S105
# The development server shows what went wrong, and serves the admin's style sheets.
DEBUG = "runserver" in sys.argv
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "db_sync",
    "shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "shop_site.urls"
STATIC_URL = "static/"
DATABASES = databases()
DATABASE_ROUTERS = ["db_sync.routers.SyncRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = os.environ.get("SHOP_LANGUAGE", "en-us")
USE_TZ = True
