"""Charts are pure functions; what they draw is read back as XML."""

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from django.utils import translation
from django.utils.safestring import SafeString
from hypothesis import given
from hypothesis import strategies as st

from db_sync.admin.charts import LARGE, SMALL, Column, Frame, Part, Point, bars, line

HOSTILE = '</title><script>alert("1")</script>&\''


def read(svg: SafeString) -> Element:
    # What is read here was written a moment ago.
    return ElementTree.fromstring(svg)  # noqa: S314


def column(label: str, *parts: tuple[int, str, str]) -> Column:
    return Column(label, [Part(*part) for part in parts])


def points(*values: float | None) -> Sequence[Point]:
    return [Point(f"day {number}", value) for number, value in enumerate(values)]


def number(element: Element, name: str) -> float:
    return float(element.attrib[name])


def axis(svg: Element) -> list[str]:
    return [text.text or "" for text in svg.iter("text")]


def test_parts_are_stacked_in_their_order_and_proportion() -> None:
    svg = read(bars([column("Monday", (6, "good", "SUCCESS"), (2, "bad", "FAILED"))], "Passes"))
    assert svg.attrib["aria-label"] == "Passes"
    below, above = svg.iter("rect")
    assert below.attrib["class"].endswith("db-sync-good")
    assert above.attrib["class"].endswith("db-sync-bad")
    assert number(below, "height") == pytest.approx(3 * number(above, "height"), abs=0.2)
    assert number(above, "y") + number(above, "height") == pytest.approx(
        number(below, "y"), abs=0.11
    )
    assert number(below, "y") + number(below, "height") == pytest.approx(LARGE.floor, abs=0.11)
    assert [title.text for title in svg.iter("title")] == ["Monday: 6 SUCCESS", "Monday: 2 FAILED"]


def test_a_column_stands_where_its_day_is() -> None:
    days = [column("1"), column("2", (1, "good", "SUCCESS")), column("3"), column("4")]
    [bar] = read(bars(days, "")).iter("rect")
    quarter = (LARGE.right - LARGE.left) / 4
    assert LARGE.left + quarter <= number(bar, "x")
    assert number(bar, "x") + number(bar, "width") <= LARGE.left + 2 * quarter


def test_what_happened_once_in_many_times_is_seen() -> None:
    svg = read(bars([column("", (100_000, "good", ""), (1, "bad", ""))], ""))
    assert number(list(svg.iter("rect"))[1], "height") >= 1


def test_the_scale_is_written_beside_it() -> None:
    svg = read(bars([column("first", (112, "good", "")), column("last")], ""))
    assert axis(svg) == ["0", "60", "120", "first", "last"]
    assert axis(read(line(points(0.3, 0.31), "", "s")))[:3] == ["0", "0.2", "0.4"]
    assert axis(read(bars([column("", (3_000_000, "good", ""))], "")))[:3] == ["0", "2M", "4M"]
    assert axis(read(bars([column("", (1, "good", ""))], "")))[:3] == ["0", "1", "2"]
    assert axis(read(bars([column("", (1, "good", ""))], "", SMALL))) == []


def test_a_line_has_gaps_where_nothing_is_known() -> None:
    svg = read(line(points(1, 2, None, 3, None, 2, 2, 2), "Seconds", "s"))
    lines = [one.attrib["points"].split() for one in svg.iter("polyline")]
    assert [len(one) for one in lines] == [2, 3]
    assert len(list(svg.iter("circle"))) == 6
    assert "day 3: 3 s" in [title.text for title in svg.iter("title")]
    heights = {place.partition(",")[2] for place in lines[1]}
    assert len(heights) == 1
    first, second = (float(place.partition(",")[2]) for place in lines[0])
    assert LARGE.floor - second == pytest.approx(2 * (LARGE.floor - first), abs=0.2)


def test_nothing_at_all_is_a_chart_without_figures() -> None:
    for svg in (bars([], "none"), line([], "none", "s"), line(points(None, None), "none", "s")):
        read_back = read(svg)
        assert read_back.attrib["aria-label"] == "none"
        assert not list(read_back.iter("rect"))
        assert not list(read_back.iter("circle"))


def test_whatever_words_are_given_stay_words() -> None:
    stacked = bars([column(HOSTILE, (1, '"><script>', HOSTILE))], HOSTILE)
    drawn = line([Point(HOSTILE, 1), Point(HOSTILE, 2)], HOSTILE, HOSTILE)
    for svg in (stacked, drawn):
        read_back = read(svg)
        assert read_back.attrib["aria-label"] == HOSTILE
        assert HOSTILE in axis(read_back)
        assert not [one for one in read_back.iter() if one.tag == "script"]
        assert "<script" not in svg


def test_coordinates_are_no_words_of_a_language() -> None:
    with translation.override("de"):
        read(line(points(1.5, 2.5), "", "s"))
        svg = bars([column("", (1234, "good", ""))], "")
    [bar] = read(svg).iter("rect")
    assert number(bar, "height") > 0


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1e12))),
    st.lists(st.lists(st.integers(0, 10**12), max_size=4)),
    st.sampled_from([LARGE, SMALL]),
)
def test_everything_stays_inside_the_frame(
    values: list[float | None], counts: list[list[int]], frame: Frame
) -> None:
    drawn = read(line(points(*values), "", "s", frame))
    for dot in drawn.iter("circle"):
        assert 0 <= number(dot, "cx") <= frame.width
        assert 0 <= number(dot, "cy") <= frame.height
    columns = [column("", *((count, "good", "") for count in parts)) for parts in counts]
    for bar in read(bars(columns, "", frame)).iter("rect"):
        assert number(bar, "x") >= 0
        assert number(bar, "x") + number(bar, "width") <= frame.width
        assert number(bar, "width") >= 0
        assert number(bar, "y") >= 0
        assert number(bar, "y") + number(bar, "height") <= frame.height + 4 * 1.5
