"""What the engine is to reach, beside what was measured."""

from collections.abc import Iterator
from dataclasses import dataclass

from compare.measured import (
    BOTH_SIDES,
    DIRECTLY,
    DUMP,
    FEW,
    FILE_TO_FILE,
    FILES,
    FIRST,
    GROWTH,
    IDLE,
    IMPORT,
    KEYS,
    LIMIT,
    LINK,
    MIXED,
    MYDUMPER,
    NOTHING,
    NUMBERS,
    ONE_SIDE,
    OURS,
    PYTHON,
    RELADIFF,
    SHOP,
    SLOWLY,
    SOME,
    TABLE_SYNC,
    TAIL,
    TEXTS,
    TO_FILE,
    Measured,
    Measurement,
    median,
)

MB = 1_000_000
# The slow link: so long at most, and so many round trips of so many seconds.
LINK_SECONDS, LINK_TRIPS, TRIP_SECONDS = 2.0, 20, 0.03
MEMORY_MB = 64
NETWORK_KB = 100
MILLION = 1_000_000
# Times of a few hundredths of a second tell nothing about how they grow.
NOISE_SECONDS = 0.1


@dataclass(frozen=True)
class Verdict:
    """One aim.

    Attributes:
        aim: What is to be reached.
        measured: What was.
        met: Whether that is enough; None where it was not measured.
    """

    aim: str
    measured: str
    met: bool | None


def verdicts(measured: Measured) -> Iterator[Verdict]:
    """Judges every aim.

    Args:
        measured: All measurements.

    Yields:
        The aims, in their order.
    """
    shop = _Ratios(measured, SHOP)
    yield shop.at_most(1.35, FIRST, OURS, LIMIT)
    yield shop.at_most(0.5, FIRST, OURS, DUMP)
    yield shop.at_most(0.75, FIRST, OURS, MYDUMPER)
    yield shop.at_most(0.6, NOTHING, OURS, TABLE_SYNC)
    yield shop.at_most(0.35, NOTHING, OURS, RELADIFF)
    yield _network(measured)
    yield shop.at_most(0.2, FEW, OURS, TABLE_SYNC)
    yield shop.at_most(0.2, SOME, OURS, TABLE_SYNC)
    yield _appended(measured)
    yield shop.at_most(1.5, MIXED, BOTH_SIDES, ONE_SIDE)
    yield _memory(measured, OURS)
    yield _memory(measured, PYTHON)
    yield _growth(measured, FIRST)
    yield _growth(measured, NOTHING)
    keys = _Ratios(measured, KEYS)
    for work in (FIRST, NOTHING, FEW):
        yield keys.at_most(2.0, work, TEXTS, NUMBERS)
    yield _slow_link(measured)
    files = _Ratios(measured, FILES)
    yield files.at_most(1.2, FILE_TO_FILE, OURS, IMPORT)
    yield files.at_most(1.2, TO_FILE, OURS, IMPORT)


@dataclass(frozen=True)
class _Ratios:
    measured: Measured
    part: str

    def at_most(self, most: float, work: str, by: str, other: str) -> Verdict:
        """Judges how one's median time relates to another's."""
        aim = f"{work}: {by} ≤ {most:g} × {other}"
        mine = self.measured.seconds(self.part, work, by)
        theirs = self.measured.seconds(self.part, work, other)
        if mine is None or not theirs:
            return _unknown(aim)
        ratio = mine / theirs
        return Verdict(aim, f"{ratio:.2f} × ({mine:.2f} s, {theirs:.2f} s)", ratio <= most)


def _unknown(aim: str) -> Verdict:
    return Verdict(aim, "not measured", None)


def _network(measured: Measured) -> Verdict:
    aim = f"{NOTHING}: ≤ {NETWORK_KB} kB to and from REMOTE per million rows"
    sizes = measured.sizes(GROWTH)
    if not sizes:
        return _unknown(aim)
    found = measured.of(GROWTH, NOTHING, OURS, sizes[-1])
    remote, local = _median_bytes(found)
    # A small table is not scaled up: what a run says in any case would count many times.
    per_million = remote / 1000 / max(1, sizes[-1] / MILLION)
    text = f"{remote / 1000:.0f} kB of {sizes[-1]:,} rows (LOCAL {local / 1000:.0f} kB)"
    return Verdict(aim, text, per_million <= NETWORK_KB)


def _median_bytes(found: list[Measurement]) -> tuple[float, float]:
    return (
        median(one.remote for one in found) or 0,
        median(one.local for one in found) or 0,
    )


def _appended(measured: Measured) -> Verdict:
    """What comes on top of looking must not grow with the table."""
    aim = f"{TAIL}: beyond the digest scan, no longer in a larger table"
    sizes = measured.sizes(GROWTH)
    beyond = []
    for rows in (sizes[0], sizes[-1]) if sizes else ():
        whole = measured.seconds(GROWTH, TAIL, OURS, rows)
        scan = measured.seconds(GROWTH, NOTHING, OURS, rows)
        if whole is None or scan is None:
            return _unknown(aim)
        beyond.append((rows, whole - scan))
    if not beyond:
        return _unknown(aim)
    text = ", ".join(f"{seconds:.2f} s of {rows:,} rows" for rows, seconds in beyond)
    return Verdict(aim, text, beyond[-1][1] <= 1.5 * max(beyond[0][1], 0) + NOISE_SECONDS)


def _memory(measured: Measured, by: str) -> Verdict:
    aim = f"memory of {by}: ≤ {MEMORY_MB} MB above the idle process, at every size"
    idle = measured.peak(GROWTH, IDLE, by)
    if idle is None:
        return _unknown(aim)
    above = {}
    for rows in measured.sizes(GROWTH):
        peaks = [one.peak for one in measured.of(GROWTH, by=by, rows=rows) if one.peak]
        if peaks:
            above[rows] = (max(peaks) - idle) / MB
    if not above:
        return _unknown(aim)
    text = ", ".join(f"{more:.0f} MB of {rows:,}" for rows, more in above.items())
    return Verdict(aim, text, max(above.values()) <= MEMORY_MB)


def _growth(measured: Measured, work: str) -> Verdict:
    sizes = measured.sizes(GROWTH)
    if len(sizes) < 2:  # noqa: PLR2004 - growth needs two
        return _unknown(f"{work}: time per row grows ≤ 1.3 ×")
    small, large = sizes[-2:]
    aim = f"{work}: time per row of {large:,} rows ≤ 1.3 × that of {small:,}"
    times = [measured.seconds(GROWTH, work, OURS, rows) for rows in (small, large)]
    if not times[0] or times[1] is None:
        return _unknown(aim)
    ratio = (times[1] / large) / (times[0] / small)
    return Verdict(aim, f"{ratio:.2f} × ({times[1]:.2f} s, {times[0]:.2f} s)", ratio <= 1.3)


def _slow_link(measured: Measured) -> Verdict:
    most = LINK_SECONDS + LINK_TRIPS * TRIP_SECONDS
    rows = measured.sizes(LINK)
    aim = f"{NOTHING}, {SLOWLY}: ≤ {LINK_SECONDS:g} s + {LINK_TRIPS} round trips = {most:.1f} s"
    slowly = measured.seconds(LINK, NOTHING, SLOWLY)
    directly = measured.seconds(LINK, NOTHING, DIRECTLY)
    if slowly is None or directly is None:
        return _unknown(aim)
    text = f"{slowly:.2f} s of {rows[-1]:,} rows ({directly:.2f} s directly)"
    return Verdict(aim, text, slowly <= most)
