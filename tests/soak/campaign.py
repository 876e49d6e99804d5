"""Plays many histories, several at a time, each in a process that may be another's."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from soak import script
from soak.history import History, Played
from soak.pairings import PAIRINGS, Pairing, home
from soak.script import Script
from soak.totals import Totals
from soak.verdict import Fault, Finding

# Of so many histories one has a server of its own, which takes seconds to make, and restarts it. A
# prime, so that every pairing comes to be that one.
_RESTARTS = 41
# After so many histories that went wrong, more of them would tell nothing new.
_ENOUGH = 10


def pairing_of(number: int) -> Pairing:
    """Between what a history is played: the pairings take turns."""
    return list(PAIRINGS.values())[number % len(PAIRINGS)]


def script_of(seed: int, number: int) -> Script:
    """What a history will be."""
    servers = pairing_of(number).servers
    restarts = number % _RESTARTS == _RESTARTS - 1 and bool(servers)
    return script.write(seed, number, servers, restarts=restarts)


def play(seed: int, number: int) -> Played:
    """Plays one history. Where it goes wrong, its databases stay.

    Args:
        seed: The soak's seed.
        number: The history's number.

    Returns:
        What happened.
    """
    try:
        return _play(seed, number)
    except Exception as problem:
        # One history that cannot be played is told of like any other that went wrong.
        told = "".join(traceback.format_exception(problem))
        text = f"history {number} of seed {seed} could not be played: {told}"
        finding = Finding(Fault.UNPLAYED, text)
        return Played(number, pairing_of(number).name, [finding], story=text)


def _play(seed: int, number: int) -> Played:
    pairing, plan = pairing_of(number), script_of(seed, number)
    with home(pairing, plan) as place:
        played = History(plan, place.sides, place.folder, place.restart).play(pairing.name)
        if not played.errors:
            for database in place.sides.values():
                database.drop()
        return played


def soak(
    seed: int, numbers: Iterator[int], until: float, jobs: int, tell: Callable[[Played], None]
) -> Totals:
    """Plays histories, several at a time.

    Args:
        seed: Decides what they are.
        numbers: Which ones.
        until: The moment after which none begins.
        jobs: How many at a time.
        tell: Hears of every history that is over.

    Returns:
        Their sums.
    """
    totals, wrong = Totals(seed), 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        playing: set[Future[Played]] = set()
        while True:
            while len(playing) < jobs and time.monotonic() < until and wrong < _ENOUGH:
                number = next(numbers, None)
                if number is None:
                    break
                playing.add(pool.submit(play, seed, number))
            if not playing:
                return totals
            over, playing = wait(playing, return_when=FIRST_COMPLETED)
            for one in over:
                played = one.result()
                totals.add(played)
                wrong += bool(played.errors)
                tell(played)
