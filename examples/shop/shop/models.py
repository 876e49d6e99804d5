"""What a shop sells, to whom.

Between them the tables have every kind of key that a sync must handle: numbers that the database
gives out, a UUID, a text, two columns that are unique together, and a table that refers to itself.
"""

import uuid

from django.db import models
from django.utils import timezone


class Category(models.Model):
    """A shelf, which may stand in another one."""

    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True)
    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)

    class Meta:
        """Plural that a person would write."""

        verbose_name_plural = "categories"

    def __str__(self) -> str:
        """Names the shelf."""
        return self.name


class Tag(models.Model):
    """A word about products, known by its code."""

    code = models.CharField(max_length=20, primary_key=True)
    label = models.CharField(max_length=50)

    def __str__(self) -> str:
        """Gives the code."""
        return self.code


class Product(models.Model):
    """Something to buy."""

    category = models.ForeignKey(Category, models.PROTECT)
    sku = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    weight = models.FloatField(null=True, blank=True)
    attributes = models.JSONField(default=dict)
    is_active = models.BooleanField(default=True)
    released = models.DateField()
    created_at = models.DateTimeField(default=timezone.now)
    # Not auto_now: seeding must give the same rows every time.
    updated_at = models.DateTimeField(default=timezone.now)
    tags = models.ManyToManyField(Tag, blank=True)

    def __str__(self) -> str:
        """Gives the stock number and the name."""
        return f"{self.sku} {self.name}"


class Customer(models.Model):
    """A person who buys. Both sides may take in new ones: a UUID never collides."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        """Gives the address."""
        return self.email


class Order(models.Model):
    """What a customer bought at one time."""

    class Status(models.TextChoices):
        """How far it has come."""

        PENDING = "pending", "pending"
        PAID = "paid", "paid"
        SHIPPED = "shipped", "shipped"

    customer = models.ForeignKey(Customer, models.CASCADE)
    placed_at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    total = models.DecimalField(max_digits=12, decimal_places=2)

    def __str__(self) -> str:
        """Gives the number."""
        return f"Order {self.pk}"


class OrderItem(models.Model):
    """One line of an order."""

    order = models.ForeignKey(Order, models.CASCADE)
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        """A product stands in an order once."""

        unique_together = (("order", "product"),)

    def __str__(self) -> str:
        """Gives the amount and what of."""
        return f"{self.quantity} × {self.product_id}"
