"""The example shop as a project of its own: two SQLite files, and `manage.py` to drive it."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sides import HANGS

SHOP = Path(__file__).parents[2] / "examples/shop"


@dataclass
class Site:
    """A shop in a folder of its own."""

    folder: Path

    def manage(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs `manage.py` and checks its exit status."""
        foreign = ("DB_", "DJANGO_", "SHOP_")
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(foreign)
        }
        done = subprocess.run(
            [sys.executable, str(SHOP / "manage.py"), *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=HANGS,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def sync(self, *flags: str, status: int = 0) -> dict[str, Any]:
        """Runs `sync_db --json` and decodes the whole of stdout."""
        report: dict[str, Any] = json.loads(
            self.manage("sync_db", "--json", *flags, status=status).stdout
        )
        return report

    def query(self, side: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Asks one side, or changes it."""
        with closing(sqlite3.connect(self.folder / f"{side}.sqlite3")) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def rows(self, side: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table of the shop."""
        named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'shop%'"
        return {
            name: self.query(side, f"SELECT * FROM {name} ORDER BY 1")  # noqa: S608
            for (name,) in self.query(side, named)
        }

    def bytes(self) -> dict[str, bytes]:
        """Every file of the folder."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


def copy(site: Site, folder: Path) -> Site:
    shutil.copytree(site.folder, folder)
    return Site(folder)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Both sides migrated, the remote one with data. Copied, never changed."""
    site = Site(tmp_path_factory.mktemp("seeded"))
    example = (SHOP / ".env.example").read_text()
    # All tables, Django's own included.
    (site.folder / ".env").write_text(example.replace("DB_SYNC_TABLES=", "#"))
    site.manage("migrate", "--database=remote", "--verbosity=0")
    site.manage("migrate", "--database=local", "--verbosity=0")
    site.manage("seed_shop", "--rows=200", "--seed=7")
    return site


@pytest.fixture(scope="session")
def synced(seeded: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, dict[str, bytes]]:
    """The same after one FULL, with its files as they were then."""
    site = copy(seeded, tmp_path_factory.mktemp("synced") / "site")
    site.sync("--type", "FULL")
    return site, site.bytes()


@pytest.fixture
def new(seeded: Site, tmp_path: Path) -> Site:
    """A shop that was never synced."""
    return copy(seeded, tmp_path / "site")


@pytest.fixture
def site(synced: tuple[Site, dict[str, bytes]]) -> Site:
    """A shop that was synced once.

    It is restored in place: to the engine a copied file is another database, of which it knows
    nothing yet.
    """
    site, files = synced
    for path in site.folder.iterdir():
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        (site.folder / name).write_bytes(content)
    return site
