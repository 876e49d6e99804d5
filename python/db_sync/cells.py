"""The cells of a row's versions: how they are spelled, and when two of them mean the same."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def mean_the_same(one: Any, other: Any) -> bool:
    """Says whether two cells of one column mean the same.

    Args:
        one: A cell as JSON has it, fractions as they were read.
        other: The other version's.

    Returns:
        True for equal cells, for numbers of one value, and for two texts that are one UUID: MySQL
        keeps it as 32 digits, MariaDB shows its `uuid` with dashes.
    """
    if isinstance(one, int | float | Decimal) and isinstance(other, int | float | Decimal):
        # −0.0 is a number of its own.
        return one == other and str(one).startswith("-") == str(other).startswith("-")
    if isinstance(one, str) and isinstance(other, str):
        return one == other or (_is_uuid(one) and _is_uuid(other) and _bare(one) == _bare(other))
    return type(one) is type(other) and bool(one == other)


def spelled(value: Any) -> str:
    """Gives a cell's characters as they stand; fractions are not rounded."""
    match value:
        case str():
            return value
        case {"bytes": str(digits), **rest} if not rest:
            return digits
        case None:
            return "NULL"
        case _:
            return str(value)


def key_text(key: Mapping[str, Any]) -> str:
    """Spells a row's key in one line, for example `id=7`."""
    return ", ".join(f"{name}={spelled(value)}" for name, value in key.items())


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _bare(uuid: str) -> str:
    return uuid.replace("-", "").lower()
