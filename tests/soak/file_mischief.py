"""Faults at a SQLite file: no line leads there, so the kernel tells what is done to the file."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType

from soak.lines import FileDatabase, RefusedError
from soak.script import Kind, Trouble
from soak.syncs import Watch

# How often a watcher of a file where nothing is done looks whether the run is over.
_GLANCE_SECONDS = 0.02
# How long a run goes on in its commit before it is looked at again.
_STEP_SECONDS = 0.0002
# What inotify tells of, in its own numbers.
_READ, _WRITTEN, _REMOVED = 0x1, 0x2, 0x200
_EVENT = struct.Struct("iIII")
_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class _Touch:
    """Something that anybody has done to the file, or to what SQLite keeps beside it.

    Attributes:
        end: What follows the file's name in that of the file that was touched, such as `-journal`.
        what: What was done.
    """

    end: str
    what: int

    @property
    def is_of_a_commit(self) -> bool:
        """Whether it is done when somebody commits, and seldom else."""
        if self.what == _REMOVED:
            return self.end == "-journal"
        return self.what == _WRITTEN and self.end in ("", "-wal")


class _Touches:
    """Hears of all that is done to a file. Where nobody listens in time, like ones become one."""

    def __init__(self, path: Path) -> None:
        """Listens from now on."""
        self._name = path.name
        library = ctypes.CDLL(None, use_errno=True)
        self._heard = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        folder = os.fsencode(path.parent)
        asked = _READ | _WRITTEN | _REMOVED
        if self._heard < 0 or library.inotify_add_watch(self._heard, folder, asked) < 0:
            raise OSError(ctypes.get_errno(), "inotify", str(path.parent))

    def __enter__(self) -> _Touches:
        """Goes on listening."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Listens no more."""
        os.close(self._heard)

    def within(self, seconds: float) -> Iterator[_Touch]:
        """Waits for something to happen, so long at the most; tells what it was."""
        ready = select.poll()
        ready.register(self._heard, select.POLLIN)
        if not ready.poll(seconds * 1000):
            return
        told = os.read(self._heard, _MOST_BYTES)
        while told:
            _folder, what, _cookie, length = _EVENT.unpack_from(told)
            name = os.fsdecode(told[_EVENT.size : _EVENT.size + length].rstrip(b"\0"))
            told = told[_EVENT.size + length :]
            if name.startswith(self._name):
                yield _Touch(name.removeprefix(self._name), what)


def befall(database: FileDatabase, trouble: Trouble, note: Callable[[Kind], None]) -> Watch:
    """Prepares a fault.

    Args:
        database: The file at which it strikes. Its folder is the history's own.
        trouble: The fault.
        note: Hears of it when it strikes.

    Returns:
        Who is to watch the run.
    """

    def watch(child: subprocess.Popen[str], over: threading.Event) -> None:
        with _Touches(database.path) as touches:
            moments = _moments(touches, trouble, child, over)
            for _ in islice(moments, trouble.at - 1, trouble.at):
                if child.poll() is None:
                    note(trouble.kind)
                    _strike(database, trouble, child, over)

    return watch


def _moments(
    touches: _Touches, trouble: Trouble, child: subprocess.Popen[str], over: threading.Event
) -> Iterator[None]:
    """Tells of each moment at which the fault may strike.

    A run that is to be killed at a commit is frozen meanwhile: the moment is exact.
    """
    while not over.is_set():
        for touch in touches.within(_GLANCE_SECONDS):
            if trouble.kind is not Kind.KILL_AT_COMMIT:
                yield
            elif touch.is_of_a_commit and _is_caught(child, over, after=trouble.harder):
                yield
                child.send_signal(signal.SIGCONT)


def _strike(
    database: FileDatabase, trouble: Trouble, child: subprocess.Popen[str], over: threading.Event
) -> None:
    match trouble.kind:
        case Kind.TERM:
            child.send_signal(signal.SIGTERM)
        case Kind.HOLD:
            _hold(database, trouble, over)
        case _:
            # Applications go on while the run is held.
            over.wait(trouble.held)
            child.kill()


def _hold(database: FileDatabase, trouble: Trouble, over: threading.Event) -> None:
    """Is an application that takes its time; a reader, too, keeps others from their commits."""
    line = database.connect()
    # Somebody else may hold it for too long.
    with suppress(RefusedError):
        line.run("BEGIN IMMEDIATE" if trouble.harder else "BEGIN")
        line.run("SELECT COUNT(*) FROM sqlite_master")
        over.wait(trouble.held)
    line.close()


def _is_caught(child: subprocess.Popen[str], over: threading.Event, *, after: bool) -> bool:
    """Freezes a run within its commit, or as soon as that is over; answers whether it could."""
    while not over.is_set() and _is_frozen(child):
        if _is_writing(child) != after:
            return True
        child.send_signal(signal.SIGCONT)
        if not after:
            break
        over.wait(_STEP_SECONDS)
    return False


def _is_frozen(child: subprocess.Popen[str]) -> bool:
    """Stops a run where it is; answers whether it was still there."""
    child.send_signal(signal.SIGSTOP)
    try:
        state = os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return False
    return state is not None and state.si_code == os.CLD_STOPPED


def _is_writing(child: subprocess.Popen[str]) -> bool:
    """Whether a run that is frozen holds a lock under which SQLite writes."""
    files = Path(f"/proc/{child.pid}/fdinfo").iterdir()
    # One of its locks: `lock: 1: POSIX ADVISORY WRITE`, and where.
    told = [line.split() for file in files for line in file.read_text("ascii").splitlines()]
    return ["POSIX", "ADVISORY", "WRITE"] in [words[2:5] for words in told]
