"""Both versions of a row side by side: cell by cell, exact, and so that a difference can be seen.

Cells come from people's tables and may hold anything. Nothing here makes markup; the template
escapes what it is given.
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from db_sync.cells import mean_the_same, spelled

# Characters of a cell that are shown, and those that are alike before the first difference: where
# more are alike, the difference would be lost among them.
_SHOWN = 1000
_BEFORE = 80
_ALIKE = 200

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as it is shown.

    Attributes:
        text: What it holds, shortened where it is long.
        kind: `text`, or `word` for a word of ours that stands for a cell without a text.
        note: What the eye cannot see: how long it is, which characters it has; may be empty.
    """

    text: str
    kind: str = "text"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One column of both versions."""

    column: str
    is_key: bool
    differs: bool
    remote: Cell
    local: Cell


def side_by_side(key: Row, remote: Row | None, local: Row | None) -> list[Pair]:
    """Pairs the cells of both versions.

    Args:
        key: The key's columns.
        remote: REMOTE's row, or None where it is gone.
        local: LOCAL's row, or None where it is gone.

    Returns:
        The key's columns first, then the others in the rows' own order.
    """
    names = dict.fromkeys([*key, *(remote or {}), *(local or {})])
    return [_pair(name, name in key, remote, local) for name in names]


def _pair(name: str, is_key: bool, remote: Row | None, local: Row | None) -> Pair:
    there, here = _held(remote, name), _held(local, name)
    differs = not mean_the_same(there, here)
    start = _first_difference(there, here) if differs else 0
    alike = differs and _looks(there) == _looks(here)
    cells = [_cell(value, start, differs=differs, alike=alike) for value in (there, here)]
    return Pair(name, is_key, differs, *cells)


@dataclass(frozen=True, slots=True)
class _Nothing:
    """Stands for the cell of a row that is gone, or that lacks the column."""

    gone: bool


def _held(row: Row | None, name: str) -> Any:
    return row[name] if row is not None and name in row else _Nothing(gone=row is None)


def _cell(value: Any, start: int, *, differs: bool, alike: bool) -> Cell:
    match value:
        case _Nothing(gone=True):
            return Cell(_("(gone)"), "word")
        case _Nothing():
            return Cell(_("(no such column)"), "word")
        case None:
            return Cell("NULL", "word")
        case "":
            return Cell(_("(empty text)"), "word")
        case {"bytes": ""}:
            return Cell(_("(no bytes)"), "word")
        case str():
            part, notes = _excerpt(value, start)
            if differs and (alike or _hides_something(part)):
                exact = json.dumps(part, ensure_ascii=alike or not _is_printable(part))
                notes.insert(0, _("exactly: %(text)s") % {"text": exact})
        case {"bytes": str(digits)}:
            # Two digits are one byte.
            part, _length = _excerpt(digits, start - start % 2)
            notes = [_("%(count)d byte(s), shown as hex") % {"count": len(digits) // 2}]
        case _:
            part, notes = spelled(value), [_("a number")] if alike else []
    return Cell(part, note="; ".join(notes))


def _excerpt(text: str, start: int) -> tuple[str, list[str]]:
    """Cuts a long text down to where the difference begins, and says how long it is."""
    begin = start - _BEFORE if start > _ALIKE else 0
    part = text[begin : begin + _SHOWN]
    if part == text:
        return text, []
    before, after = "…" if begin else "", "…" if begin + _SHOWN < len(text) else ""
    length = _("%(count)d characters in all") % {"count": len(text)}
    return f"{before}{part}{after}", [length]


def _first_difference(one: Any, other: Any) -> int:
    texts = [spelled(value) for value in (one, other)]
    pairs = enumerate(zip(*texts, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(map(len, texts)))


def _hides_something(text: str) -> bool:
    return not _is_printable(text) or text != text.strip()


def _is_printable(text: str) -> bool:
    return text.replace("\n", "").isprintable()


def _looks(value: Any) -> str:
    """Gives what a person would take a cell for."""
    return " ".join(unicodedata.normalize("NFKC", spelled(value)).split())
