"""`manage.py shop_demo_changes`: a day's work on both sides."""

from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from shop.models import Customer, Order, OrderItem, Product, Tag


class Command(BaseCommand):
    """Inserts, updates and deletes on each side, and sets one price on both: a conflict."""

    help = "Changes rows on both sides, one of them on both, and prints what it changed."

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes the changes, each side's in one transaction.

        Args:
            args: Unused.
            options: Unused.
        """
        with transaction.atomic(using="remote"), transaction.atomic(using="local"):
            self._on_remote()
            self._on_local()
            self._on_both()

    def _tell(self, text: str) -> None:
        self.stdout.write(f"  {text}")

    def _on_remote(self) -> None:
        first = Product.objects.using("remote").order_by("pk")[0]
        new = Product.objects.using("remote").create(
            category_id=first.category_id,
            sku="SKU-NEW",
            name="白毫银针 2026",
            price=Decimal("88.00"),
            attributes={"origin": "福鼎"},
            released=timezone.now().date(),
        )
        self._tell(f"REMOTE  inserted product {new}")
        first.price += 1
        first.updated_at = timezone.now()
        first.save(using="remote")
        self._tell(f"REMOTE  updated product {first}: price {first.price}")
        item = OrderItem.objects.using("remote").order_by("pk")[0]
        self._tell(f"REMOTE  deleted order item {item.pk}")
        item.delete(using="remote")

    def _on_local(self) -> None:
        # New rows of the two sides must not take the same number, so what LOCAL adds here has a
        # UUID or a text for a key.
        new = Customer.objects.using("local").create(email="new@example.com", name="陈 local")
        self._tell(f"LOCAL   inserted customer {new}")
        Tag.objects.using("local").create(code="local", label="Only here")
        self._tell("LOCAL   inserted tag local")
        order = Order.objects.using("local").order_by("pk")[0]
        order.status = next(s for s in Order.Status.values if s != order.status)
        order.save(using="local")
        self._tell(f"LOCAL   updated {order}: {order.status}")
        item = OrderItem.objects.using("local").order_by("-pk")[0]
        self._tell(f"LOCAL   deleted order item {item.pk}")
        item.delete(using="local")

    def _on_both(self) -> None:
        for alias, price in (("remote", Decimal("11.11")), ("local", Decimal("22.22"))):
            product = Product.objects.using(alias).order_by("pk")[1]
            product.price = price
            product.updated_at = timezone.now()
            product.save(using=alias)
            self._tell(f"{alias.upper():<7} updated product {product}: price {price}  <- conflict")
