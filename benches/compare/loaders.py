"""Who loads empty tables, and how each is told to."""

import contextlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from compare.processes import FailedError, run
from compare.server import DATABASE, Server
from compare.shop import TABLES

# The limit and the loaders work on two tables at a time, as ours does by default.
AT_ONCE = 2
UTF8 = ["--default-character-set=utf8mb4"]

# Does one work, and gives the most memory that its program had; None for more than one program.
Work = Callable[[Server, Server], int | None]


def limit(source: Server, target: Server) -> None:
    """Streams tables through pipes into LOAD DATA LOCAL, two at a time, nothing looked after."""
    # The largest first, so that none of them is left alone at the end.
    order = sorted(TABLES, key=("product", "orders", "stock_move", "category").index)
    lock = threading.Lock()
    problems: list[int] = []

    def loads() -> None:
        with contextlib.suppress(IndexError):
            while True:
                with lock:
                    table = order.pop(0)
                problems.extend(_load(source, target, table))

    workers = [threading.Thread(target=loads) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if problems:
        raise FailedError(f"LOAD DATA ended with {problems}")


def _load(source: Server, target: Server, table: str) -> list[int]:
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "rows"
        os.mkfifo(pipe)
        read = ["mariadb", *source.arguments(), *UTF8, DATABASE]
        read += ["--quick", "-N", "--raw", "--batch"]
        # The client writes NULL as a word; the shop's text has nothing that must be escaped.
        columns = "id,product_id,amount,IFNULL(note,'\\\\N'),created" if table == "orders" else "*"
        load = (
            "SET foreign_key_checks=0, unique_checks=0; "
            f"LOAD DATA LOCAL INFILE '{pipe}' INTO TABLE {table} CHARACTER SET utf8mb4"
        )
        write = ["mariadb", *target.arguments(), *UTF8, "--local-infile=1", DATABASE, "-e", load]
        writer = subprocess.Popen(write)
        with pipe.open("wb") as rows:
            words = [*read, "-e", f"SELECT {columns} FROM {table}"]
            reader = subprocess.run(words, stdout=rows, check=False)
        return [status for status in (reader.returncode, writer.wait()) if status]


def dump(source: Server, target: Server) -> None:
    """Pipes mariadb-dump into the client."""
    words = ["mariadb-dump", *source.arguments(), *UTF8, "--single-transaction", DATABASE, *TABLES]
    # Closed on the way out, so that a dump that nobody reads any more ends too.
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as dumping:
        run(["mariadb", *target.arguments(), *UTF8, DATABASE], stdin=dumping.stdout)
    if dumping.returncode:
        raise FailedError("mariadb-dump failed")


def mydumper(source: Server, target: Server) -> None:
    """Dumps into files with mydumper, and loads them with myloader."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["-t", str(AT_ONCE), "-B", DATABASE]
        run(["mydumper", *_long(source), *flags, "-T", ",".join(TABLES), "-o", folder])
        run(["myloader", *_long(target), *flags, "-o", "-d", folder])


def _long(server: Server) -> list[str]:
    reach = ["--host", server.host, "--port", str(server.port)]
    return [*reach, "--user", server.user, "--password", server.password]


def sling_program() -> str:
    """Where sling's own program is: PyPI's package of it holds it, and nothing else."""
    libraries = Path(sysconfig.get_path("purelib"))
    found = sorted(libraries.glob("sling_linux_*/bin/sling-linux-*"))
    return str(found[0]) if found else "sling"


def sling(source: Server, target: Server) -> int:
    """Has sling fill the tables as they are, so that their keys and references stay.

    It must empty tables that others refer to, so the references are not looked after meanwhile.
    """
    streams = "".join(f"  {DATABASE}.{table}:\n" for table in TABLES)
    told = (
        "source: SOURCE\ntarget: TARGET\n"
        f"defaults:\n  mode: truncate\n  object: {DATABASE}.{{stream_table}}\n"
        f"streams:\n{streams}"
    )
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "replication.yaml"
        plan.write_text(told)
        env = {
            **os.environ,
            "SOURCE": source.url("mariadb"),
            "TARGET": f"{target.url('mariadb')}?foreign_key_checks=0",
            "SLING_HOME_DIR": folder,
            "SLING_DISABLE_TELEMETRY": "TRUE",
        }
        return run([sling_program(), "run", "-r", str(plan)], env=env, cwd=folder)


def script(module: str) -> Work:
    """A script of our own, in a Python process of its own.

    Args:
        module: Its name in this package; it takes both databases' URLs.

    Returns:
        The work.
    """

    def work(source: Server, target: Server) -> int:
        words = [sys.executable, "-m", f"compare.{module}"]
        words += [source.url("mysql"), target.url("mysql")]
        return run(words, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})

    return work
