"""Runs programs and looks at how much memory they take at most."""

import contextlib
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

# How often a program's peak is read. The kernel keeps the peak itself: what rises later than the
# last look is all that can be missed.
LOOK_SECONDS = 0.01
# A program that has grown no more for so long, with nowhere to write, is idle.
IDLE_SECONDS = 0.3


class FailedError(Exception):
    """A program ended otherwise than it should; the message has its last words."""


def run(
    words: Sequence[str],
    *,
    ends: Sequence[int] = (0,),
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: IO[bytes] | None = None,
) -> int:
    """Runs a program to its end.

    Args:
        words: The program and its arguments.
        ends: The exit statuses that are well.
        env: Its environment, ours if None.
        cwd: Where it runs, here if None.
        stdin: What it reads.

    Returns:
        The most memory (resident, in bytes) that it had at any time.

    Raises:
        FailedError: It ended with another status.
    """
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            words, stdin=stdin, stdout=said, stderr=subprocess.STDOUT, env=env, cwd=cwd
        )
        try:
            peak = _watch(child.pid)
        finally:
            # Whatever interrupts us, nothing goes on behind our back.
            if child.poll() is None:
                child.terminate()
            status = child.wait()
        if status not in ends:
            said.seek(max(0, said.tell() - 1500))
            last = said.read().decode(errors="replace")
            raise FailedError(f"{Path(words[0]).name} ended with {status}: {last}")
    return peak


def idle_memory(words: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Looks at a program that has started and does nothing: it waits to say its first word.

    Args:
        words: A program that prints something and ends; its output is a pipe that is full.
        env: Its environment, ours if None.

    Returns:
        Its memory (resident, in bytes).
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    child = subprocess.Popen(words, stdout=writer, env=env)
    os.close(writer)
    try:
        peak, since = 0, time.monotonic()
        while time.monotonic() - since < IDLE_SECONDS and child.poll() is None:
            now = _peak(child.pid)
            if now > peak:
                peak, since = now, time.monotonic()
            time.sleep(LOOK_SECONDS)
    finally:
        while os.read(reader, 65536):
            pass
        os.close(reader)
        status = child.wait()
    if status:
        raise FailedError(f"{Path(words[0]).name} ended with {status}")
    return peak


def _watch(pid: int) -> int:
    """Waits for a child's end without delay, and gives its peak."""
    peak = 0
    ended = os.pidfd_open(pid)
    try:
        while not select.select([ended], [], [], LOOK_SECONDS)[0]:
            peak = max(peak, _peak(pid))
    finally:
        os.close(ended)
    return peak


def _peak(pid: int) -> int:
    """The most memory that a process has had so far; 0 once it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
