"""Whoever is asked to stop does so soon, whatever it waits for, and the next run goes on.

Both sides are servers, and an application holds a row that the sync wants to write, for longer than
anybody waits: without the signal no run here would end by itself.
"""

import json
import signal
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

import db_sync
from sides import WAITING
from test_servers import ALONE, _await, _connect, _query, sides

__all__ = ["sides"]

COMMAND = [str(Path(sysconfig.get_path("scripts")) / "db-sync"), "run", "--json"]
# What Django Q2 does to a task that takes too long: its worker's handler raises.
ALARM = """
    import signal, sys, db_sync

    class TimeoutException(SystemExit):
        pass

    def stop(number, frame):
        raise TimeoutException(f"signal {number}")

    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        db_sync.sync()
    except TimeoutException as timeout:
        print(timeout)
    except KeyboardInterrupt:
        print("interrupted")
"""
PYTHON = [sys.executable, "-c", textwrap.dedent(ALARM)]


def _interrupted(sides: dict[str, str], command: list[str], number: int) -> tuple[int, str, str]:
    """Runs a command until it waits for the application, and sends it the signal."""
    _query(sides["REMOTE"], "INSERT INTO t SELECT seq, seq FROM seq_1_to_3000")
    with _connect(sides["LOCAL"], autocommit=False) as application:
        application.query("INSERT INTO t VALUES (1500, 'held')")
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
            _await(sides["LOCAL"], WAITING)
            process.send_signal(number)
            output, errors = process.communicate(timeout=60)
        application.rollback()
    _await(sides["LOCAL"], ALONE)
    return process.returncode, output, errors


def _completes(sides: dict[str, str]) -> None:
    report = db_sync.sync(wait=30)
    assert report.ok, report
    assert _query(sides["LOCAL"], "SELECT COUNT(*) FROM t") == ((3000,),)
    again = db_sync.sync()
    assert all(table.remote_to_local.inserted == 0 for table in again.tables)
    running = "SELECT COUNT(*) FROM db_sync_log WHERE status = 'RUNNING'"
    assert _query(sides["LOCAL"], running) == ((0,),)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_with_its_code(sides: dict[str, str], number: int) -> None:
    status, output, _errors = _interrupted(sides, COMMAND, number)
    answer = json.loads(output)
    codes = [error["code"] for error in answer.get("errors", [answer.get("error")])]
    assert (status, codes[0]) == (130, "SYNC_005"), answer
    _completes(sides)


@pytest.mark.parametrize("number", [signal.SIGALRM, signal.SIGTERM, signal.SIGINT])
def test_python_gets_its_own_exception(sides: dict[str, str], number: int) -> None:
    status, output, errors = _interrupted(sides, PYTHON, number)
    said = "interrupted" if number == signal.SIGINT else f"signal {int(number)}"
    assert (status, output.strip(), errors) == (0, said, "")
    _completes(sides)
