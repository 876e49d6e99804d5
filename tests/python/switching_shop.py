"""The example shop, or any two sides, with the command that changes the side in their `.env`."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from example_shop import SHOP, Site
from sides import HANGS, Outcome


def manage(folder: Path, *words: str, script: str | None = None, **more: str) -> Outcome:
    """Runs `manage.py` in a folder, with so much in the environment and no more of ours."""
    foreign = ("DB_", "DJANGO_", "SHOP_", "RUST_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    paths = os.pathsep.join([str(SHOP), own.get("PYTHONPATH", "")])
    program = ["-c", script] if script else [str(SHOP / "manage.py")]
    done = subprocess.run(
        [sys.executable, *program, *words],
        cwd=folder,
        env={**own, "PYTHONPATH": paths, **more},
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


def db_env(
    site: Site, *words: str, status: int = 0, environment: Mapping[str, str] | None = None
) -> Outcome:
    """Runs the command in a shop and checks its exit status."""
    outcome = manage(site.folder, "db_env", *words, **(environment or {}))
    assert outcome.status == status, outcome.out + outcome.err
    return outcome


def env_file(site: Site) -> bytes:
    return (site.folder / ".env").read_bytes()


@contextmanager
def hidden(site: Site, side: str) -> Iterator[None]:
    """Takes a side's file away, and brings that very file back: a copy is another database."""
    path = site.folder / f"{side}.sqlite3"
    away = site.folder.parent / f"{side} away"
    path.rename(away)
    try:
        yield
        assert not path.exists()
    finally:
        away.rename(path)
