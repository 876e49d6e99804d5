"""One run of `db-sync`, as a child that may be ended at any moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from passwords import hide, shows
from soak.lines import Database
from soak.script import Kind, Trouble
from soak.tables import Side

# The command that belongs to the Python that runs us, unless another one is to be tried.
PROGRAM = Path(os.environ.get("DB_SYNC_SOAK_PROGRAM") or Path(sys.executable).with_name("db-sync"))
# A run among tables like ours takes a fraction of a second; whoever takes this long hangs.
LIMIT_SECONDS = 60.0
DONE, LEFT, LOCKED = 0, 3, 4
# Somebody who may do something to the child while it runs; told by the event when it is over.
Watch = Callable[["subprocess.Popen[str]", threading.Event], None]


@dataclass(frozen=True)
class Ran:
    """A run that is over.

    Attributes:
        flags: What it was told.
        exit: Its exit status; a negative one is a signal.
        report: What it said on stdout, if that was JSON.
        said: What it said on stderr.
        trouble: What befell it.
        hung: Whether it had to be ended because it would not.
        shown: Whether it showed a password; here that is hidden.
        began: When, in seconds of some clock.
        seconds: How long it took.
    """

    flags: tuple[str, ...]
    exit: int
    report: Mapping[str, Any] | None
    said: str
    trouble: Trouble | None = None
    hung: bool = False
    shown: bool = False
    began: float = 0.0
    seconds: float = 0.0

    @property
    def written(self) -> int:
        """Rows that it says it has written, on both sides."""
        tables = self.report.get("tables", []) if self.report else []
        ways = [table[way] for table in tables for way in ("remote_to_local", "local_to_remote")]
        return sum(way["inserted"] + way["updated"] + way["deleted"] for way in ways)

    @property
    def run_id(self) -> str | None:
        """Its name in the engine's tables, if it lived to tell it."""
        return str(self.report["run_id"]) if self.report and "run_id" in self.report else None

    @property
    def verified(self) -> bool:
        """Whether it says of every table that it has looked and is content."""
        tables = self.report.get("tables", []) if self.report else []
        return all(table["verified"] for table in tables)

    @property
    def errors(self) -> Sequence[Mapping[str, Any]]:
        """Its failures; a run that fails as a whole tells of one."""
        report = self.report or {}
        return [report["error"]] if "error" in report else list(report.get("errors", []))

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of its failures, each once."""
        return tuple(sorted({str(error["code"]) for error in self.errors}))

    @property
    def panicked(self) -> bool:
        """Whether the program itself was at its wits' end."""
        return "panicked" in self.said

    @property
    def is_disturbed(self) -> bool:
        """Whether something befell it by which it may have been ended half-way."""
        harmless = (Kind.RIVAL, Kind.DELAY, Kind.HOLD)
        return self.trouble is not None and self.trouble.kind not in harmless

    def __str__(self) -> str:
        """A few lines for people."""
        befell = f", {self.trouble}" if self.trouble else ""
        told = [f"{one['code']} {one['table']}: {one['message']}" for one in self.errors]
        said = [] if self.exit in (DONE, LEFT) else self.said.strip().splitlines()[-6:]
        head = f"{' '.join(self.flags)}: exit {self.exit}, {self.written} written{befell}"
        return "\n    ".join([f"{head} ({self.seconds:.2f} s)", *told, *said])


@cache
def patience() -> tuple[str, ...]:
    """The flags by which a run waits for what a killed one still holds, where there are such."""
    words = [str(PROGRAM), "run", "--help"]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    return ("--wait", "10") if "--wait" in told.stdout else ()


def environment(sides: Mapping[Side, Database], settings: Mapping[str, str]) -> dict[str, str]:
    """Our own environment without settings that somebody's shell may have, and with these."""
    told = {key: value for key, value in os.environ.items() if not key.startswith("DB_")}
    for side, database in sides.items():
        told |= {f"DB_{side.value}_{key}": value for key, value in database.settings.items()}
    return told | dict(settings)


def sync(
    sides: Mapping[Side, Database],
    settings: Mapping[str, str],
    flags: Sequence[str],
    folder: Path,
    watch: Watch | None = None,
    trouble: Trouble | None = None,
) -> Ran:
    """Runs `db-sync run` and waits for its end.

    Args:
        sides: Both sides, as they are reached.
        settings: Further settings.
        flags: What it is told.
        folder: Where it runs; there is no `.env` there.
        watch: Somebody who may do something to it meanwhile, in a thread of theirs.
        trouble: What befalls it.

    Returns:
        What became of it.

    Raises:
        Exception: Whatever `watch` raises.
    """
    words = [str(PROGRAM), "run", "--json", "--progress", "never", *patience(), *flags]
    own = environment(sides, settings)
    passwords = [value for key, value in own.items() if key.endswith("_PASSWORD")]
    began = time.monotonic()
    child = subprocess.Popen(
        words,
        env=own,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    over, hung = threading.Event(), False
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch, child, over) if watch else None
        try:
            out, said = child.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            hung = True
            child.kill()
            out, said = child.communicate()
        finally:
            over.set()
    seconds = time.monotonic() - began
    if watching:
        watching.result()
    shown = shows(out + said, passwords)
    out, said = (hide(text, passwords) for text in (out, said))
    try:
        report = json.loads(out)
    except ValueError:
        report = None
    code = child.returncode
    return Ran(tuple(flags), code, report, said, trouble, hung, shown, began, seconds)
