"""The example shop with Django Q2; what a test wants of the cluster is in SHOP_CLUSTER."""

import json
import os

from shop_site.settings import (
    ALLOWED_HOSTS,
    DATABASE_ROUTERS,
    DATABASES,
    DEFAULT_AUTO_FIELD,
    INSTALLED_APPS,
    LANGUAGE_CODE,
    MIDDLEWARE,
    ROOT_URLCONF,
    SECRET_KEY,
    STATIC_URL,
    TEMPLATES,
    USE_TZ,
)

__all__ = [
    "ALLOWED_HOSTS",
    "CACHES",
    "DATABASES",
    "DATABASE_ROUTERS",
    "DEFAULT_AUTO_FIELD",
    "INSTALLED_APPS",
    "LANGUAGE_CODE",
    "MIDDLEWARE",
    "Q_CLUSTER",
    "ROOT_URLCONF",
    "SECRET_KEY",
    "STATIC_URL",
    "TEMPLATES",
    "SILENCED_SYSTEM_CHECKS",
    "USE_TZ",
]

INSTALLED_APPS += ["django_q"]
SILENCED_SYSTEM_CHECKS = os.environ.get("SHOP_SILENCED", "").split()
_OWN_MEMORY = '{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}'
CACHES = {"default": json.loads(os.environ.get("SHOP_CACHE", _OWN_MEMORY))}
Q_CLUSTER = {
    "name": "shop",
    "workers": 2,
    "timeout": 60,
    "retry": 70,
    "catch_up": False,
    "poll": 0.05,
    # With this a cluster looks for what is due as soon as it has started.
    "guard_cycle": 30,
    **json.loads(os.environ.get("SHOP_CLUSTER", "{}")),
}
