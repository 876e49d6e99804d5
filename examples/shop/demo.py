#!/usr/bin/env python
"""Shows a sync of two SQLite files from nothing to a settled conflict, in a folder of its own."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
CONFLICT = """\
from db_sync.models import SyncConflict
columns = ("table_name", "row_key", "kind", "winner", "remote_row__price", "local_row__price")
print(*SyncConflict.objects.values(*columns), sep="\\n")"""


def step(text: str, *commands: list[str]) -> None:
    """Says what comes and what to look at, then runs it.

    Args:
        text: For the person who watches.
        commands: Arguments of `manage.py`, one list each.

    Raises:
        CalledProcessError: A command failed.
    """
    print(f"\n# {text}", flush=True)
    # Only the folder's own .env counts: the demo must never meet a database that the shell names.
    foreign = ("DB_", "DJANGO_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    for command in commands:
        print(f"$ python ../manage.py {shlex.join(command)}", flush=True)
        arguments = [sys.executable, "../manage.py", *command]
        subprocess.run(arguments, cwd=DATA, env=environment, check=True)  # noqa: S603


def main() -> None:
    """Runs the demo."""
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    shutil.copy(HERE / ".env.example", DATA / ".env")
    print(f"Two SQLite files in {DATA.name}/ stand for the two servers.")
    step(
        "Both sides get the same tables; the sync's own ones are on the local side only.",
        ["migrate", "--database=remote", "--verbosity=0"],
        ["migrate", "--database=local", "--verbosity=0"],
    )
    step(
        "The remote side has a shop's data, the local side is empty.", ["seed_shop", "--rows=1000"]
    )
    step(
        "The first sync: every row of the shop is inserted on LOCAL. Look at 'rows'.",
        ["sync_db", "--type", "FULL", "--verbose"],
    )
    step(
        "People work on both sides, and two of them change the price of one product.",
        ["shop_demo_changes"],
    )
    step(
        "What would a sync do? Nothing is written; look at the rows under each table.",
        ["sync_db", "--dry-run"],
    )
    step(
        "The sync itself: changes go both ways, and REMOTE wins the conflict in shop_product.",
        ["sync_db", "--verbose"],
    )
    step("Once more: nothing is left to do, every count is 0.", ["sync_db"])
    step(
        "Whatever lost is kept: both versions of the row that two people changed.",
        ["shell", "--verbosity=0", "--command", CONFLICT],
    )


if __name__ == "__main__":
    main()
