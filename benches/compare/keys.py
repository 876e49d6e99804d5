"""Ours alone, on the same table with integer and with text keys."""

from itertools import count

from compare import item
from compare.measured import FEW, FIRST, KEYS, NOTHING, NUMBERS, TEXTS, Part
from compare.peers import first_load, incremental
from compare.server import Server
from compare.stopwatch import Stopwatch, say


def measure_keys(source: Server, target: Server, rows: int, rounds: int, head: str) -> Part:
    """Measures both tables at the same works.

    Args:
        source: The remote side.
        target: The local side.
        rows: How many rows each has.
        rounds: How many.
        head: What stands above the results.

    Returns:
        What was measured.
    """
    watch = Stopwatch(KEYS, source, target)
    watch.rows = rows
    salts = count(1)

    def same() -> bool:
        return item.sums(source) == item.sums(target)

    # The text key stands first: the table says how its times relate to the other's.
    for by, key in ((TEXTS, item.TEXT), (NUMBERS, item.NUMBER)):
        say(f"keys: making {rows:,} rows with keys {key}")
        item.empty(source, key)
        item.grow(source, 1, rows, key)
        for _ in range(rounds):
            item.empty(target, key)
            watch.measure(FIRST, by, lambda: first_load(source, target), right=same)
        for _ in range(rounds):
            watch.measure(NOTHING, by, lambda: incremental(source, target))
        for _ in range(rounds):
            item.change(source, 0.001, next(salts))
            watch.measure(FEW, by, lambda: incremental(source, target), right=same)
    head = f"{rows:,} rows, keys {item.TEXT} and {item.NUMBER}; {head}"
    return Part(KEYS, head, watch.found)
