"""Passwords in what is said: as they are, and as encoders write them."""

import base64
import json
import re
from collections.abc import Iterable
from functools import cache
from urllib.parse import quote, quote_plus

# A shorter one may stand in any text by chance.
SHORTEST = 8
HIDDEN = "<password>"


@cache
def spellings(password: str) -> frozenset[str]:
    """A password as it is and as encoders write it, and its most telling part; in lower case."""
    raw = password.encode()
    written = {
        password,
        password.split("/")[0],
        quote(password),
        quote(password, safe=""),
        quote_plus(password),
        repr(password)[1:-1],
        json.dumps(password)[1:-1],
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        raw.hex(),
    }
    return frozenset(one.lower() for one in written if len(one) >= SHORTEST)


def shows(text: str, passwords: Iterable[str]) -> bool:
    """Whether one of the passwords is in a text, however it is written."""
    lowered = text.lower()
    return any(one in lowered for password in passwords for one in spellings(password))


def hide(text: str, passwords: Iterable[str]) -> str:
    """The text without them."""
    found = {one for password in passwords for one in spellings(password)}
    words = "|".join(re.escape(one) for one in sorted(found, key=len, reverse=True))
    return re.sub(words, HIDDEN, text, flags=re.IGNORECASE) if words else text
