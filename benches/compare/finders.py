"""Who finds what differs, and how each is told to."""

import sys
from collections.abc import Sequence
from pathlib import Path

from compare.loaders import Work
from compare.processes import run
from compare.server import DATABASE, Server
from compare.shop import TABLES

# pt-table-sync ends with 2 where it found and mended differences.
MENDED = (0, 2)
RELADIFF_PROGRAM = str(Path(sys.executable).with_name("reladiff"))


def table_sync(flag: str, ends: Sequence[int] = MENDED) -> Work:
    """pt-table-sync.

    Args:
        flag: `--print` or `--execute`.
        ends: The exit statuses that are well.

    Returns:
        The work.
    """

    def work(source: Server, target: Server) -> int:
        sides = [
            f"h={server.host},P={server.port},u={server.user},p={server.password},A=utf8mb4"
            for server in (source, target)
        ]
        flags = [flag, "--databases", DATABASE, "--tables", ",".join(TABLES), "--no-check-slave"]
        # Children go before their parents' checks would stop it; ours needs no such help.
        return run(["pt-table-sync", *flags, "--no-foreign-key-checks", *sides], ends=ends)

    return work


def reladiff(source: Server, target: Server) -> int:
    """Lists every difference with reladiff, one table after another."""
    keys = {"stock_move": ["-k", "warehouse", "-k", "product_id"]}
    peak = 0
    for table in TABLES:
        words = [RELADIFF_PROGRAM, source.url("mysql"), table, target.url("mysql"), table]
        peak = max(peak, run([*words, *keys.get(table, ["-k", "id"]), "-c", "%"]))
    return peak
