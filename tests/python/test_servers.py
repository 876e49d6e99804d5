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
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest

import db_sync

SCRIPT = """
    import os, signal, sys, threading, db_sync
    started = threading.Event()
    def stop():
        started.wait()
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=stop, daemon=True).start()
    threading.Timer(0.3, started.set).start()
    try:
        db_sync.sync(sync_type="FULL")
    except KeyboardInterrupt:
        print("interrupted")
"""


def _query(url: str, sql: str) -> tuple[tuple[object, ...], ...]:
    parts = urlsplit(url)
    line = pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.path.lstrip("/") or None,
        autocommit=True,
    )
    with line, line.cursor() as cursor:
        cursor.execute(sql)
        return tuple(cursor.fetchall())


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
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
    [[stopped]] = _query(sides["LOCAL"], "SELECT COUNT(*) FROM t")
    assert isinstance(stopped, int)
    assert stopped < 200_000
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
