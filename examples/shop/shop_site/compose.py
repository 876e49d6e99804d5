"""The shop as docker-compose.yml serves it: its secret is given to it, its tasks wait in Redis."""

import os

from shop_site.settings import *  # noqa: F403
from shop_site.settings import INSTALLED_APPS, MIDDLEWARE

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")
INSTALLED_APPS = [*INSTALLED_APPS, "django_q"]
# Gunicorn serves no files, and the admin has some.
MIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE]
WHITENOISE_USE_FINDERS = True
Q_CLUSTER = {
    "name": "shop",
    "redis": {"host": os.environ.get("REDIS_HOST", "127.0.0.1")},
    "workers": 2,
    "timeout": 600,
    "retry": 660,
    "catch_up": False,
}
