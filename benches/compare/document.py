"""Writes what was measured into `docs/performance.md`, with a chart beside it."""

from collections.abc import Iterator
from pathlib import Path

from compare.aims import MB, verdicts
from compare.chart import chart
from compare.measured import FILES, GROWTH, IDLE, KEYS, LINK, OURS, SHOP, Measured, Part, median
from compare.peers import PEERS

BEGIN, END = "<!-- measured by make bench -->\n", "<!-- end -->\n"
TITLES = {
    SHOP: "The shop, with other tools",
    GROWTH: "One table that grows",
    LINK: "Over a slow link",
    KEYS: "Text keys and integer keys",
    FILES: "Into SQLite files",
}
ONCE = {peer.name for peer in PEERS if peer.once}
MET = {True: "met", False: "**not met**", None: "–"}


def write(path: Path, measured: Measured) -> None:
    """Puts tables, aims and chart between the document's markers.

    Args:
        path: The document; the chart goes beside it, with its name.
        measured: What was measured.
    """
    picture = path.with_suffix(".svg")
    picture.write_text(chart(measured))
    text = "".join(f"{line}\n" for line in _lines(measured, picture.name))
    before, rest = path.read_text().split(BEGIN)
    path.write_text(f"{before}{BEGIN}{text}{END}{rest.split(END)[1]}")


def _lines(measured: Measured, picture: str) -> Iterator[str]:
    if measured.of(SHOP):
        yield f"![The shop's works: how long each contender takes]({picture})"
        yield ""
    yield "## Aims"
    yield ""
    yield "| aim | measured | |"
    yield "|---|---|---|"
    for verdict in verdicts(measured):
        yield f"| {verdict.aim} | {verdict.measured} | {MET[verdict.met]} |"
    for part in measured.parts:
        yield ""
        yield f"## {TITLES[part.name]}"
        yield ""
        yield f"{part.head}."
        yield ""
        yield from _table(measured, part)
        if part.absent:
            yield ""
            yield f"Left out, not to be had here: {'; '.join(part.absent)}."
        if part.failed:
            yield ""
            yield f"Failed here: {'; '.join(part.failed)}."


def _table(measured: Measured, part: Part) -> Iterator[str]:
    """One line for each contender of each work: medians of times and bytes, the peak of memory."""
    grows = part.name == GROWTH
    head = ["work", *(["rows"] if grows else []), "by", "median", "the first takes"]
    head += ["memory", "REMOTE", "LOCAL", *(["round trips"] if part.name == LINK else [])]
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    leads: dict[tuple[str, int], float] = {}
    for work, rows, by in _order(part):
        found = measured.of(part.name, work, by, rows)
        seconds = median(one.seconds for one in found) or 0.0
        lead = leads.setdefault((work, rows), seconds)
        memory = max((one.peak for one in found if one.peak), default=None)
        peak = f"{memory / MB:.0f} MB" if memory else "–"
        if work == IDLE:
            yield f"| {IDLE} |  | {by} |  |  | {peak} |  |  |"
            continue
        ratio = "" if lead == seconds else f"{lead / seconds:.2f} × that"
        cells = [work, *([f"{rows:,}"] if grows else []), by, _time(seconds, rows, by), ratio, peak]
        cells += [_bytes(one.remote for one in found), _bytes(one.local for one in found)]
        if part.name == LINK:
            # One run's: connections may wait side by side, or one after another.
            trips = found[-1].trips or []
            cells.append(" + ".join(map(str, trips)))
        yield f"| {' | '.join(cells)} |"


def _order(part: Part) -> list[tuple[str, int, str]]:
    """Works as they first came, and the contenders of each, ours before others."""
    works = list(dict.fromkeys((one.work, one.rows) for one in part.found))
    lines = dict.fromkeys((one.work, one.rows, one.by) for one in part.found)
    return sorted(lines, key=lambda line: (works.index(line[:2]), line[2] != OURS))


def _time(seconds: float, rows: int, by: str) -> str:
    if by in ONCE:
        return f"{seconds:.2f} s (one round; {seconds / rows * 100_000:.2f} s per 100,000 rows)"
    return f"{seconds:.2f} s"


def _bytes(numbers: Iterator[int | None]) -> str:
    number = median(numbers)
    if number is None:
        return "–"
    return f"{number / 1000:,.0f} kB" if number < 10_000_000 else f"{number / 1_000_000:,.0f} MB"
