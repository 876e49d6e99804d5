"""Times one work after another, and says what it sees."""

import time
from collections.abc import Callable

from compare.measured import Measurement
from compare.server import Server, traffic_of


class WrongResultError(Exception):
    """A contender left the two sides different."""


class Stopwatch:
    """Measures the works of one part.

    Attributes:
        part: The part of `make bench`.
        rows: How many rows the tables have now.
        found: What was measured so far.
    """

    def __init__(self, part: str, remote: Server, local: Server) -> None:
        """Gets ready to count both servers' bytes."""
        self.part = part
        self.rows = 0
        self.found: list[Measurement] = []
        self._traffic = (traffic_of(remote), traffic_of(local))

    def measure(
        self,
        work: str,
        by: str,
        do: Callable[[], int | None],
        *,
        right: Callable[[], bool] | None = None,
        trips: Callable[[], list[int]] | None = None,
    ) -> None:
        """Has a work done, and looks whether it was done.

        Args:
            work: Its name.
            by: Who does it.
            do: Does it; gives the most memory that was taken, None where nobody looked.
            right: Says, afterwards and untimed, whether both sides are the same.
            trips: Says, afterwards, how often each connection waited for an answer.

        Raises:
            WrongResultError: It was not done.
        """
        before = [count() for count in self._traffic]
        clock = time.perf_counter()
        peak = do()
        seconds = time.perf_counter() - clock
        remote, local = (count() - was for count, was in zip(self._traffic, before, strict=True))
        say(f"  {work}: {by}: {seconds:.2f} s")
        if right is not None and not right():
            raise WrongResultError(f"{by} left the two sides different after: {work}")
        self.found.append(
            Measurement(
                self.part,
                work,
                by,
                self.rows,
                round(seconds, 4),
                peak,
                remote,
                local,
                trips() if trips else None,
            )
        )


def say(text: str) -> None:
    """Tells whoever waits."""
    print(text, flush=True)  # noqa: T201


def shout(text: str) -> None:
    """Tells it so that nobody overlooks it."""
    say(f"{'!' * 78}\n{text}\n{'!' * 78}")
