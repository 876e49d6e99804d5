"""Plays random histories until the time is up: `make soak MINUTES=10 SEED=7`.

The seed decides everything that can be decided; what the servers' and our own threads make of it
differs from time to time. A history that went wrong is told of in full, its databases stay, and
`--history NUMBER` plays it again.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Sequence
from itertools import count, islice

from soak.campaign import pairing_of, soak
from soak.history import Played
from soak.pairings import PAIRINGS


def _pairings(asked: Sequence[str]) -> list[str]:
    """The pairings that can be played; says loudly which cannot."""
    able = []
    for name in asked:
        if missing := PAIRINGS[name].missing:
            frame = "!" * 78
            reason = os.environ.get("DB_SYNC_TEST_MYSQL_SKIPPED", "")
            absent = f"NOT PLAYED: {name}, for {', '.join(missing)} is not set. {reason}"
            print(f"{frame}\n{absent}\n{frame}", file=sys.stderr)
        else:
            able.append(name)
    return able


def _tell(played: Played) -> None:
    """Tells of a history that went wrong; of what is no error where somebody wants to know."""
    if played.errors or (played.story and os.environ.get("DB_SYNC_SOAK_NOTES")):
        print(f"{played.pairing}: {played.story}\n", file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Does as the command line says.

    Args:
        words: The arguments; those of the process by default.

    Returns:
        The exit status: 1 where something is wrong, 2 where nothing can be played.
    """
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--seed", type=int, help="any number; a new one by default")
    parser.add_argument("--minutes", type=float, help="begin no history after that")
    parser.add_argument("--histories", type=int, help="play so many")
    parser.add_argument("--history", type=int, action="append", help="play this one")
    parser.add_argument("--pairing", choices=PAIRINGS, action="append", help="play this one alone")
    parser.add_argument("--jobs", type=int, default=2, help="histories at a time")
    told = parser.parse_args(words)
    seed = random.SystemRandom().randrange(1 << 32) if told.seed is None else told.seed
    names = _pairings(told.pairing or list(PAIRINGS))
    if not names:
        return 2
    print(f"soak: seed {seed}, {', '.join(names)}", file=sys.stderr, flush=True)
    began = time.monotonic()
    # Without any bound it is a minute.
    bounded = told.minutes is None and (told.histories or told.history)
    minutes = 24 * 60 if bounded else told.minutes or 1
    able = (number for number in told.history or count() if pairing_of(number).name in names)
    numbers = islice(able, told.histories)
    totals = soak(seed, numbers, began + 60 * minutes, told.jobs, _tell)
    seconds = time.monotonic() - began
    print(totals.text(seconds), file=sys.stderr)
    print(totals.line(seconds), flush=True)
    return 1 if totals.errors else 0


if __name__ == "__main__":
    sys.exit(main())
