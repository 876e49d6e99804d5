"""Charts as inline SVG: pure functions from numbers to markup.

Colours come by class from `admin.css`, which follows the admin's light and dark scheme. Whatever
words are given are escaped here.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a chart in its own units, and the room around its figures.

    Attributes:
        width: Of the whole chart.
        height: Of the whole chart.
        left: Room for the scale.
        bottom: Room for the labels.
        axes: Whether scale and labels are drawn.
    """

    width: float
    height: float
    left: float = 2
    bottom: float = 2
    axes: bool = False

    @property
    def right(self) -> float:
        """Where the figures end."""
        return self.width - 2

    @property
    def floor(self) -> float:
        """Where zero is."""
        return self.height - self.bottom

    @property
    def ceiling(self) -> float:
        """Where the scale ends."""
        return 12 if self.axes else 2

    def slot(self, number: int, of: int) -> tuple[float, float]:
        """Gives the left edge and the width of one of so many columns."""
        width = (self.right - self.left) / max(of, 1)
        return self.left + number * width, width

    def height_of(self, value: float, scale: float) -> float:
        """Gives how high a value stands where the scale ends with `scale`."""
        return (self.floor - self.ceiling) * min(max(value / scale, 0), 1)


LARGE = Frame(width=360, height=150, left=32, bottom=18, axes=True)
SMALL = Frame(width=120, height=28)


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a column: how many, how that is meant, and what it is called."""

    count: int
    tone: str
    word: str


@dataclass(frozen=True, slots=True)
class Column:
    """One day, or whatever a column stands for, with its parts from below."""

    label: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Point:
    """A value with what it belongs to; None where there is none."""

    label: str
    value: float | None


def bars(columns: Sequence[Column], title: str, frame: Frame = LARGE) -> SafeString:
    """Draws columns of stacked parts.

    Args:
        columns: From left to right.
        title: Read out in place of the picture.
        frame: How large.

    Returns:
        The `svg` element.
    """
    sums = [sum(part.count for part in column.parts) for column in columns]
    scale = _end_of_scale(max(sums, default=0), whole=True)
    drawn = format_html_join("", "{}", ((mark,) for mark in _stacks(columns, scale, frame)))
    labels = [column.label for column in columns]
    return _chart(drawn, title, labels, scale, frame)


def line(points: Sequence[Point], title: str, unit: str, frame: Frame = LARGE) -> SafeString:
    """Draws a line, with gaps where there is no value.

    Args:
        points: From left to right.
        title: Read out in place of the picture.
        unit: What stands behind a value.
        frame: How large.

    Returns:
        The `svg` element.
    """
    values = [point.value for point in points if point.value is not None]
    scale = _end_of_scale(max(values, default=0))
    places = [_place(number, points, scale, frame) for number in range(len(points))]
    lines = format_html_join(
        "", '<polyline class="db-sync-line" points="{}"/>', ((run,) for run in _runs(places))
    )
    dots = format_html_join(
        "",
        '<circle class="db-sync-dot" cx="{}" cy="{}" r="{}"><title>{}</title></circle>',
        (
            (*_text(place), 2.5 if frame.axes else 1.5, f"{point.label}: {point.value:.3g} {unit}")
            for place, point in zip(places, points, strict=True)
            if place is not None
        ),
    )
    drawn = format_html("{}{}", lines, dots)
    return _chart(drawn, title, [point.label for point in points], scale, frame)


def _chart(
    drawn: SafeString, title: str, labels: Sequence[str], scale: float, frame: Frame
) -> SafeString:
    axes = _axes(labels, scale, frame) if frame.axes else ""
    return format_html(
        '<svg class="db-sync-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>',
        f"{frame.width:g}",
        f"{frame.height:g}",
        title,
        axes,
        drawn,
    )


def _axes(labels: Sequence[str], scale: float, frame: Frame) -> SafeString:
    """Draws three lines with their values, and the first and the last label."""
    lines = format_html_join(
        "",
        '<line class="db-sync-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="db-sync-axis" x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (
                f"{frame.left:.1f}",
                f"{frame.right:.1f}",
                *[f"{frame.floor - frame.height_of(value, scale):.1f}"] * 2,
                f"{frame.left - 4:.1f}",
                f"{frame.floor - frame.height_of(value, scale) + 3:.1f}",
                _spelled(value),
            )
            for value in (0.0, scale / 2, scale)
        ),
    )
    ends = [(frame.left, "start", labels[0])] if labels else []
    ends += [(frame.right, "end", labels[-1])] if len(labels) > 1 else []
    words = format_html_join(
        "",
        '<text class="db-sync-axis" x="{}" y="{}" text-anchor="{}">{}</text>',
        ((f"{x:.1f}", f"{frame.height - 5:.1f}", anchor, label) for x, anchor, label in ends),
    )
    return format_html("{}{}", lines, words)


def _stacks(columns: Sequence[Column], scale: float, frame: Frame) -> Iterator[SafeString]:
    for number, column in enumerate(columns):
        x, width = frame.slot(number, len(columns))
        gap = min(width * 0.2, 3)
        below = frame.floor
        for part in column.parts:
            if part.count <= 0:
                continue
            # What has happened once in a thousand times is seen too.
            height = max(frame.height_of(part.count, scale), 1.5)
            below -= height
            yield format_html(
                '<rect class="db-sync-bar db-sync-{}" x="{}" y="{}" width="{}" height="{}">'
                "<title>{}</title></rect>",
                part.tone,
                *_text((x + gap / 2, max(below, 0))),
                *_text((width - gap, height)),
                f"{column.label}: {part.count} {part.word}",
            )


def _place(
    number: int, points: Sequence[Point], scale: float, frame: Frame
) -> tuple[float, float] | None:
    value = points[number].value
    if value is None:
        return None
    x, width = frame.slot(number, len(points))
    return x + width / 2, frame.floor - frame.height_of(value, scale)


def _runs(places: Iterable[tuple[float, float] | None]) -> Iterator[str]:
    """Gives the points of each stretch without a gap; a point alone is no line."""
    run: list[str] = []
    for place in [*places, None]:
        if place is not None:
            run.append(",".join(_text(place)))
        elif run:
            if len(run) > 1:
                yield " ".join(run)
            run = []


def _text(pair: tuple[float, float]) -> tuple[str, str]:
    """Spells coordinates as SVG takes them, whatever language the page is in."""
    return f"{pair[0]:.1f}", f"{pair[1]:.1f}"


def _end_of_scale(value: float, *, whole: bool = False) -> float:
    """Rounds up to a value whose half is round too, and whole for counts."""
    if value <= 0:
        return 2 if whole else 1
    power: float = 10 ** math.floor(math.log10(value))
    # A millionth more than the value itself forgives how floats divide.
    end = next(
        step * power for step in (1, 1.2, 1.6, 2, 4, 6, 8, 10) if step * power * (1 + 1e-6) >= value
    )
    return max(end, 2) if whole else end


def _spelled(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.4g}{sign}"
    return f"{value:.4g}"
