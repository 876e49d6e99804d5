"""The soak's faults at files strike when they should: in the midst of a commit, or just after."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sides import HANGS
from soak.file_mischief import befall
from soak.lines import FileDatabase
from soak.script import Kind, Trouble
from soak.tables import Side

# Waits for nobody, and writes down what it has committed, outside its transactions.
ROUNDS = 500
COMMITS = """
import os, sqlite3, sys
line = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
with open(sys.argv[2], "w", buffering=1) as log:
    for number in range(int(sys.argv[3])):
        line.execute("BEGIN IMMEDIATE")
        line.execute("INSERT INTO t VALUES (?)", (number,))
        line.execute("COMMIT")
        print(number, file=log)
        os.fsync(log.fileno())
"""
JOURNALS = ["DELETE", "WAL"]


@dataclass
class Program:
    """A program that commits again and again to a file, and a fault that befalls it.

    Attributes:
        file: The file.
        status: How it ended.
        said: What it had committed.
        problem: What it said besides.
        noted: The faults that have struck.
        could_write: Whether somebody else could write at that moment.
    """

    file: FileDatabase
    status: int | None = None
    said: int = 0
    problem: str = ""
    noted: list[Kind] = field(default_factory=list)
    could_write: list[bool] = field(default_factory=list)

    def _note(self, kind: Kind) -> None:
        self.noted.append(kind)
        with closing(sqlite3.connect(self.file.path, timeout=0, isolation_level=None)) as line:
            try:
                line.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                self.could_write.append(False)
            else:
                self.could_write.append(True)

    def run(self, trouble: Trouble) -> None:
        """Runs it to its end, whichever that is."""
        over, watch = threading.Event(), befall(self.file, trouble, self._note)
        log = self.file.path.with_name("log")
        with ThreadPoolExecutor(1) as pool:
            child = subprocess.Popen(
                [sys.executable, "-c", COMMITS, str(self.file.path), str(log), str(ROUNDS)],
                stderr=subprocess.PIPE,
                text=True,
            )
            watching = pool.submit(watch, child, over)
            try:
                _out, self.problem = child.communicate(timeout=HANGS)
            finally:
                over.set()
                child.kill()
            watching.result(timeout=HANGS)
        self.status, self.said = child.returncode, len(log.read_text().splitlines())

    def rows(self) -> int:
        """How many rows the file has."""
        with closing(sqlite3.connect(self.file.path)) as line:
            assert line.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            [count] = line.execute("SELECT COUNT(*) FROM t").fetchone()
            return int(count)


Make = Callable[[str], Program]


@pytest.fixture
def program(tmp_path: Path) -> Make:
    def make(journal: str) -> Program:
        file = FileDatabase(tmp_path / "local.sqlite3", journal)
        file.create()
        line = file.connect()
        line.run("CREATE TABLE t (number INTEGER)")
        line.close()
        return Program(file)

    return make


def at(kind: Kind, moment: int, *, harder: bool = False, held: float = 0.0) -> Trouble:
    return Trouble(kind, Side.LOCAL, moment, harder, held)


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("after", [False, True], ids=["within", "after"])
def test_a_program_is_killed_at_a_commit(program: Make, journal: str, *, after: bool) -> None:
    killed = program(journal)
    killed.run(at(Kind.KILL_AT_COMMIT, 5, harder=after, held=0.05))
    assert (killed.status, killed.noted) == (-9, [Kind.KILL_AT_COMMIT])
    # While it is held it has the file, or has just let go of it.
    assert killed.could_write == [after]
    assert killed.said <= killed.rows() <= killed.said + 1


@pytest.mark.parametrize("kind", [Kind.KILL, Kind.TERM])
def test_a_program_is_ended_somewhere(program: Make, kind: Kind) -> None:
    ended = program("DELETE")
    ended.run(at(kind, 100))
    assert (ended.status, ended.noted) == ({Kind.KILL: -9, Kind.TERM: -15}[kind], [kind])
    assert 0 < ended.said < ROUNDS
    assert ended.said <= ended.rows() <= ended.said + 1


@pytest.mark.parametrize(
    ("journal", "writes"), [("DELETE", False), ("DELETE", True), ("WAL", True)]
)
def test_an_application_holds_the_file(program: Make, journal: str, *, writes: bool) -> None:
    held = program(journal)
    held.run(at(Kind.HOLD, 20, harder=writes, held=HANGS))
    assert (held.status, held.noted) == (1, [Kind.HOLD])
    assert "database is locked" in held.problem
    assert held.rows() == held.said


def test_a_moment_that_does_not_come_is_no_fault(program: Make) -> None:
    unharmed = program("WAL")
    unharmed.run(at(Kind.KILL_AT_COMMIT, 1_000_000))
    assert (unharmed.status, unharmed.noted, unharmed.rows()) == (0, [], ROUNDS)
