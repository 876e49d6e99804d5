"""The engine in this very process: both sides are servers.

`make test` starts the servers and says where they are; without them these tests fail, loudly.
"""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest

import db_sync
from sides import WAITING

SCRIPT = """
    import db_sync
    try:
        db_sync.sync(sync_type="FULL")
    except KeyboardInterrupt:
        print("interrupted")
"""


ALONE = "SELECT COUNT(*) = 1 FROM information_schema.processlist WHERE db = DATABASE()"


def _connect(url: str, *, autocommit: bool = True) -> "pymysql.Connection[Any]":
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.path.lstrip("/") or None,
        autocommit=autocommit,
    )


def _query(url: str, sql: str) -> tuple[tuple[Any, ...], ...]:
    with _connect(url) as line, line.cursor() as cursor:
        cursor.execute(sql)
        return tuple(cursor.fetchall())


def _await(url: str, sql: str) -> None:
    """Asks until the answer is one true value; a minute without one is a failure."""
    deadline = time.monotonic() + 60
    while not int(_query(url, sql)[0][0]):
        assert time.monotonic() < deadline, f"never came true: {sql}"
        # The server shows what it showed last until nobody has asked for a tenth of a second.
        time.sleep(0.2)


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Two databases with one table, named by the environment; URLs by side."""
    monkeypatch.chdir(tmp_path)
    urls = {}
    for side, variable in (("REMOTE", "MARIADB"), ("LOCAL", "MARIADB2")):
        server = os.environ[f"DB_SYNC_TEST_{variable}_URL"]
        name = f"db_sync_test_{uuid.uuid4().hex}"
        _query(server, f"CREATE DATABASE {name}")
        urls[side] = f"{server.rstrip('/')}/{name}"
        parts = urlsplit(urls[side])
        monkeypatch.setenv(f"DB_{side}_HOST", str(parts.hostname))
        monkeypatch.setenv(f"DB_{side}_PORT", str(parts.port))
        monkeypatch.setenv(f"DB_{side}_USER", str(parts.username))
        monkeypatch.setenv(f"DB_{side}_PASSWORD", str(parts.password))
        monkeypatch.setenv(f"DB_{side}_NAME", name)
        monkeypatch.delenv(f"DB_{side}_ENGINE", raising=False)
        _query(urls[side], "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))")
    yield urls
    for url in urls.values():
        _query(url, f"DROP DATABASE {urlsplit(url).path.lstrip('/')}")


def _sync_and_report(queue: "multiprocessing.Queue[str]") -> None:
    queue.put(json.dumps(db_sync.sync().as_dict()))


def test_a_sync_in_this_process(sides: dict[str, str]) -> None:
    _query(sides["REMOTE"], "INSERT INTO t VALUES (1, '茶')")
    _query(sides["LOCAL"], "INSERT INTO t VALUES (2, 'tea')")
    report = db_sync.sync()
    assert report.ok
    assert _query(sides["LOCAL"], "SELECT v FROM t ORDER BY id") == (("茶",), ("tea",))
    assert _query(sides["REMOTE"], "SELECT v FROM t ORDER BY id") == (("茶",), ("tea",))


def test_a_sync_in_a_forked_worker_after_one_here(sides: dict[str, str]) -> None:
    db_sync.sync()
    _query(sides["REMOTE"], "INSERT INTO t VALUES (1, 'a')")
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=_sync_and_report, args=(queue,))
    worker.start()
    report = json.loads(queue.get(timeout=60))
    worker.join(timeout=60)
    assert (worker.exitcode, report["status"]) == (0, "SUCCESS")
    assert _query(sides["LOCAL"], "SELECT v FROM t") == (("a",),)


def test_ctrl_c_stops_at_a_batch_edge_and_the_next_run_completes(sides: dict[str, str]) -> None:
    _query(sides["REMOTE"], "INSERT INTO t SELECT seq, seq FROM seq_1_to_200000")
    # An application holds one of the rows, so the sync is in the midst of its work all the while.
    with _connect(sides["LOCAL"], autocommit=False) as application:
        application.query("INSERT INTO t VALUES (150000, 'held')")
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
            _await(sides["LOCAL"], WAITING)
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=60)
        assert (process.returncode, *output) == (0, "interrupted\n", "")
        [[stopped]] = _query(sides["LOCAL"], "SELECT COUNT(*) FROM t")
        assert stopped < 200_000
        application.rollback()
    _await(sides["LOCAL"], ALONE)
    assert db_sync.sync().ok
    assert _query(sides["LOCAL"], "SELECT COUNT(*) FROM t") == ((200_000,),)


def test_a_failure_is_an_exception_with_its_code(
    sides: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_REMOTE_PASSWORD", "not-the-one")
    with pytest.raises(db_sync.ConnectionFailed) as caught:
        db_sync.sync()
    assert caught.value.code == "DB_CONN_003"
    assert "not-the-one" not in f"{caught.value!r} {caught.value} {caught.value.hint}"
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (type(again), again.code) == (db_sync.ConnectionFailed, "DB_CONN_003")


def test_signals_keep_their_handlers(sides: dict[str, str]) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    db_sync.sync()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
