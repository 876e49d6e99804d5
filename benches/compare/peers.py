"""Who is compared: a name, what it can do, and how it is told to."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compare.shop import DATABASE, TABLES, Server

FIRST, NOTHING, FEW, SOME = "first load", "nothing changed", "0.1 % changed", "1 % changed"
WORKS = (FIRST, NOTHING, FEW, SOME)
ROOT = Path(__file__).resolve().parents[2]
# The limit and the loaders work on two tables at a time, as ours does by default.
AT_ONCE = 2
UTF8 = ["--default-character-set=utf8mb4"]

Work = Callable[[Server, Server], None]


@dataclass(frozen=True)
class Peer:
    """One contender.

    Attributes:
        name: As the tables show it.
        needs: The programs that it needs, by name on PATH or by path.
        works: What it can do, and how.
        writes: Whether the target is the same as the source afterwards, which is then checked.
    """

    name: str
    needs: Sequence[str]
    works: dict[str, Work] = field(default_factory=dict)
    writes: bool = True

    def missing(self) -> str | None:
        """Names a program that it needs and that is not there."""
        return next((need for need in self.needs if shutil.which(need) is None), None)


def _run(words: Sequence[str], ends: Sequence[int] = (0,), **options: object) -> None:
    done = subprocess.run(  # type: ignore[call-overload]
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, **options
    )
    if done.returncode not in ends:
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {done.stderr.decode()}")


def environment(source: Server, target: Server) -> dict[str, str]:
    """The settings by which ours reaches both servers."""
    told: dict[str, str] = {}
    for side, server in (("REMOTE", source), ("LOCAL", target)):
        told |= {
            f"DB_{side}_HOST": server.host,
            f"DB_{side}_PORT": str(server.port),
            f"DB_{side}_NAME": DATABASE,
            f"DB_{side}_USER": server.user,
            f"DB_{side}_PASSWORD": server.password,
        }
    return {**os.environ, **told}


def ours(*flags: str) -> Work:
    """Our own command with these flags, in an empty folder so that no `.env` speaks."""

    def work(source: Server, target: Server) -> None:
        words = [str(ROOT / "target/release/db-sync"), "run", "--progress", "never", *flags]
        with tempfile.TemporaryDirectory() as folder:
            _run(words, env=environment(source, target), cwd=folder)

    return work


def _limit(source: Server, target: Server) -> None:
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
        raise RuntimeError(f"LOAD DATA ended with {problems}")


def _load(source: Server, target: Server, table: str) -> list[int]:
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "rows"
        os.mkfifo(pipe)
        read = [
            "mariadb",
            *source.arguments(),
            *UTF8,
            DATABASE,
            "--quick",
            "-N",
            "--raw",
            "--batch",
        ]
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


def _dump(source: Server, target: Server) -> None:
    dump = ["mariadb-dump", *source.arguments(), *UTF8, "--single-transaction", DATABASE, *TABLES]
    dumping = subprocess.Popen(dump, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    _run(["mariadb", *target.arguments(), *UTF8, DATABASE], stdin=dumping.stdout)
    if dumping.wait():
        raise RuntimeError("mariadb-dump failed")


def _mydumper(source: Server, target: Server) -> None:
    with tempfile.TemporaryDirectory() as folder:
        flags = ["-t", str(AT_ONCE), "-B", DATABASE]
        _run(["mydumper", *_long(source), *flags, "-T", ",".join(TABLES), "-o", folder])
        _run(["myloader", *_long(target), *flags, "-o", "-d", folder])


def _long(server: Server) -> list[str]:
    reach = ["--host", server.host, "--port", str(server.port)]
    return [*reach, "--user", server.user, "--password", server.password]


def _table_sync(flag: str, ends: Sequence[int]) -> Work:
    def work(source: Server, target: Server) -> None:
        sides = [
            f"h={server.host},P={server.port},u={server.user},p={server.password},A=utf8mb4"
            for server in (source, target)
        ]
        flags = [flag, "--databases", DATABASE, "--tables", ",".join(TABLES), "--no-check-slave"]
        # Children go before their parents' checks would stop it; ours needs no such help.
        _run(["pt-table-sync", *flags, "--no-foreign-key-checks", *sides], ends)

    return work


def _reladiff(source: Server, target: Server) -> None:
    keys = {"stock_move": ["-k", "warehouse", "-k", "product_id"]}
    for table in TABLES:
        urls = [
            f"mysql://{server.user}:{server.password}@{server.host}:{server.port}/{DATABASE}"
            for server in (source, target)
        ]
        words = [str(Path(sys.executable).with_name("reladiff")), urls[0], table, urls[1], table]
        _run([*words, *keys.get(table, ["-k", "id"]), "-c", "%"])


INCREMENTAL = ours()
# pt-table-sync ends with 2 where it found and mended differences.
MENDED = (0, 2)
PEERS = (
    Peer(
        "db-sync",
        [str(ROOT / "target/release/db-sync")],
        {FIRST: ours("--type", "FULL"), NOTHING: INCREMENTAL, FEW: INCREMENTAL, SOME: INCREMENTAL},
    ),
    Peer("the limit: SELECT → LOAD DATA", ["mariadb"], {FIRST: _limit}),
    Peer("mariadb-dump → mariadb", ["mariadb-dump", "mariadb"], {FIRST: _dump}),
    Peer("mydumper + myloader", ["mydumper", "myloader"], {FIRST: _mydumper}),
    Peer(
        "pt-table-sync",
        ["pt-table-sync"],
        {
            NOTHING: _table_sync("--print", MENDED),
            FEW: _table_sync("--execute", MENDED),
            SOME: _table_sync("--execute", MENDED),
        },
    ),
    Peer(
        "reladiff (lists only)",
        [str(Path(sys.executable).with_name("reladiff"))],
        {NOTHING: _reladiff, FEW: _reladiff},
        writes=False,
    ),
)
