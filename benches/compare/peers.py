"""Who is compared: a name, what it can do, and how it is told to."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compare import finders, loaders, ours
from compare.loaders import Work
from compare.measured import (
    APPENDED,
    DJANGO,
    DUMP,
    FEW,
    FIRST,
    LIMIT,
    MYDUMPER,
    NOTHING,
    OURS,
    PLAIN,
    RELADIFF,
    SLING,
    SOME,
    TABLE_SYNC,
)
from compare.server import Server


@dataclass(frozen=True)
class Peer:
    """One contender.

    Attributes:
        name: As the tables show it.
        needs: The programs that it needs, by name on PATH or by path.
        works: What it can do, and how.
        writes: Whether the target is the same as the source afterwards, which is then checked.
        once: Whether it is so slow that it works in the first round alone.
    """

    name: str
    needs: Sequence[str]
    works: dict[str, Work] = field(default_factory=dict)
    writes: bool = True
    once: bool = False

    def missing(self) -> str | None:
        """Names a program that it needs and that is not there."""
        return next((need for need in self.needs if shutil.which(need) is None), None)


def first_load(source: Server, target: Server) -> int:
    """Our command with `--type FULL`."""
    return ours.sync(source, target, "--type", "FULL")


def incremental(source: Server, target: Server) -> int:
    """Our command as it is run every day."""
    return ours.sync(source, target)


_EXECUTE = finders.table_sync("--execute")
PEERS = (
    Peer(
        OURS,
        [str(ours.PROGRAM)],
        {
            FIRST: first_load,
            NOTHING: incremental,
            APPENDED: incremental,
            FEW: incremental,
            SOME: incremental,
        },
    ),
    Peer(LIMIT, ["mariadb"], {FIRST: loaders.limit}),
    Peer(DUMP, ["mariadb-dump", "mariadb"], {FIRST: loaders.dump}),
    Peer(MYDUMPER, ["mydumper", "myloader"], {FIRST: loaders.mydumper}),
    Peer(SLING, [loaders.sling_program()], {FIRST: loaders.sling}, once=True),
    Peer(PLAIN, [sys.executable], {FIRST: loaders.script("plain_copy")}, once=True),
    Peer(
        DJANGO,
        [str(Path(sys.executable).with_name("django-admin"))],
        {FIRST: loaders.script("django_copy")},
        once=True,
    ),
    Peer(
        TABLE_SYNC,
        ["pt-table-sync"],
        {
            NOTHING: finders.table_sync("--print"),
            APPENDED: _EXECUTE,
            FEW: _EXECUTE,
            SOME: _EXECUTE,
        },
    ),
    Peer(
        RELADIFF,
        [finders.RELADIFF_PROGRAM],
        {NOTHING: finders.reladiff, APPENDED: finders.reladiff, FEW: finders.reladiff},
        writes=False,
    ),
)
