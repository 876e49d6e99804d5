"""db-sync itself at work: its command, and the same through Python."""

import os
import shutil
import tempfile
from pathlib import Path

from compare.processes import idle_memory, run
from compare.server import DATABASE, Server

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/db-sync"
# The environment into which `make wheel` installs the package.
PYTHON = ROOT / ".venv/bin/python"
THROUGH_PYTHON = Path(__file__).with_name("through_python.py")

# A server, or a SQLite file.
Side = Server | Path


def environment(remote: Side, local: Side) -> dict[str, str]:
    """The settings by which both sides are reached.

    Args:
        remote: The remote side.
        local: The local side.

    Returns:
        Our own environment, without settings that somebody's shell may have, and with these.
    """
    told = {key: value for key, value in os.environ.items() if not key.startswith("DB_")}
    for name, side in (("REMOTE", remote), ("LOCAL", local)):
        if isinstance(side, Path):
            told |= {f"DB_{name}_ENGINE": "sqlite", f"DB_{name}_NAME": str(side)}
        else:
            told |= {
                f"DB_{name}_HOST": side.host,
                f"DB_{name}_PORT": str(side.port),
                f"DB_{name}_NAME": DATABASE,
                f"DB_{name}_USER": side.user,
                f"DB_{name}_PASSWORD": side.password,
            }
    return told


def sync(remote: Side, local: Side, *flags: str) -> int:
    """Runs our command in an empty folder, so that no `.env` speaks.

    Args:
        remote: The remote side.
        local: The local side.
        flags: More flags of `db-sync run`.

    Returns:
        The most memory that it had.
    """
    words = [str(PROGRAM), "run", "--progress", "never", *flags]
    with tempfile.TemporaryDirectory() as folder:
        return run(words, env=environment(remote, local), cwd=folder)


def sync_through_python(remote: Side, local: Side, sync_type: str) -> int:
    """Runs `sync_db` in a Python process with Django.

    Args:
        remote: The remote side.
        local: The local side.
        sync_type: `FULL` or `INCREMENTAL`.

    Returns:
        The most memory that the process had.
    """
    words = [str(PYTHON), str(THROUGH_PYTHON), sync_type]
    with tempfile.TemporaryDirectory() as folder:
        return run(words, env=environment(remote, local), cwd=folder)


def idle() -> int:
    """The memory of our command when it has nothing to do."""
    return idle_memory([str(PROGRAM), "--version"])


def idle_python(remote: Side, local: Side) -> int:
    """The memory of a Python process with Django and `sync_db` ready, before it syncs."""
    return idle_memory([str(PYTHON), str(THROUGH_PYTHON)], environment(remote, local))


def missing_python() -> str | None:
    """Says why nothing can be run through Python, if so."""
    if shutil.which(PYTHON) is None:
        return "no .venv; `make wheel` makes it"
    if not list(ROOT.glob(".venv/lib/python*/site-packages/db_sync/_native*")):
        return "the package is not in .venv; `make wheel` installs it"
    return None
