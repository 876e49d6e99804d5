"""The copy by Django: `.iterator()` on one database, `bulk_create` on the other."""

import sys
from itertools import islice

import django
import pymysql
from django.conf import settings
from django.db import models

from compare.server import DATABASE, Server

ROWS_AT_ONCE = 1000


def configure(source: Server, target: Server) -> None:
    """Gets Django ready for both databases, before any model is defined."""
    pymysql.install_as_MySQLdb()
    databases = {
        alias: {
            "ENGINE": "django.db.backends.mysql",
            "HOST": server.host,
            "PORT": str(server.port),
            "NAME": DATABASE,
            "USER": server.user,
            "PASSWORD": server.password,
            "OPTIONS": {"charset": "utf8mb4"},
        }
        for alias, server in (("default", source), ("target", target))
    }
    settings.configure(DATABASES=databases, USE_TZ=False, DEBUG=False)
    django.setup()


def shop_models() -> list[type[models.Model]]:
    """The shop's tables as models, parents first."""

    class Category(models.Model):
        name = models.CharField(max_length=80, unique=True)

        class Meta:
            app_label = "shop"
            db_table = "category"

        def __str__(self) -> str:
            return self.name

    class Product(models.Model):
        id = models.BigAutoField(primary_key=True)
        category = models.ForeignKey(Category, models.RESTRICT)
        sku = models.CharField(max_length=24, unique=True)
        name = models.CharField(max_length=120)
        price = models.DecimalField(max_digits=10, decimal_places=2)
        stock = models.IntegerField()
        # As text: a JSONField would write every value in Python's own spelling.
        attributes = models.TextField()
        description = models.TextField()
        active = models.BooleanField()
        updated = models.DateTimeField()

        class Meta:
            app_label = "shop"
            db_table = "product"

        def __str__(self) -> str:
            return self.sku

    class Order(models.Model):
        id = models.BigAutoField(primary_key=True)
        product = models.ForeignKey(Product, models.RESTRICT)
        amount = models.IntegerField()
        note = models.CharField(max_length=80, null=True)
        created = models.DateTimeField()

        class Meta:
            app_label = "shop"
            db_table = "orders"

        def __str__(self) -> str:
            return str(self.pk)

    class StockMove(models.Model):
        pk = models.CompositePrimaryKey("warehouse", "product_id")
        warehouse = models.CharField(max_length=12)
        product_id = models.BigIntegerField()
        moved = models.IntegerField()
        at = models.DateTimeField()

        class Meta:
            app_label = "shop"
            db_table = "stock_move"

        def __str__(self) -> str:
            return f"{self.warehouse} {self.product_id}"

    return [Category, Product, Order, StockMove]


def copy(model: type[models.Model]) -> None:
    """Copies one table."""
    rows = model._default_manager.using("default").iterator(chunk_size=ROWS_AT_ONCE)
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        for row in batch:
            # It was read from there, and is new here.
            row._state.adding, row._state.db = True, None
        model._default_manager.using("target").bulk_create(batch)


if __name__ == "__main__":
    configure(Server.at(sys.argv[1]), Server.at(sys.argv[2]))
    for table in shop_models():
        copy(table)
