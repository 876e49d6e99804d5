"""The shop: every contender at the same work, on the same data and servers, in turn."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from compare import shop
from compare.measured import (
    APPENDED,
    BOTH_SIDES,
    FEW,
    FIRST,
    MIXED,
    NOTHING,
    ONE_SIDE,
    OURS,
    SHOP,
    SOME,
    Part,
)
from compare.peers import PEERS, Peer, incremental
from compare.processes import FailedError
from compare.server import DATABASE, Server
from compare.stopwatch import Stopwatch, WrongResultError, say, shout

SHARES = {FEW: 0.001, SOME: 0.01}


class Comparison:
    """All rounds of the shop."""

    def __init__(self, source: Server, target: Server, rows: int) -> None:
        """Gets ready; the servers are touched first by `run`."""
        self.source = source
        self.target = target
        self.rows = rows
        self.watch = Stopwatch(SHOP, source, target)
        self.absent: list[str] = []
        self.failed: list[str] = []
        self.peers: list[Peer] = []
        # Changes of two works, or of two sides, are never of the same rows.
        self.salts = count(1)

    def run(self, rounds: int, head: str) -> Part:
        """Measures.

        Args:
            rounds: How many.
            head: What stands above the results.

        Returns:
            What was measured.
        """
        self.peers = [peer for peer in PEERS if self._present(peer)]
        say(f"shop: making {self.rows:,} products, {self.rows:,} orders, {self.rows // 5:,} moves")
        shop.fill(self.source, self.rows)
        self.watch.rows = shop.row_count(self.source)
        for number in range(1, rounds + 1):
            say(f"shop: round {number} of {rounds}")
            self._round(first=number == 1)
        head = (
            f"{self.rows:,} products, {self.rows:,} orders, {self.rows // 5:,} stock moves; {head}"
        )
        return Part(SHOP, head, self.watch.found, self.absent, self.failed)

    def _present(self, peer: Peer) -> bool:
        missing = peer.missing()
        if missing:
            shout(f"left out: {peer.name} ({missing} is not installed)")
            self.absent.append(f"{peer.name} ({Path(missing).name} is not installed)")
        return missing is None

    def _round(self, *, first: bool) -> None:
        for peer in self._able(FIRST):
            if first or not peer.once:
                shop.empty(self.target)
                self._measure(FIRST, peer)
        shop.empty(self.target)
        incremental(self.source, self.target)
        for work, change in self._works():
            for peer in self._able(work):
                change()
                self._measure(work, peer)
                # Whoever worked, the base is to know of it.
                incremental(self.source, self.target)
        self._both_sides()

    def _able(self, work: str) -> Iterator[Peer]:
        """Those that can do it and have not failed meanwhile."""
        return (peer for peer in tuple(self.peers) if work in peer.works)

    def _works(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield NOTHING, lambda: None
        yield APPENDED, lambda: shop.append(self.source, 0.001, next(self.salts))
        yield FEW, lambda: shop.change(self.source, SHARES[FEW], next(self.salts))
        yield SOME, lambda: shop.change(self.source, SHARES[SOME], next(self.salts))

    def _measure(self, work: str, peer: Peer) -> None:
        try:
            self.watch.measure(
                work,
                peer.name,
                lambda: peer.works[work](self.source, self.target),
                right=self._same if peer.writes else None,
            )
        except (FailedError, WrongResultError) as problem:
            if peer.name == OURS:
                raise
            # One that fails is no reason to lose the others' results.
            self.peers.remove(peer)
            shout(f"failed: {peer.name} ({problem})")
            self.failed.append(f"{peer.name} ({str(problem).splitlines()[0]})")

    def _both_sides(self) -> None:
        """Ours alone: so many changes with half of them on each side, then as many on one."""
        for by, second in ((BOTH_SIDES, self.target), (ONE_SIDE, self.source)):
            shop.change(self.source, SHARES[FEW], next(self.salts))
            shop.change(second, SHARES[FEW], next(self.salts), second_side=second is self.target)
            self.watch.measure(
                MIXED,
                by,
                lambda: incremental(self.source, self.target),
                right=lambda: self._same() and self._no_conflicts(),
            )

    def _same(self) -> bool:
        return shop.sums(self.source) == shop.sums(self.target)

    def _no_conflicts(self) -> bool:
        found = self.target.run(f"SELECT COUNT(*) FROM {DATABASE}.db_sync_conflict")
        return found[0][0] == 0
