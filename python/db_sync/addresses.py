"""Which database a side is, told from its settings alone: nobody is asked.

Two names may be one database all the same; the engine finds that out when it reaches both sides.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What reaches this very machine.
LOOPBACK = frozenset({"", "localhost", "127.0.0.1", "::1", "[::1]"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is. Equal addresses are one database.

    Attributes:
        text: `host:port/name` or a file's path; never a user or a password.
        identity: What is compared: a file by what the file system says it is, a host by its name.
    """

    text: str = field(compare=False)
    identity: tuple[str | int, ...]

    def __str__(self) -> str:
        """Names it for people."""
        return self.text


def of_side(side: Mapping[str, Any]) -> Address:
    """Tells where a side is.

    Args:
        side: One of the two in `_native.settings`.

    Returns:
        Its address.
    """
    if side["engine"] == "sqlite":
        return _file(side["name"])
    return _server("mysql", side["host"], side["port"], side["name"])


def of_alias(database: Mapping[str, Any]) -> Address | None:
    """Tells where one of Django's aliases is.

    Args:
        database: An entry of `DATABASES`, which may be half filled in.

    Returns:
        Its address; None where the settings do not say, as for a database in memory.
    """
    engine = str(database.get("ENGINE") or "").rpartition(".")[2]
    name = str(database.get("NAME") or "")
    if not name or engine in ("", "dummy"):
        return None
    if engine == "sqlite3":
        in_memory = name == ":memory:" or name.startswith("file:")
        return None if in_memory else _file(name)
    port = database.get("PORT") or (3306 if engine == "mysql" else "")
    return _server(engine, str(database.get("HOST") or ""), port, name)


def strangers(
    told: Mapping[str, Any], databases: Mapping[str, Any]
) -> dict[str, tuple[Address, Address]]:
    """Finds the aliases of Django's that are other databases than the settings say.

    A `default` that is neither side is the project's own business.

    Args:
        told: What `_native.settings` says.
        databases: `DATABASES`.

    Returns:
        For each such alias of `default`, `remote` and `local` where it is, and where the settings
        say it is.
    """
    sides = {side: of_side(told[side]) for side in ("remote", "local")}
    found = {}
    for alias, meant in {"default": sides[told["default"]], **sides}.items():
        address = of_alias(databases.get(alias, {}))
        if address is None or address == meant:
            continue
        if alias != "default" or address in sides.values():
            found[alias] = (address, meant)
    return found


def _file(path: str) -> Address:
    try:
        known = os.stat(path)
    except OSError:
        return Address(path, ("file", os.path.realpath(path)))
    except ValueError:
        # No name that a file could have.
        return Address(path, ("file", path))
    return Address(path, ("file", known.st_dev, known.st_ino))


def _server(kind: str, host: str, port: str | int, name: str) -> Address:
    plain = host.strip().lower().rstrip(".")
    here = "127.0.0.1" if plain in LOOPBACK else plain
    return Address(f"{host}:{port}/{name}", ("server", kind, here, str(port), name))
