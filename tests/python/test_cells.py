"""What two servers spell in two ways means the same; nothing else does."""

from decimal import Decimal
from typing import Any

import pytest

from db_sync.cells import mean_the_same

DASHED = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
BARE = DASHED.replace("-", "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BARE, DASHED),
        (BARE.upper(), DASHED),
        (DASHED.upper(), DASHED),
        (1, Decimal("1.00")),
        (1.5, Decimal("1.50")),
        (None, None),
        ({"bytes": "00"}, {"bytes": "00"}),
    ],
)
def test_two_spellings_of_one_value_mean_the_same(one: Any, other: Any) -> None:
    assert mean_the_same(one, other)
    assert mean_the_same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BARE, DASHED.replace("f9", "fa")),
        # Nobody spells a UUID like these: they are texts.
        (BARE, f"{DASHED} "),
        (BARE, f"{DASHED}\n"),
        (BARE, f"{BARE[:4]}-{BARE[4:]}"),
        (BARE, "{" + DASHED + "}"),
        (BARE[:-1], DASHED[:-1]),
        ("abc-d", "abcd"),
        ("ABCD", "abcd"),
        (BARE.replace("0", "g"), DASHED.replace("0", "g")),
        (BARE, {"bytes": BARE}),
        (Decimal("0.0"), Decimal("-0.0")),
        ("1", 1),
        (None, ""),
    ],
)
def test_what_is_no_spelling_of_the_same_value_differs(one: Any, other: Any) -> None:
    assert not mean_the_same(one, other)
    assert not mean_the_same(other, one)
