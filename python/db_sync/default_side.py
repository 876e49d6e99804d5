"""Which side Django's `default` is: what `DB_ENV` says, where it says so, and saying otherwise."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db_sync import _native, dotenv_file
from db_sync.errors import SyncError

KEY = "DB_ENV"
# The environment that a process was started with, which nothing changes afterwards (on Linux).
_STARTED_WITH = Path("/proc/self/environ")


class NotTaken(Exception):
    """The engine does not read the changed file as it should; nothing was changed."""


@dataclass(frozen=True, slots=True)
class DefaultSide:
    """Which side `default` is.

    Attributes:
        side: `remote` or `local`.
        origin: Who says so: `environment`, which goes before the file; `file`; or `default`, where
            neither does.
        path: The file with the settings; None where there is none.
        told: All that `_native.settings` says.
    """

    side: str
    origin: str
    path: str | None
    told: Mapping[str, Any]


def read(env_file: str | os.PathLike[str] | None = None) -> DefaultSide:
    """Reads which side `default` is.

    Args:
        env_file: Where the settings are, instead of `.env` in the working directory.

    Returns:
        The side, and where that stands.

    Raises:
        ConfigError: Keys are missing or hold values that are not allowed.
        OSError: The file cannot be read.
    """
    told = json.loads(_native.settings(None if env_file is None else os.fspath(env_file)))
    path = os.fspath(".env" if env_file is None else env_file)
    if os.path.abspath(path) == os.path.abspath(".env"):
        # As people call it who stand before it.
        path = ".env"
    if not os.path.exists(path):
        origin = "environment" if KEY in os.environ else "default"
        return DefaultSide(told["default"], origin, None, told)
    if _environment_decides(path):
        origin = "environment"
    elif dotenv_file.names(Path(path).read_bytes(), KEY):
        origin = "file"
    else:
        origin = "default"
    return DefaultSide(told["default"], origin, path, told)


def write(path: str | os.PathLike[str], side: str) -> None:
    """Makes a side the default, in the file.

    Args:
        path: The file with the settings.
        side: `remote` or `local`.

    Raises:
        NotTaken: The line cannot be changed by itself.
        OSError: The file cannot be read or replaced.
        ConfigError: The settings are wrong.
    """
    with _file_alone():
        wanted = {**json.loads(_native.settings(os.fspath(path))), "default": side}

        def approve(new: str) -> None:
            try:
                told = json.loads(_native.settings(new))
            except SyncError as error:
                raise NotTaken from error
            if told != wanted:
                raise NotTaken

        dotenv_file.replace(path, lambda text: dotenv_file.with_value(text, KEY, side), approve)


def _environment_decides(path: str) -> bool:
    """Says whether `DB_ENV` is the environment's own, so that the file's does not count.

    Settings modules that read `.env` themselves (python-dotenv's `load_dotenv`) put what stands
    there into this process's environment. That goes with the file, and is no obstacle.
    """
    if KEY not in os.environ:
        return False
    try:
        with _file_alone():
            of_file = json.loads(_native.settings(path))["default"]
    except SyncError:
        return True
    if os.environ[KEY].strip().lower() != of_file:
        return True
    try:
        given = _STARTED_WITH.read_bytes().split(b"\0")
    except OSError:
        return True
    return any(one.startswith(f"{KEY}=".encode()) for one in given)


@contextmanager
def _file_alone() -> Iterator[None]:
    """Has the engine read `DB_ENV` from the file, whatever this process's environment says."""
    given = os.environ.pop(KEY, None)
    try:
        yield
    finally:
        if given is not None:
            os.environ[KEY] = given
