"""The Django app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Holds the models of the example."""

    name = "shop"
