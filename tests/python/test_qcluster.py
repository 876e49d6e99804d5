"""The schedule and its tasks under real clusters of Django Q2, on its ORM broker and on Redis.

Both sides are SQLite files, so a worker's engine is a process of its own; one test has servers.
"""

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from db_sync.scheduling import TASK
from example_shop import Site
from queued_shop import HERE, QueuedShop, redis, until
from sides import two_sides

# What a queue without acknowledgements, or an impatient one, may do.
ENQUEUE_TWICE = f"""
from django_q.brokers import get_broker
from django_q.tasks import async_task
broker = get_broker()
deliver = broker.enqueue
broker.enqueue = lambda package: (deliver(package), deliver(package))[0]
async_task('{TASK}', broker=broker)
"""
# A project whose `.env` stands beside its settings, and not where a cluster was started.
PLACED = """
from queued_settings import *
from db_sync.conf import databases
DATABASES = databases({path!r})
"""
ORM = {"orm": "default"}
RUNS = "SELECT COUNT(DISTINCT run_id) FROM db_sync_log WHERE triggered_by = 'SCHEDULED'"


@pytest.fixture(scope="module")
def queued(seeded: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A shop that was never synced, with Django Q2's tables. Copied, never changed."""
    folder = tmp_path_factory.mktemp("queued") / "site"
    shutil.copytree(seeded.folder, folder)
    QueuedShop(folder).manage("migrate", "django_q", "--verbosity=0")
    with (folder / ".env").open("a") as file:
        file.write("\nDB_SYNC_ENABLED=True\n")
    return Site(folder)


@pytest.fixture(params=["orm", "redis"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What `Q_CLUSTER` says of each broker."""
    if request.param == "orm":
        yield {"orm": "default"}
        return
    with redis(tmp_path) as settings:
        yield settings


def shop(queued: Site, folder: Path, cluster: dict[str, Any]) -> QueuedShop:
    shutil.copytree(queued.folder, folder / "site")
    return QueuedShop(folder / "site", cluster)


def equal(site: QueuedShop) -> bool:
    return site.rows("local") == site.rows("remote")


def make_due(site: QueuedShop) -> None:
    """Sets the next run into the past, so far that many slots were missed since."""
    site.query("remote", "UPDATE django_q_schedule SET next_run = '2026-01-06 14:30:00'")


def holding(site: QueuedShop) -> "closing[sqlite3.Connection]":
    """An application in the midst of writing to the local side."""
    line = sqlite3.connect(site.folder / "local.sqlite3", isolation_level=None)
    line.execute("BEGIN IMMEDIATE")
    return closing(line)


def test_a_schedule_fires_and_its_runs_are_counted(
    queued: Site, tmp_path: Path, broker: dict[str, Any]
) -> None:
    site = shop(queued, tmp_path, broker)
    site.manage("sync_scheduler", "enable")
    with site.clusters():
        site.await_tasks(1)
    assert site.tasks() == [(TASK, 1)]
    assert equal(site)
    site.query("local", "DROP TABLE shop_product_tags")
    make_due(site)
    with site.clusters():
        site.await_tasks(2)
    assert site.tasks() == [(TASK, 1), (TASK, 0)]
    site.settings = {"SHOP_LANGUAGE": "zh-hans"}
    status = site.manage("sync_scheduler", "status")
    assert "成功次数: 1\n失败次数: 1\n" in status.stdout
    [failure] = [line for line in status.stderr.splitlines() if "SYNC_001: " in line]
    assert failure.startswith("最近一次失败（")
    assert "Traceback" not in status.stderr
    # A failed run is not delivered for ever.
    assert site.query("remote", "SELECT COUNT(*) FROM django_q_ormq") == [(0,)]


def test_workers_find_the_projects_file_wherever_they_are(queued: Site, tmp_path: Path) -> None:
    site = shop(queued, tmp_path, ORM)
    env = site.folder / ".env"
    text = env.read_text()
    for side in ("remote", "local"):
        text = text.replace(f"NAME={side}.sqlite3", f"NAME={site.folder / side}.sqlite3")
    env.write_text(text)
    (tmp_path / "placed.py").write_text(PLACED.format(path=str(env)))
    paths = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(HERE)])}
    (tmp_path / "elsewhere").mkdir()
    settings = {"DJANGO_SETTINGS_MODULE": "placed", **paths}
    elsewhere = QueuedShop(tmp_path / "elsewhere", ORM, settings)
    elsewhere.manage("sync_scheduler", "enable")
    with elsewhere.clusters():
        site.await_tasks(1)
    assert site.tasks() == [(TASK, 1)]
    assert equal(site)


def test_missed_slots_come_once_and_the_next_one_is_ahead(queued: Site, tmp_path: Path) -> None:
    site = shop(queued, tmp_path, ORM)
    site.manage("sync_scheduler", "enable")
    make_due(site)
    with site.clusters():
        site.await_tasks(1)
    ahead = "SELECT next_run > datetime('now') FROM django_q_schedule"
    assert site.query("remote", ahead) == [(1,)]
    assert site.query("remote", "SELECT COUNT(*) FROM django_q_ormq") == [(0,)]
    assert len(site.tasks()) == 1


def test_a_task_that_comes_twice_changes_nothing_the_second_time(
    queued: Site, tmp_path: Path, broker: dict[str, Any]
) -> None:
    site = shop(queued, tmp_path, {**broker, "workers": 1})
    site.run(ENQUEUE_TWICE)
    with site.clusters():
        site.await_tasks(1)
        until(lambda: site.query("local", RUNS) == [(2,)], "two runs")
    assert site.tasks() == [(TASK, 1)]
    assert equal(site)
    written = (
        "SELECT SUM(rows_inserted + rows_updated + rows_deleted) > 0 FROM db_sync_log "
        "GROUP BY run_id ORDER BY MIN(id)"
    )
    assert site.query("local", written) == [(1,), (0,)]


def test_clusters_and_workers_at_once_are_harmless(
    queued: Site, tmp_path: Path, broker: dict[str, Any]
) -> None:
    site = shop(queued, tmp_path, broker)
    site.enqueue(TASK, times=4)
    with site.clusters(2):
        site.await_tasks(4)
    assert {success for _name, success in site.tasks()} == {1}
    assert equal(site)
    assert site.sync()["status"] == "SUCCESS"


def test_one_table_and_automatic_runs_that_are_off(queued: Site, tmp_path: Path) -> None:
    site = shop(queued, tmp_path, ORM)
    site.run("from db_sync.scheduling import enqueue_table; enqueue_table('shop_category')")
    with site.clusters():
        site.await_tasks(1)
        site.settings = {"DB_SYNC_ENABLED": "False"}
    rows = site.rows("local")
    assert rows["shop_category"] == site.rows("remote")["shop_category"]
    assert (len(rows["shop_category"]) > 0, rows["shop_product"]) == (True, [])
    site.enqueue(TASK)
    with site.clusters():
        site.await_tasks(2)
    assert site.tasks() == [("db_sync.tasks.sync_table", 1), (TASK, 1)]
    assert site.rows("local") == rows


def test_a_timeout_ends_the_engine_too(queued: Site, tmp_path: Path) -> None:
    site = shop(queued, tmp_path, {**ORM, "timeout": 2, "retry": 60})
    site.manage("sync_scheduler", "enable")
    make_due(site)
    with site.clusters(), holding(site):
        until(lambda: bool(site.engines()), "the engine is at work")
        site.await_tasks(1)
        assert site.tasks() == [(TASK, 0)]
        assert site.engines() == []
    assert site.sync()["status"] == "SUCCESS"


def test_a_worker_that_dies_is_replaced_and_its_task_comes_again(
    queued: Site, tmp_path: Path
) -> None:
    site = shop(queued, tmp_path, {**ORM, "timeout": 3, "retry": 4})
    site.enqueue(TASK)
    with site.clusters():
        with holding(site):
            until(lambda: bool(site.engines()), "the engine is at work")
            [engine] = site.engines()
            status = Path(f"/proc/{engine}/status").read_text()
            worker = next(line for line in status.splitlines() if line.startswith("PPid:"))
            os.kill(int(worker.split()[1]), signal.SIGKILL)
        site.await_tasks(1)
        until(lambda: not site.engines(), "no engine is left")
    assert site.tasks() == [(TASK, 1)]
    assert equal(site)


def test_two_clusters_between_servers(tmp_path: Path) -> None:
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        settings = {
            **sides.settings,
            "DB_SYNC_ENABLED": "True",
        }
        site = QueuedShop(tmp_path, {**ORM, "timeout": 3, "retry": 60}, settings)
        sides.query_both("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))")
        sides.remote.query("INSERT INTO t VALUES (1, 'first')")
        site.manage("migrate", "django_q", "--verbosity=0")
        site.manage("sync_scheduler", "enable")

        def ended() -> tuple[Any, ...]:
            rows = sides.remote.query("SELECT success FROM django_q_task ORDER BY stopped")
            return tuple(success for (success,) in rows)

        with site.clusters(2):
            until(lambda: len(ended()) > 0, "the schedule fires")
            assert sides.local.rows() == ((1, "first"),)
            # Of two runs at once one is held off; the other waits for an application, until its
            # time is up.
            sides.remote.query("INSERT INTO t SELECT seq, seq FROM seq_2_to_3000")
            with sides.local.server.connect() as application:
                application.select_db(sides.local.name)
                application.begin()
                application.query("INSERT INTO t VALUES (1500, 'held')")
                site.enqueue(TASK, times=2)
                until(lambda: len(ended()) > 2, "both runs have ended")
            # The schedule has fired once, whichever cluster saw it.
            assert ended() == (1, 1, 0)
            sides.local.await_alone()
            site.enqueue(TASK)
            until(lambda: len(ended()) > 3, "the next run")
        assert sides.remote.rows() == sides.local.rows()
        site.run(
            "from django_q.models import Success\n"
            "found = [task.result['status'] for task in Success.objects.order_by('stopped')]\n"
            "assert found == ['SUCCESS', 'HELD', 'SUCCESS'], found"
        )
