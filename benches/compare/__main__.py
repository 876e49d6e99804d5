"""Measures and writes `docs/performance.md`: `make bench`, `make bench SIZE=full`."""

import argparse
import datetime
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compare import ours
from compare.comparison import Comparison
from compare.document import write
from compare.growth import Growth
from compare.keys import measure_keys
from compare.measured import FILES, GROWTH, KEYS, LINK, SHOP, Measured, Part
from compare.server import Server
from compare.sqlite_files import measure_files
from compare.stopwatch import say, shout


@dataclass(frozen=True)
class Size:
    """How many rows each part takes.

    Attributes:
        shop: Products, and orders.
        growth: The one table, size after size.
        link: At which of these the slow link is tried.
        keys: The tables with either key.
        files: What goes into SQLite files.
    """

    shop: int
    growth: tuple[int, ...]
    link: int
    keys: int
    files: int


SIZES = {
    "tiny": Size(5_000, (2_000, 10_000), 10_000, 5_000, 5_000),
    "small": Size(100_000, (100_000, 1_000_000), 1_000_000, 100_000, 100_000),
    "full": Size(1_000_000, (100_000, 1_000_000, 10_000_000), 1_000_000, 1_000_000, 1_000_000),
}
# Growth and the slow link are one walk over one table.
PARTS = (SHOP, GROWTH, KEYS, FILES)
ORDER = (SHOP, GROWTH, LINK, KEYS, FILES)


def main() -> int:
    """Measures the parts that are asked for, and writes all that is known of this size.

    Returns:
        The exit status: 1 where a contender that is there has failed.
    """
    arguments = argparse.ArgumentParser(prog="make bench", description=__doc__)
    arguments.add_argument("--size", choices=SIZES, default="small")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="measure these anew, keep others"
    )
    arguments.add_argument("--into", type=Path, default=ours.ROOT / "docs/performance.md")
    told = arguments.parse_args()
    source = Server.at(os.environ["DB_SYNC_TEST_MARIADB_URL"])
    target = Server.at(os.environ["DB_SYNC_TEST_MARIADB2_URL"])
    # Where a server takes no loads, neither the limit nor the loaders could be shown.
    target.run("SET GLOBAL local_infile=1", database=None)
    # A server's own data should be in its memory: a quarter of the machine's for each of the two.
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    for server in (source, target):
        server.run(f"SET GLOBAL innodb_buffer_pool_size={memory}", database=None)
    size = SIZES[told.size]
    head = _head(told.size, told.rounds)
    measures: dict[str, Callable[[], list[Part]]] = {
        SHOP: lambda: [Comparison(source, target, size.shop).run(told.rounds, head)],
        GROWTH: lambda: Growth(source, target, told.rounds).run(size.growth, size.link, head),
        KEYS: lambda: [measure_keys(source, target, size.keys, told.rounds, head)],
        FILES: lambda: [measure_files(source, target, size.files, told.rounds, head)],
    }
    kept = ours.ROOT / "target/bench/measured" / told.size
    kept.mkdir(parents=True, exist_ok=True)
    absent: list[str] = []
    failed: list[str] = []
    for name in told.parts:
        for part in measures[name]():
            # Written at once: what comes later may fail.
            part.keep(kept / f"{part.name}.json")
            absent += part.absent
            failed += part.failed
    parts = [Part.kept(path) for name in ORDER if (path := kept / f"{name}.json").exists()]
    write(told.into, Measured(parts))
    say(f"written: {told.into}")
    for one in absent:
        shout(f"left out: {one}")
    for one in failed:
        shout(f"failed: {one}")
    return 1 if failed else 0


def _head(size: str, rounds: int) -> str:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    times = "1 round" if rounds == 1 else f"{rounds} rounds"
    return f"{times} of `make bench SIZE={size}` on one machine ({machine}), {today}"


if __name__ == "__main__":
    sys.exit(main())
