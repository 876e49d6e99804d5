"""The documents: links lead somewhere, commands are known, and sessions print what they show."""

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError, CommandParser

from pages import ROOT, Block, Reader, Step, blocks, commands, compared
from sides import COMMAND, HANGS, two_sides

README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
STARTED, OPERATIONS = ROOT / "docs/getting-started.md", ROOT / "docs/operations.md"
SERVERS = "A MySQL and a MariaDB server"
FOLDERS = ("docs", "examples", "tests", "benches")
# Of a synopsis only the names are looked at; elsewhere these words stand for the reader's own.
SYNOPSIS = re.compile(r"[…|\[\]]+")
OWN = {"ID": "1", "SECONDS": "1"}


def documents() -> list[Path]:
    """Every page of the project, but for what was built or installed here."""
    found = [*ROOT.glob("*.md")]
    found += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md")]
    return sorted(path for path in found if "data" not in path.parts)


def anchor(heading: str) -> str:
    """Names a heading as GitHub does."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text())
    return {anchor(heading) for heading in re.findall(r"(?m)^#+ (.+)$", text)}


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """The links of a page into the project: as written, the file, and the heading."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$|`[^`\n]*`", "", page.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", link):
            path, _, heading = link.partition("#")
            yield link, (page.parent / path).resolve() if path else page, heading


@pytest.mark.parametrize("page", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [
        link
        for link, target, heading in links(page)
        if not target.exists() or (heading and heading not in anchors(target))
    ]
    assert broken == []


def test_every_document_is_on_the_list() -> None:
    index = ROOT / "docs/README.md"
    listed = {target for _, target, _ in links(index)}
    assert set(documents()) - {index} == listed


def test_every_command_is_in_the_readme() -> None:
    shown = {command.split()[1] for command in commands(README)}
    ours = {name for name, app in get_commands().items() if app == "db_sync"}
    assert ours | set(flags_of_command(())[0]) - {"help"} <= shown


def test_every_code_has_its_remedy() -> None:
    codes = re.compile(r"(?m)^\| `([A-Z_]+_\d{3})` \|")
    told = codes.findall((ROOT / "docs/errors.md").read_text())
    assert len(told) > 20
    assert codes.findall(OPERATIONS.read_text()) == told


@cache
def flags_of_command(words: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """What `db-sync … --help` tells: the actions that may follow, and the flags."""
    done = subprocess.run(
        [COMMAND, *words, "--help"], capture_output=True, text=True, timeout=HANGS, check=False
    )
    assert done.returncode == 0, f"db-sync {' '.join(words)}: {done.stderr}"
    _, _, listed = done.stdout.partition("Commands:\n")
    actions = re.findall(r"(?m)^  ([a-z]+) ", listed.partition("\n\n")[0])
    return frozenset(actions), frozenset(re.findall(r"(?<!\w)--?[a-z][a-z-]*", done.stdout))


def flags_of_parser(parser: CommandParser) -> set[str]:
    """The flags of a parser and of its actions."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for inner in action.choices.values():
                found |= flags_of_parser(inner)
    return found


def check_manage(words: list[str], *, exact: bool) -> None:
    name, *rest = words
    assert name in get_commands(), f"there is no command {name}"
    command = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)
    unknown = {word.split("=")[0] for word in rest if word.startswith("-")} - flags_of_parser(
        parser
    )
    assert not unknown, f"{name} does not know {unknown}"
    if exact:
        # Parsed as from Python, a mistake is an exception.
        parser.called_from_command_line = False
        parser.parse_args(rest)


def check_command(words: list[str]) -> None:
    path: tuple[str, ...] = ()
    while words and words[0] in flags_of_command(path)[0]:
        path, words = (*path, words[0]), words[1:]
    assert path, f"there is no db-sync {words[0]}"
    unknown = {word.split("=")[0] for word in words if word.startswith("-")}
    assert not unknown - flags_of_command(path)[1], f"{path} does not know {unknown}"


def words_of(command: str) -> list[str]:
    """The words up to where the shell would begin something else."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = takewhile(lambda word: not set(word) <= set(";<>&|"), lexer)
    return [OWN.get(word, word) for word in words]


@pytest.mark.parametrize("page", [README, CHINESE, STARTED, OPERATIONS], ids=lambda path: path.name)
def test_every_command_that_is_shown_is_known(page: Path) -> None:
    shown = list(commands(page))
    assert len(shown) > 20
    for command in shown:
        exact = SYNOPSIS.search(command) is None
        program, *words = words_of(SYNOPSIS.sub(" ", command))
        try:
            if program == "db-sync":
                check_command(words)
            else:
                named = words if program == "manage.py" else [program, *words]
                check_manage(named, exact=exact)
        except CommandError as error:
            pytest.fail(f"{command}: {error}")


def assert_prints_what_it_shows(block: Block, reader: Reader) -> None:
    shown = block.text if block.language == "console" else ""
    printed = "\n".join(f"$ {step.command}\n{step.shown}".rstrip() for step in reader.follow(block))
    assert compared(printed) == compared(shown)


def queries() -> list[str]:
    """The statements by which the guide asks the log."""
    found = [block.text for block in blocks(OPERATIONS) if block.language == "sql"]
    assert len(found) > 3
    return [sql for text in found for sql in re.split(r";\n*", text) if sql]


def test_getting_started_is_as_it_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for block in blocks(STARTED):
        if block.section != SERVERS:
            assert_prints_what_it_shows(block, reader)
    with closing(sqlite3.connect(reader.folder / "local.sqlite3")) as line:
        for sql in queries():
            # Everything has happened on that walk, and at its end nothing waits.
            assert bool(line.execute(sql).fetchall()) == ("PENDING" not in sql), sql


@pytest.mark.parametrize(("page", "language"), [(README, "en-us"), (CHINESE, "zh-hans")])
def test_the_session_of_the_readme_is_as_it_says(page: Path, language: str, tmp_path: Path) -> None:
    unwanted = shutil.ignore_patterns(".env", "data", "*.sqlite3*", "__pycache__")
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=unwanted)
    reader = Reader(tmp_path, SHOP_LANGUAGE=language)
    walk = [block for block in blocks(page) if block.language == "console"]
    for block in walk:
        assert_prints_what_it_shows(block, reader)
    assert walk


@pytest.mark.skipif("DB_SYNC_TEST_MYSQL_SKIPPED" in os.environ, reason="no MySQL server here")
def test_the_servers_are_as_the_page_says(tmp_path: Path) -> None:
    walk = list(blocks(STARTED))
    [said] = [block.text for block in walk if block.section == SERVERS and block.path == ".env"]
    with two_sides(tmp_path, "MYSQL", "MARIADB") as sides:
        # The page's own keys, with these servers' values.
        keys = re.findall(r"(?m)^(\w+)=", said)
        assert set(keys) == {*sides.settings, "DB_ENV"}
        settings = {key: sides.settings.get(key, "remote") for key in keys}
        reader = Reader(tmp_path)
        for block in walk:
            if block.section == "A project":
                reader.follow(block)
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        (reader.folder / ".env").write_text("".join(lines))
        reader.type(Step("python manage.py makemigrations notes", ""))
        for block in walk:
            if block.section == SERVERS and block.language == "console":
                assert_prints_what_it_shows(block, reader)
        for sql in queries():
            sides.local.query(sql)


def test_the_chinese_readme_shows_the_same() -> None:
    def code(page: Path) -> list[str]:
        """The commands and settings of each block, without words for people."""
        shown = []
        for block in blocks(page):
            lines = block.text.splitlines()
            if block.language == "console":
                lines = [line for line in lines if line.startswith("$ ")]
            shown.append(
                "\n".join(line.split("  #")[0].split("   #")[0].rstrip() for line in lines)
            )
        return shown

    assert code(CHINESE) == code(README)
    assert list(commands(CHINESE)) == list(commands(README))
