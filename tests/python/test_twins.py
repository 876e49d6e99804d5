"""Two MariaDB servers that call themselves the same, as containers made from one recipe do.

Each has its own data; the host's name, the port, the data folder's path and the server's number, by
which a MariaDB is otherwise known, are equal.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pymysql
import pytest

import servers
from own_server import open_folder
from sides import COMMAND, Cells

HOSTS = {"REMOTE": "127.0.0.2", "LOCAL": "127.0.0.1"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The one port of both servers, each of which has a table with a row of its own."""
    port = servers.free_port()
    with ExitStack() as ending:
        for side, host in HOSTS.items():
            # The folder that it stands in is its own.
            here = ("--datadir=/proc/self/cwd",)
            server = servers.Server("", "mariadb", 1, here, host, port)
            running = servers.Running(server, ending.enter_context(open_folder()))
            ending.callback(running.stop)
            running.wait()
            ask(
                side,
                port,
                "CREATE DATABASE shop",
                "CREATE TABLE shop.t (id int PRIMARY KEY, v text)",
                f"INSERT INTO shop.t VALUES ({len(side)}, '{side}')",  # noqa: S608
            )
        yield port


def ask(side: str, port: int, *statements: str) -> Cells:
    """Executes statements on one of the two, and gives the last one's rows."""
    line = pymysql.connect(
        host=HOSTS[side], port=port, user=servers.USER, password=servers.PASSWORD, autocommit=True
    )
    with line, line.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)
        return tuple(cursor.fetchall())


def sync(folder: Path, port: int, remote: str, local: str) -> "subprocess.CompletedProcess[str]":
    """Runs a sync between the databases `shop` of two addresses."""
    said = {"PORT": str(port), "NAME": "shop", "USER": servers.USER, "PASSWORD": servers.PASSWORD}
    sides = {f"DB_{side}_{key}": value for side in HOSTS for key, value in said.items()}
    sides |= {"DB_REMOTE_HOST": remote, "DB_LOCAL_HOST": local}
    return subprocess.run(
        [COMMAND, "run"],
        cwd=folder,
        env={**sides, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_they_are_two_databases(port: int, tmp_path: Path) -> None:
    named = "SELECT @@hostname, @@port, @@datadir, @@server_id"
    assert ask("REMOTE", port, named) == ask("LOCAL", port, named)
    first = sync(tmp_path, port, HOSTS["REMOTE"], HOSTS["LOCAL"])
    assert (first.returncode, "2 row(s) written" in first.stdout) == (0, True), first
    rows = "SELECT * FROM shop.t ORDER BY id"
    assert ask("REMOTE", port, rows) == ask("LOCAL", port, rows) == ((5, "LOCAL"), (6, "REMOTE"))
    again = sync(tmp_path, port, HOSTS["REMOTE"], HOSTS["LOCAL"])
    assert (again.returncode, "0 row(s) written" in again.stdout) == (0, True), again


def test_one_of_them_twice_is_one(port: int, tmp_path: Path) -> None:
    for host in HOSTS.values():
        refused = sync(tmp_path, port, host, host)
        assert refused.returncode == 2  # noqa: PLR2004
        assert "CFG_002" in refused.stderr
