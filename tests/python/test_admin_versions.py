"""Both versions of a row beside each other: exact, and so that a difference can be seen."""

import json
from decimal import Decimal
from typing import Any

import pytest

from db_sync.admin.versions import Cell, Pair, side_by_side
from db_sync.cells import key_text
from db_sync.models import ExactNumbers


def pair(remote: Any, local: Any) -> Pair:
    [_key, found] = side_by_side({"id": 1}, {"id": 1, "c": remote}, {"id": 1, "c": local})
    return found


def test_the_key_comes_first_then_the_rows_own_order() -> None:
    pairs = side_by_side({"b": 1}, {"a": 1, "b": 1}, {"b": 1, "a": 2, "c": 3})
    assert [(one.column, one.is_key, one.differs) for one in pairs] == [
        ("b", True, False),
        ("a", False, True),
        ("c", False, True),
    ]
    assert pairs[2].remote == Cell("(no such column)", "word")
    assert key_text({"shop": 7, "sku": "a=b"}) == "shop=7, sku=a=b"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, ""),
        ("", " "),
        (None, "NULL"),
        ("1", 1),
        ("a", "a "),
        ("a", "A"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"),
        ("a\u200b", "a"),
        (Decimal("0.1"), Decimal("0.10000000000000000000001")),
        (Decimal("0.0"), Decimal("-0.0")),
        (18446744073709551615, 18446744073709551614),
        ({"bytes": "00"}, {"bytes": "01"}),
        ({"bytes": "61"}, "61"),
        ({"bytes": ""}, ""),
    ],
)
def test_what_differs_also_looks_different(one: Any, other: Any) -> None:
    found = pair(one, other)
    assert found.differs
    assert found.remote != found.local
    assert pair(other, one).differs


@pytest.mark.parametrize(
    "value",
    [None, "", "绿茶，好", 7, Decimal("1.50"), {"bytes": "00ff"}, "line\nline", "trailing "],
)
def test_what_is_the_same_is_no_difference(value: Any) -> None:
    found = pair(value, value)
    assert not found.differs
    assert found.remote == found.local
    assert "exactly" not in found.remote.note


def test_numbers_are_the_same_however_they_are_written() -> None:
    assert not pair(Decimal("1.50"), Decimal("1.5")).differs
    assert not pair(3, Decimal("3.0")).differs


def test_one_uuid_in_two_spellings_is_no_difference() -> None:
    bare, dashed = "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9"
    found = pair(bare, dashed)
    assert not found.differs
    assert (found.remote, found.local) == (Cell(bare), Cell(dashed))


def test_numbers_are_shown_to_their_last_digit() -> None:
    text = '{"id": 1, "c": 123456789012345678901234567890.123456789012345678901234567890}'
    row = json.loads(text, cls=ExactNumbers)
    shown = side_by_side({"id": 1}, row, None)[1].remote.text
    assert shown == "123456789012345678901234567890.123456789012345678901234567890"


def test_a_row_that_is_gone_says_so_in_every_cell() -> None:
    pairs = side_by_side({"id": 1}, None, {"id": 1, "c": None})
    assert {one.remote for one in pairs} == {Cell("(gone)", "word")}
    assert [one.local.text for one in pairs] == ["1", "NULL"]
    assert all(one.differs for one in pairs)


def test_bytes_are_hex_with_their_number() -> None:
    found = pair({"bytes": "00ff"}, {"bytes": ""})
    assert found.remote == Cell("00ff", note="2 byte(s), shown as hex")
    assert found.local == Cell("(no bytes)", "word")


def test_a_long_text_is_cut_to_where_it_differs() -> None:
    same = "x" * 50_000
    found = pair(f"{same}REMOTE{same}", f"{same}LOCAL{same}")
    for cell, word in ((found.remote, "REMOTE"), (found.local, "LOCAL")):
        assert word in cell.text
        assert len(cell.text) < 1100
        assert cell.text.startswith("…")
        assert cell.text.endswith("…")
    assert "100006 characters in all" in found.remote.note


@pytest.mark.parametrize("alike", [201, 999, 50_000])
def test_what_differs_at_the_end_stands_near_the_beginning(alike: int) -> None:
    same = "x" * alike
    found = pair(f"{same}a", f"{same}bc")
    assert found.remote == Cell(f"…{'x' * 80}a", note=f"{alike + 1} characters in all")
    assert found.local == Cell(f"…{'x' * 80}bc", note=f"{alike + 2} characters in all")
    # One may end where the other goes on.
    assert pair(same, f"{same}y").remote.text == f"…{'x' * 80}"


def test_what_is_short_or_alike_is_shown_from_its_beginning() -> None:
    short, long = "x" * 200, "x" * 5000
    assert pair(f"{short}a", f"{short}b").remote == Cell(f"{short}a")
    assert pair(long, long).remote == Cell(f"{long[:1000]}…", note="5000 characters in all")
    assert pair(long[:1000], long[:1000]).remote == Cell(long[:1000])


def test_bytes_are_cut_between_bytes() -> None:
    same = "00" * 150
    found = pair({"bytes": f"{same}1a"}, {"bytes": f"{same}1b"})
    assert found.remote.text == f"…{'00' * 40}1a"


def test_what_the_eye_cannot_see_is_spelled_out() -> None:
    assert 'exactly: "a "' in pair("a", "a ").local.note
    assert "\\u200b" in pair("a\u200b", "b").remote.note
    assert (
        "e\\u0301"
        in pair("e\N{COMBINING ACUTE ACCENT}", "\N{LATIN SMALL LETTER E WITH ACUTE}").remote.note
    )
    # Letters that everybody can read need no spelling.
    assert pair("绿茶", "红茶").remote.note == ""
