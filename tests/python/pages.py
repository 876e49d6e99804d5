"""The project's documents as the tests read them: links, anchors, blocks of code, and sessions.

A session is a block of ```console: lines with `$ ` are commands, those after them what they print.
A block under a paragraph that ends with a path and a colon belongs at the end of that file.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sides import HANGS

ROOT = Path(__file__).parents[2]
# What is another one in every run, and what stands in its place when two outputs are compared.
_RUN = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_CHANGING = [
    (_RUN, "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? (ms|毫秒)"), "N ms"),
    (re.compile(r"\b\d+ (min ago|分钟前)"), "N min ago"),
]


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        section: The heading of the second rank above it.
        lead: The last line of the paragraph above it.
        language: What stands behind its first fence.
        text: What is in it, without the indentation of a list.
    """

    section: str
    lead: str
    language: str
    text: str

    @property
    def path(self) -> str | None:
        """The file that it belongs into."""
        named = re.search(r"`([\w./]+)`:$", self.lead)
        return named[1] if named and self.language != "console" else None


@dataclass(frozen=True)
class Step:
    """A command of a session, and what it prints."""

    command: str
    shown: str


def blocks(page: Path) -> Iterator[Block]:
    """Every block of code of a page, in order."""
    section = lead = ""
    fence: tuple[str, str] | None = None
    lines: list[str] = []
    for line in page.read_text().splitlines():
        opening = re.match(r"( *)```(\S*)$", line)
        if fence is not None and line.strip() == "```":
            indent, language = fence
            text = "\n".join(each.removeprefix(indent) for each in lines)
            yield Block(section, lead, language, text)
            fence, lines = None, []
        elif fence is not None:
            lines.append(line)
        elif opening:
            fence = opening[1], opening[2]
        elif line.startswith("## "):
            section, lead = line.removeprefix("## "), ""
        elif line.strip():
            lead = line.strip()


def steps(block: Block) -> Iterator[Step]:
    """The commands of a session with their outputs."""
    command, shown = "", list[str]()
    for line in [*block.text.splitlines(), "$ "]:
        if line.startswith("$ "):
            if command:
                yield Step(command, "\n".join(shown))
            command, shown = line.removeprefix("$ "), []
        else:
            shown.append(line)


def commands(page: Path) -> Iterator[str]:
    """Every command of ours that a page shows, in blocks and within sentences, from its name on."""
    within = re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text()))
    shown = [step.command for block in blocks(page) for step in steps(block)]
    plain = [
        line
        for block in blocks(page)
        if not block.language
        for line in re.sub(r"\n    +", " ", block.text).splitlines()
    ]
    for line in [*within, *shown, *plain]:
        ours = r"(?:manage\.py|db-sync) \w.*|^(?:sync_[a-z]+|db_env) [-\w].*"
        command = re.search(rf"(?:^|[ /])({ours})", line.split(" # ")[0])
        if command:
            yield command[1].replace("\\|", "|").strip()


def compared(output: str) -> str:
    """What two runs of one command print alike."""
    for changing, stands in _CHANGING:
        output = changing.sub(stands, output)
    return "\n".join(line.rstrip() for line in output.strip().splitlines())


class Reader:
    """Somebody who does what a page says, in a folder of their own.

    Attributes:
        folder: Where they are; `cd` takes them elsewhere.
    """

    def __init__(self, folder: Path, **more: str) -> None:
        """Begins in a folder, with so much in the environment."""
        foreign = ("DB_", "DJANGO_", "SHOP_", "RUST_")
        own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"
        # Both streams come into one, in the order in which they were written.
        self._environment = {**own, "PATH": programs, "PYTHONUNBUFFERED": "1", **more}
        self._runs: dict[str, str] = {}
        self.folder = folder

    def follow(self, block: Block) -> list[Step]:
        """Writes a block into its file, or types its commands.

        Args:
            block: What is to be done.

        Returns:
            The commands of a session, with what they printed.
        """
        if block.language == "console":
            return [self.type(step) for step in steps(block)]
        if block.path is not None:
            with (self.folder / block.path).open("a") as file:
                file.write(f"\n{block.text}\n")
        return []

    def type(self, step: Step) -> Step:
        """Runs a command.

        Args:
            step: The command, and what the page says that it prints.

        Returns:
            The command, and what it printed.
        """
        command = _RUN.sub(lambda run: self._runs.get(run[0], run[0]), step.command)
        if command.startswith("cd "):
            self.folder = self.folder / command.removeprefix("cd ")
            return Step(step.command, "")
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANGS,
            check=False,
        )
        # A page that names a run names the reader's own.
        told = zip(_RUN.findall(step.shown), _RUN.findall(done.stdout), strict=False)
        self._runs.update(told)
        return Step(step.command, done.stdout.rstrip("\n"))
