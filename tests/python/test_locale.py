"""The Chinese messages are complete: the app's own strings and the engine's sentences."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

from db_sync import engine

ROOT = Path(__file__).parents[2]
PO = ROOT / "python/db_sync/locale/zh_Hans/LC_MESSAGES/django.po"
# What Django makes of the tags that translate, in a template.
CALLS = re.compile(r"""gettext\(u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)""")
PLACE = re.compile(r"\{\w+\}|%\(\w+\)[ds]")
# NAME = Code, "what happened", "what to do";
NOTES = re.compile(r'[A-Z_]+ = "((?:[^"\\]|\\.)*)";')
SENTENCES = re.compile(r'= \w+,\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)";')


def python_strings() -> Iterator[str]:
    for found in extract_from_dir(
        ROOT / "python/db_sync", keywords={"_": None, "gettext_lazy": None}
    ):
        assert isinstance(found[2], str)
        yield found[2]
    for template in (ROOT / "python/db_sync").rglob("*.html"):
        for literal in CALLS.findall(templatize(template.read_text())):
            yield ast.literal_eval(literal)


def engine_sentences() -> Iterator[str]:
    yield from (engine._NO_REPORT, engine._NO_REPORT_HINT)
    for what, hint in SENTENCES.findall((ROOT / "src/error.rs").read_text()):
        yield from (what, hint)
    yield from NOTES.findall((ROOT / "src/note.rs").read_text())


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    with PO.open("rb") as file:
        return read_po(file)


def test_every_message_has_a_translation_and_no_translation_is_left_over(chinese: Catalog) -> None:
    expected = {*python_strings(), *engine_sentences()}
    assert len(expected) > 100
    translated = {message.id for message in chinese if message.id and message.string}
    assert sorted(expected - translated) == []
    assert sorted(translated - expected) == []
    assert not any(message.fuzzy for message in chinese if message.id)


def test_chinese_sentences_have_chinese_colons_and_one_word_for_a_side(chinese: Catalog) -> None:
    texts = [str(message.string) for message in chinese if message.id]
    assert [text for text in texts if "侧" in text] == []
    # Lines of figures, and what scripts read, keep theirs.
    sentences = [text for text in texts if "。" in text]
    assert len(sentences) > 100
    assert [text for text in sentences if re.search(r"[\u4e00-\u9fff）)}]: ", text)] == []


def test_every_place_survives_translation(chinese: Catalog) -> None:
    for message in chinese:
        if message.id:
            assert sorted(PLACE.findall(str(message.string))) == sorted(
                PLACE.findall(str(message.id))
            )
