"""Ours into SQLite files, beside what `sqlite3` itself takes to import the same rows."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

from compare import item, ours
from compare.measured import FILE_TO_FILE, FILES, IMPORT, OURS, TO_FILE, Part
from compare.processes import run
from compare.server import Server
from compare.stopwatch import Stopwatch, say, shout

SQLITE = "sqlite3"


def measure_files(source: Server, target: Server, rows: int, rounds: int, head: str) -> Part:
    """Measures first loads of one table into an empty file that has the table and its indexes.

    Args:
        source: The server whose rows are loaded.
        target: Not touched; its bytes are counted like everywhere.
        rows: How many rows.
        rounds: How many.
        head: What stands above the results.

    Returns:
        What was measured.
    """
    watch = Stopwatch(FILES, source, target)
    watch.rows = rows
    absent = []
    say(f"files: making {rows:,} rows, and writing them as CSV")
    item.empty(source)
    item.grow(source, 1, rows)
    right = item.sums(source)
    with tempfile.TemporaryDirectory(dir=ours.ROOT / "target") as folder:
        rows_file, full, filled = (Path(folder) / name for name in ("rows.csv", "full", "filled"))
        item.write_csv(source, rows_file)
        importing = [SQLITE, str(filled), ".mode csv", f".import {rows_file} item"]
        if shutil.which(SQLITE) is None:
            shout(f"left out: {IMPORT} ({SQLITE} is not installed)")
            absent.append(f"{IMPORT} ({SQLITE} is not installed)")
        # The other side of file to file has the same rows, of whoever's making.
        item.empty_file(full)
        ours.sync(source, full, "--type", "FULL")
        for _ in range(rounds):
            for work, remote in ((TO_FILE, source), (FILE_TO_FILE, _copy(full))):
                item.empty_file(filled)
                watch.measure(
                    work,
                    OURS,
                    partial(ours.sync, remote, filled, "--type", "FULL"),
                    right=lambda: item.sums(filled) == right,
                )
                if not absent:
                    item.empty_file(filled)
                    watch.measure(
                        work,
                        IMPORT,
                        lambda: run(importing),
                        right=lambda: item.sums(filled) == right,
                    )
    return Part(FILES, f"{rows:,} rows; {head}", watch.found, absent)


def _copy(file: Path) -> Path:
    """A file of its own: what a sync writes into it is gone with the next copy."""
    copy = file.with_name("copy")
    shutil.copyfile(file, copy)
    return copy
