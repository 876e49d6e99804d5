"""A `.env` file as text: which lines assign what, and one value of it replaced.

What a value means is for the engine to say (src/config/dotenv.rs), which reads the new file before
it takes the old one's place. Whatever else stands in the file stays as it is, byte for byte.
"""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_QUOTES = (b"'", b'"')
# Where a value without quotes ends: at the line's end, or at a comment.
_END = re.compile(rb"\s*$|[ \t]+#|^#")


class _Assignment(NamedTuple):
    """One line that gives a name a value.

    Attributes:
        line: The line's number, from 0.
        name: The name.
        before: The line up to the value, an opening quote included.
        value: The value as it is written.
        after: The rest of the line, from a closing quote or a comment on.
    """

    line: int
    name: bytes
    before: bytes
    value: bytes
    after: bytes


def names(text: bytes, name: str) -> bool:
    """Says whether a file gives a name a value.

    Args:
        text: The file.
        name: The name.

    Returns:
        True where a line gives it a value that is not empty.
    """
    return any(one.name == name.encode() and one.value for one in _assignments(text))


def shows_passwords(path: str | os.PathLike[str]) -> bool:
    """Says whether everybody on the machine may read passwords in a file.

    Args:
        path: The file, which need not be there.

    Returns:
        True where its mode lets others read it and a name that ends in PASSWORD has a value.
    """
    try:
        if not os.stat(path).st_mode & stat.S_IROTH:
            return False
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return False
    return any(one.name.endswith(b"PASSWORD") and one.value for one in _assignments(text))


def with_value(text: bytes, name: str, value: str) -> bytes:
    """Gives a name another value.

    Every line with the name is changed: of two, some programs take the first and some the last.
    Without one, a line is added at the end.

    Args:
        text: The file.
        name: The name.
        value: A value that needs no quotes.

    Returns:
        The file with the value, in the quotes that were there.
    """
    lines = text.split(b"\n")
    found = [one for one in _assignments(text) if one.name == name.encode()]
    for one in found:
        space = b" " if one.after.startswith(b"#") else b""
        lines[one.line] = one.before + value.encode() + space + one.after
    if found:
        return b"\n".join(lines)
    ending = b"\r\n" if b"\r\n" in text else b"\n"
    open_end = text not in (b"", _BYTE_ORDER_MARK) and not text.endswith(b"\n")
    return text + (ending if open_end else b"") + f"{name}={value}".encode() + ending


def replace(
    path: str | os.PathLike[str],
    change: Callable[[bytes], bytes],
    approve: Callable[[str], None],
) -> None:
    """Puts a changed file in a file's place: whoever reads it reads the old or the new one.

    Mode, owner and extended attributes are kept, the owner only as far as this process may. Where
    the path is a symbolic link, the file behind it is replaced.

    Args:
        path: The file.
        change: Makes the new text of the old one.
        approve: Looks at the new file, under the name that it is given, and raises where it must
            not take the old one's place.

    Raises:
        OSError: The file cannot be read or replaced; it is as it was.
    """
    target = os.path.realpath(path)
    with open(target, "rb") as file:
        known = os.fstat(file.fileno())
        text = change(file.read())
    # Only its owner may read it, from the first byte on.
    handle, new = tempfile.mkstemp(prefix=".env.", dir=os.path.dirname(target))
    try:
        with open(handle, "wb") as file:
            file.write(text)
            file.flush()
            _give(file.fileno(), known)
            shutil.copystat(target, new)
            # Its contents are of now: whoever looks at times must see that.
            os.utime(new)
            os.fsync(file.fileno())
        approve(new)
        os.replace(new, target)
    except BaseException:
        os.unlink(new)
        raise
    _sync_folder(os.path.dirname(target))


def _assignments(text: bytes) -> Iterator[_Assignment]:
    """Finds the lines that assign something, as the engine does: not those within quotes."""
    quote = b""
    for number, line in enumerate(text.split(b"\n")):
        if quote:
            quote = b"" if quote in line else quote
            continue
        key, equals, rest = line.partition(b"=")
        if not equals or line.lstrip().startswith(b"#"):
            continue
        written = rest.strip()
        if written[:1] in _QUOTES and written[:1] not in written[1:]:
            quote = written[:1]
        words = key.removeprefix(_BYTE_ORDER_MARK).split()
        if words and words[:-1] in ([], [b"export"]):
            before, value, after = _parts(rest)
            yield _Assignment(number, words[-1], key + equals + before, value, after)


def _parts(rest: bytes) -> tuple[bytes, bytes, bytes]:
    """Takes apart what follows the equals sign; see `_Assignment`."""
    value = rest.lstrip(b" \t")
    indent = rest[: len(rest) - len(value)]
    quote = value[:1]
    if quote in _QUOTES:
        inside, closing, after = value[1:].partition(quote)
        return indent + quote, inside, closing + after
    end = _END.search(value)
    at = end.start() if end else len(value)
    return indent, value[:at], value[at:]


def _give(handle: int, known: os.stat_result) -> None:
    """Gives a file the owner and group of another one, or the group alone, as far as allowed."""
    for owner in (known.st_uid, -1):
        try:
            os.fchown(handle, owner, known.st_gid)
        except OSError:
            continue
        return


def _sync_folder(path: str) -> None:
    """Has the renaming itself reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
