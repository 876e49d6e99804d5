"""Measures and writes `docs/performance.md`: `make bench`, `make bench SIZE=full`."""

import argparse
import datetime
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from compare import shop
from compare.peers import FEW, FIRST, INCREMENTAL, NOTHING, PEERS, ROOT, SOME, WORKS, Peer
from compare.shop import Server

SIZES = {"small": 100_000, "full": 1_000_000}
SHARES = {FEW: 0.001, SOME: 0.01}
BEGIN, END = "<!-- measured by make bench -->\n", "<!-- end -->\n"
Times = dict[str, dict[str, list[float]]]


def main() -> int:
    """Runs every work in every round, and writes medians and ratios.

    Returns:
        The exit status: 1 where a result was not right.
    """
    arguments = argparse.ArgumentParser(prog="make bench", description=__doc__)
    arguments.add_argument("--size", choices=SIZES, default="small")
    arguments.add_argument("--rounds", type=int, default=3)
    told = arguments.parse_args()
    source = Server.at(os.environ["DB_SYNC_TEST_MARIADB_URL"])
    target = Server.at(os.environ["DB_SYNC_TEST_MARIADB2_URL"])
    target.run("SET GLOBAL local_infile=1", database=None)
    rows = SIZES[told.size]
    peers = [peer for peer in PEERS if present(peer)]
    say(f"making {rows} products, {rows} orders, {rows // 5} stock moves")
    shop.fill(source, rows)
    times: Times = {work: {} for work in WORKS}
    salt = 0
    for number in range(1, told.rounds + 1):
        say(f"round {number} of {told.rounds}")
        for peer in loaders(peers):
            shop.empty(target)
            measure(times, FIRST, peer, source, target)
        shop.empty(target)
        INCREMENTAL(source, target)
        for work in (NOTHING, FEW, SOME):
            for peer in (peer for peer in peers if work in peer.works):
                if work in SHARES:
                    salt += 1
                    shop.change(source, SHARES[work], salt)
                measure(times, work, peer, source, target)
                # Whoever worked, the base is to know of it.
                INCREMENTAL(source, target)
    write(times, rows, told)
    return 0


def present(peer: Peer) -> bool:
    """Whether a peer is installed; says so where it is not."""
    missing = peer.missing()
    if missing:
        say(f"!!! left out: {peer.name} ({missing} is not installed)")
    return missing is None


def loaders(peers: list[Peer]) -> Iterator[Peer]:
    """Those that load tables."""
    return (peer for peer in peers if FIRST in peer.works)


def measure(times: Times, work: str, peer: Peer, source: Server, target: Server) -> None:
    """Times one work, and looks whether it was done."""
    clock = time.perf_counter()
    peer.works[work](source, target)
    took = time.perf_counter() - clock
    times[work].setdefault(peer.name, []).append(took)
    say(f"  {work}: {peer.name}: {took:.2f} s")
    if peer.writes and shop.sums(source) != shop.sums(target):
        sys.exit(f"{peer.name} left the two sides different after: {work}")


def write(times: Times, rows: int, told: argparse.Namespace) -> None:
    """Puts the table of medians and ratios into the document."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    lines = [
        f"`make bench SIZE={told.size}`: {rows:,} products, {rows:,} orders, "
        f"{rows // 5:,} stock moves; {told.rounds} rounds; MariaDB to MariaDB on one machine "
        f"({machine}), {today}.\n",
        "\n",
        "| work | by | median | db-sync takes |\n",
        "|---|---|---|---|\n",
    ]
    for work, by in times.items():
        mine = statistics.median(by[PEERS[0].name])
        for name, seconds in by.items():
            median = statistics.median(seconds)
            ratio = "" if name == PEERS[0].name else f"{mine / median:.2f} × that"
            lines.append(f"| {work} | {name} | {median:.2f} s | {ratio} |\n")
    path = Path(ROOT / "docs/performance.md")
    before, rest = path.read_text().split(BEGIN)
    path.write_text(f"{before}{BEGIN}{''.join(lines)}{END}{rest.split(END)[1]}")
    say("".join(lines))


def say(text: str) -> None:
    """Tells whoever waits."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
