"""The engine's words of a fixed set, with a colour and a sign: the colour never stands alone."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

_TONES = {
    "SUCCESS": "good",
    "RESOLVED": "good",
    "PARTIAL": "fair",
    "PENDING": "fair",
    "INTERRUPTED": "halted",
    "FAILED": "bad",
    "RUNNING": "busy",
}
_SIGNS = {"good": "✓", "fair": "!", "bad": "✗", "busy": "…", "halted": "‖"}
_ARROWS = {"REMOTE_TO_LOCAL": "→ LOCAL", "LOCAL_TO_REMOTE": "→ REMOTE", "BOTH": "↔ BOTH"}


def tone(word: str) -> str:
    """Says how one of the engine's words is meant, as `admin.css` knows it; else `plain`."""
    return _TONES.get(word, "plain")


def arrow(direction: str | None) -> str:
    """Shortens a direction to the side that is written; a dash where none is known."""
    return _ARROWS.get(direction or "", direction or "–")


def badge(word: str, meant: str | None = None) -> SafeString:
    """Marks a word.

    Args:
        word: One of the engine's, or any other one.
        meant: How it is meant, for words that are not the engine's.

    Returns:
        The word with a sign, in its colour.
    """
    meant = tone(word) if meant is None else meant
    return format_html(
        '<span class="db-sync-badge db-sync-{}"><span aria-hidden="true">{}</span> {}</span>',
        meant,
        _SIGNS.get(meant, ""),
        word,
    )
