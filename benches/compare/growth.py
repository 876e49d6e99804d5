"""Ours alone, on one table that grows: time per row, memory, and the slow link."""

from functools import partial

from compare import item, ours
from compare.measured import (
    DIRECTLY,
    FIRST,
    GROWTH,
    IDLE,
    LINK,
    NOTHING,
    OURS,
    PYTHON,
    SLOWLY,
    TAIL,
    Measurement,
    Part,
)
from compare.peers import first_load, incremental
from compare.server import Server
from compare.slow_link import BITS_PER_SECOND, ONE_WAY_SECONDS, SlowLink
from compare.stopwatch import Stopwatch, say, shout

APPENDED = 1000
# A larger table is loaded by the command once, whatever the rounds.
LARGE = 1_000_000


class Growth:
    """One table, larger and larger."""

    def __init__(self, source: Server, target: Server, rounds: int) -> None:
        """Gets ready; the servers are touched first by `run`."""
        self.source = source
        self.target = target
        self.rounds = rounds
        self.watch = Stopwatch(GROWTH, source, target)
        self.link = Stopwatch(LINK, source, target)
        self.absent: list[str] = []
        self.python = ours.missing_python() is None
        # The last of this size's rows; what is appended comes after it.
        self.last = 0

    def run(self, sizes: tuple[int, ...], linked: int, head: str) -> list[Part]:
        """Measures.

        Args:
            sizes: The numbers of rows, growing.
            linked: The number of rows at which the slow link is tried.
            head: What stands above the results.

        Returns:
            The growth and the slow link.
        """
        self._idle()
        item.empty(self.source)
        for rows in sizes:
            say(f"growth: making rows up to {rows:,}")
            # What an earlier size has had appended has the numbers of this one's rows.
            self.source.run(f"DELETE FROM item WHERE id > {self.last}")
            item.grow(self.source, self.last + 1, rows)
            self.last = rows
            self.watch.rows = self.link.rows = rows
            if self.python:
                self._through_python()
            self._first_loads()
            self._nothing()
            if rows == linked:
                self._slow_link()
            self._appended()
        megabits = BITS_PER_SECOND / 1_000_000
        slow = f"{ONE_WAY_SECONDS * 2000:.0f} ms round trip, {megabits:.0f} Mbit/s; {head}"
        return [
            Part(GROWTH, head, self.watch.found, self.absent),
            Part(LINK, slow, self.link.found),
        ]

    def _idle(self) -> None:
        remember = partial(Measurement, GROWTH, IDLE, rows=0, seconds=0.0)
        self.watch.found.append(remember(OURS, peak=ours.idle()))
        why = ours.missing_python()
        if why is None:
            peak = ours.idle_python(self.source, self.target)
            self.watch.found.append(remember(PYTHON, peak=peak))
        else:
            shout(f"left out: {PYTHON} ({why})")
            self.absent.append(f"{PYTHON} ({why})")

    def _through_python(self) -> None:
        """From the first load on: its package may be of another day than the command."""
        item.empty(self.target)
        for work, sync_type in ((FIRST, "FULL"), (NOTHING, "INCREMENTAL")):
            self.watch.measure(
                work,
                PYTHON,
                partial(ours.sync_through_python, self.source, self.target, sync_type),
                right=self._same,
            )

    def _first_loads(self) -> None:
        for _ in range(self.rounds if self.watch.rows <= LARGE else 1):
            item.empty(self.target)
            self.watch.measure(
                FIRST, OURS, lambda: first_load(self.source, self.target), right=self._same
            )

    def _nothing(self) -> None:
        for _ in range(self.rounds):
            self.watch.measure(NOTHING, OURS, lambda: incremental(self.source, self.target))

    def _slow_link(self) -> None:
        for _ in range(self.rounds):
            with SlowLink(self.source) as link:
                self.link.measure(
                    NOTHING,
                    SLOWLY,
                    partial(incremental, link.server, self.target),
                    trips=link.round_trips,
                )
        for _ in range(self.rounds):
            self.link.measure(NOTHING, DIRECTLY, lambda: incremental(self.source, self.target))

    def _appended(self) -> None:
        for number in range(self.rounds):
            first = self.last + 1 + number * APPENDED
            item.grow(self.source, first, first + APPENDED - 1)
            self.watch.measure(
                TAIL, OURS, lambda: incremental(self.source, self.target), right=self._same
            )

    def _same(self) -> bool:
        return item.sums(self.source) == item.sums(self.target)
