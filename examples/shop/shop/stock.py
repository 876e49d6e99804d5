"""A shop's worth of rows out of nothing but a seed."""

import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from django.db.models import Model

from shop.models import Category, Customer, Order, OrderItem, Product, Tag

_GOODS = ("绿茶", "乌龙茶", "普洱茶", "コーヒー豆", "유자차", "Kaffee", "Café", "Mug 🍵")
_SHELVES = ("茶叶", "咖啡", "器具", "礼盒", "图书")
_TAGS = ("new", "sale", "bio", "fair", "gift", "rare")
_OPENING = datetime(2025, 1, 1, 8, tzinfo=timezone.utc)


class Stock(NamedTuple):
    """Unsaved rows, table by table, parents first."""

    categories: list[Category]
    tags: list[Tag]
    products: list[Product]
    taggings: list[Model]
    customers: list[Customer]
    orders: list[Order]
    items: list[OrderItem]


def stock(rows: int, seed: int) -> Stock:
    """Makes up a shop; the same arguments give the same rows on any machine.

    Args:
        rows: How many products; every other table has a share of that.
        seed: Of the random numbers.

    Returns:
        The rows, with keys and not yet saved.
    """
    random = Random(seed)
    categories = _categories(max(len(_SHELVES), rows // 50))
    tags = [Tag(code=code, label=code.title()) for code in _TAGS]
    products = [_product(random, number, len(categories)) for number in range(1, rows + 1)]
    customers = [_customer(random, number) for number in range(1, max(2, rows // 4) + 1)]
    orders, items = _orders(random, customers, products)
    return Stock(categories, tags, products, _taggings(random, products), customers, orders, items)


def _categories(count: int) -> list[Category]:
    return [
        Category(
            pk=number,
            # The first ones are the shop's top shelves, the others stand in an earlier one.
            parent_id=None if number <= len(_SHELVES) else number // 2,
            name=f"{_SHELVES[number % len(_SHELVES)]} {number}",
            slug=f"shelf-{number}",
        )
        for number in range(1, count + 1)
    ]


def _product(random: Random, number: int, categories: int) -> Product:
    created = _OPENING + timedelta(seconds=number, microseconds=random.randrange(1_000_000))
    name = random.choice(_GOODS)
    return Product(
        pk=number,
        category_id=random.randint(1, categories),
        sku=f"SKU-{number:06}",
        name=f"{name} {number}",
        description=f"{name}. " * random.randint(0, 8),
        price=Decimal(random.randint(100, 99_999)) / 100,
        weight=random.choice((None, random.uniform(0.05, 5))),
        attributes={
            "origin": random.choice(("云南", "Assam", "京都")),
            "grade": random.randint(1, 5),
        },
        is_active=random.random() < 0.9,
        released=date(2020, 1, 1) + timedelta(days=random.randrange(1800)),
        created_at=created,
        updated_at=created,
    )


def _customer(random: Random, number: int) -> Customer:
    return Customer(
        pk=uuid.UUID(int=random.getrandbits(128), version=4),
        email=f"customer{number}@example.com",
        name=f"{random.choice(('王', '李', '張', 'Müller', 'O’Neill'))} {number}",
    )


def _taggings(random: Random, products: list[Product]) -> list[Model]:
    pairs = [(product.pk, code) for product in products for code in random.sample(_TAGS, 2)]
    tagging: Any = Product.tags.through
    return [
        tagging(pk=number, product_id=product, tag_id=code)
        for number, (product, code) in enumerate(pairs, start=1)
    ]


def _orders(
    random: Random, customers: list[Customer], products: list[Product]
) -> tuple[list[Order], list[OrderItem]]:
    orders, items = [], []
    for number in range(1, len(products) // 2 + 1):
        bought = [
            OrderItem(
                order_id=number,
                product_id=product.pk,
                quantity=random.randint(1, 5),
                unit_price=product.price,
            )
            for product in random.sample(products, min(len(products), random.randint(1, 4)))
        ]
        items += bought
        orders.append(
            Order(
                pk=number,
                customer_id=random.choice(customers).pk,
                placed_at=_OPENING + timedelta(minutes=number),
                status=random.choice(Order.Status.values),
                total=sum(item.quantity * item.unit_price for item in bought),
            )
        )
    for number, item in enumerate(items, start=1):
        item.pk = number
    return orders, items
