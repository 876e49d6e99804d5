from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.utils import translation
from django.utils.translation import trans_real
from pytest_django import Settings

from conftest import CHANGE, FAILURE, report_data, table_data
from db_sync.printout import Line, Tone, report_lines, sentence
from db_sync.report import SyncReport
from test_locale import PO

BOUGHT = {"detected": 2, "remote_wins": 1, "local_wins": 0, "skipped": 0, "manual": 1}


def text(data: dict[str, object], *, detailed: bool = False) -> list[str]:
    return [line.text for line in report_lines(SyncReport.from_dict(data), detailed=detailed)]


def test_one_line_for_each_table_and_the_totals() -> None:
    assert text(report_data(table_data(), table_data(table="tags", capture="scan"))) == [
        "Run 5f3a: INCREMENTAL, BOTH; + inserted, ~ updated, - deleted",
        "products  SUCCESS   digest     REMOTE→LOCAL +3 ~2 -1  LOCAL→REMOTE +0 ~1 -0  "
        "conflicts 1  rows 110/110  verified  97 ms",
        "tags      SUCCESS   scan       REMOTE→LOCAL +3 ~2 -1  LOCAL→REMOTE +0 ~1 -0  "
        "conflicts 1  rows 110/110  verified  97 ms",
        "SUCCESS: tables 2, REMOTE→LOCAL +6 ~4 -2, LOCAL→REMOTE +0 ~2 -0, conflicts 2, "
        "failures 0, 412 ms",
    ]


def test_in_detail_everything_is_said_in_words() -> None:
    table = table_data(conflicts=BOUGHT, verified=False, notes=[{"message": "Column x is new."}])
    assert text(report_data(table), detailed=True)[:-1] == [
        "Run 5f3a: INCREMENTAL, BOTH",
        "products: SUCCESS, found by digest, strategy REMOTE_WINS, 97 ms",
        "  REMOTE→LOCAL: 3 inserted, 2 updated, 1 deleted",
        "  LOCAL→REMOTE: 0 inserted, 1 updated, 0 deleted",
        "  conflicts: 2 (REMOTE won 1, LOCAL won 0, skipped 0, waiting for a person 1)",
        "  rows: REMOTE 110, LOCAL 110; not verified",
        "  note: Column x is new.",
    ]


def test_a_note_is_told_in_short_too() -> None:
    assert "  note: Look." in text(report_data(table_data(notes=[{"message": "Look."}])))


@pytest.mark.parametrize("detailed", [False, True])
def test_a_dry_run_lists_rows_and_verifies_nothing(detailed: bool) -> None:
    table = table_data(changes=[CHANGE], changes_truncated=True, changes_total=8)
    lines = text(report_data(table, dry_run=True), detailed=detailed)
    assert "dry run, nothing is written" in lines[0]
    assert lines[-3:-1] == ["  UPDATE LOCAL id=1: price", "  … and 7 more rows"]
    assert not any("verified" in line for line in lines)


def test_a_failure_stands_once_under_its_table_with_what_to_do() -> None:
    other = {**FAILURE, "table": "products", "code": "SYNC_002", "message": "Two.", "template": ""}
    data = report_data(table_data(status="FAILED", error=FAILURE), errors=[FAILURE, other])
    assert text(data)[2:-1] == [
        "  SYNC_001: Table products does not exist on LOCAL.",
        "    Create it.",
        "  SYNC_002: Two.",
        "    Create it.",
    ]
    assert text({**data, "errors": []})[2:-1] == text(data)[2:4]


def test_a_failure_without_a_table_stands_at_the_end() -> None:
    assert text(report_data(errors=[{**FAILURE, "table": None}]))[2:4] == [
        "SYNC_001: Table products does not exist on LOCAL.",
        "  Create it.",
    ]


def test_the_tone_follows_the_status() -> None:
    def tones(status: str) -> list[Tone]:
        data = report_data(table_data(status=status), status=status)
        return [line.tone for line in report_lines(SyncReport.from_dict(data), detailed=False)]

    assert tones("SUCCESS") == [Tone.PLAIN, Tone.GOOD, Tone.GOOD]
    assert tones("PARTIAL") == [Tone.PLAIN, Tone.WARNING, Tone.WARNING]
    assert tones("FAILED") == [Tone.PLAIN, Tone.BAD, Tone.BAD]
    assert Line("x").tone is Tone.PLAIN


@pytest.fixture
def chinese(tmp_path: Path, settings: Settings) -> None:
    """Compiles the messages to a place of this test's own and lets Django find them there."""
    target = tmp_path / "zh_Hans/LC_MESSAGES/django.mo"
    target.parent.mkdir(parents=True)
    with PO.open("rb") as source, target.open("wb") as compiled:
        write_mo(compiled, read_po(source))
    settings.LOCALE_PATHS = [tmp_path]
    # Django keeps what it has loaded; only a test changes it while it runs.
    trans_real._translations.pop("zh-hans", None)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("chinese")
def test_in_chinese_the_engines_sentences_too() -> None:
    data = report_data(table_data(status="FAILED", error=FAILURE), status="FAILED")
    with translation.override("zh-hans"):
        lines = text(data)
    assert lines[0] == "运行 5f3a: INCREMENTAL, BOTH; + 插入  ~ 更新  - 删除"
    assert "冲突 1  行数 110/110  校验一致  97 毫秒" in lines[1]
    assert lines[2] == "  SYNC_001: 表 products 在 LOCAL 上不存在。"
    assert lines[-1].startswith("FAILED: 表 1, REMOTE→LOCAL +3 ~2 -1")


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("allowed", "said"), [("names of columns", "列名"), ("1 … 64", "1 … 64"), ("a | b", "a | b")]
)
def test_what_is_allowed_is_said_in_chinese_where_it_is_said_in_words(
    allowed: str, said: str
) -> None:
    template = "Table {table}: {key} is {value}; allowed is {allowed}."
    # Names are no words: a table may be called like one.
    names = {"table": "error", "key": "ignore", "value": '"…"', "allowed": allowed}
    with translation.override("zh-hans"):
        told = sentence(template, names, "")
    assert said in told
    assert "error" in told
