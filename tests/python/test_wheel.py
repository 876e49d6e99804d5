"""The wheel: what it says of itself, what is in it, and that it does alone what the README says."""

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from sides import Server

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python/db_sync"
# How long pip may take.
PATIENCE = 600.0
QUEUE = """
INSTALLED_APPS += ["django_q"]
Q_CLUSTER = {"name": "clean", "orm": "default", "timeout": 600, "retry": 660, "catch_up": False}
"""


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel that `make wheel` has built."""
    built = list(ROOT.glob("dist/*.whl"))
    assert len(built) == 1, "build it first: make wheel"
    return built[0]


@pytest.fixture(scope="session")
def content(wheel: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(wheel) as archive:
        yield archive


@pytest.fixture(scope="session")
def metadata(content: zipfile.ZipFile) -> Message:
    [name] = [name for name in content.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_string(content.read(name).decode())


class TestWheel:
    def test_one_serves_every_python_and_every_linux(self, wheel: Path) -> None:
        # CPython from 3.10 on, and C libraries from 2.17 on, which is of 2012.
        assert re.fullmatch(
            r"django_db_sync-[\d.]+-cp310-abi3-manylinux2014_(\w+)\.manylinux_2_17_\1\.whl",
            wheel.name,
        )

    def test_it_holds_the_package_as_it_is_here(self, content: zipfile.ZipFile) -> None:
        kinds = {".py", ".pyi", ".po", ".html", ".css", ".typed"}
        here = {
            f"db_sync/{path.relative_to(PACKAGE)}": path.read_bytes()
            for path in PACKAGE.rglob("*")
            if path.suffix in kinds or path.name == "py.typed"
        }
        assert len(here) > 20
        there = set(content.namelist())
        assert sorted(set(here) - there) == []
        changed = [name for name, text in here.items() if content.read(name) != text]
        assert changed == [], "the wheel is older than the sources: make wheel"

    def test_it_speaks_chinese(self, content: zipfile.ZipFile) -> None:
        assert content.read("db_sync/locale/zh_Hans/LC_MESSAGES/django.mo")

    def test_the_native_module_carries_no_lines_of_source(self, content: zipfile.ZipFile) -> None:
        native = content.getinfo("db_sync/_native.abi3.so")
        assert native.file_size < 30_000_000

    def test_nothing_of_this_machine_is_in_it(self, content: zipfile.ZipFile) -> None:
        known = re.compile(r"db_sync/.*|django_db_sync-[\d.]+\.dist-info/.*")
        assert [name for name in content.namelist() if not known.fullmatch(name)] == []
        stray = re.compile(r"\.env|\.sqlite3|__pycache__|\.pyc$")
        assert [name for name in content.namelist() if stray.search(name)] == []

    def test_it_says_whose_it_is(self, metadata: Message, content: zipfile.ZipFile) -> None:
        assert (metadata["Name"], metadata["License-Expression"]) == ("django-db-sync", "MIT")
        [licence] = [name for name in content.namelist() if name.endswith("/licenses/LICENSE")]
        assert content.read(licence) == (ROOT / "LICENSE").read_bytes()
        # And whose is what it was linked from.
        [bill] = [name for name in content.namelist() if name.endswith(".cyclonedx.json")]
        named = content.read(bill).decode()
        lock = (ROOT / "Cargo.lock").read_text()
        for crate in ("sqlx", "rusqlite", "rustls", "pyo3"):
            version = re.findall(rf'name = "{crate}"\nversion = "(.+)"', lock)[0]
            assert f"pkg:cargo/{crate}@{version}" in named

    def test_its_description_is_the_readme(self, metadata: Message) -> None:
        assert metadata["Description-Content-Type"].startswith("text/markdown")
        assert str(metadata.get_payload()).strip() == (ROOT / "README.md").read_text().strip()

    def test_it_says_on_what_it_runs(self, metadata: Message) -> None:
        assert metadata["Requires-Python"] == ">=3.10"
        said = set(metadata.get_all("Classifier") or [])
        assert {"Framework :: Django :: 5.2", "Typing :: Typed"} < said
        assert set(metadata.get_all("Provides-Extra") or []) == {"mysql", "scheduler"}


class Project:
    """An empty Django project with an environment of its own, outside of the checkout.

    Attributes:
        folder: Where its `manage.py` and its `.env` are.
        binaries: The programs of its environment.
    """

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder, self.binaries = folder / "site", folder / "venv/bin"
        self._run(sys.executable, "-m", "venv", str(folder / "venv"))
        self._run(self.python, "-m", "pip", "install", "--quiet", f"{wheel}[mysql,scheduler]")
        self.folder.mkdir()
        self._run(str(self.binaries / "django-admin"), "startproject", "clean", str(self.folder))
        readme = (ROOT / "README.md").read_text()
        [told] = re.findall(r"(?s)In `settings\.py`:\n\n   ```python\n(.*?)```", readme)
        # What the reader has there already stands for the dots.
        told = re.sub(r"(?m)^   ", "", told).replace("[...,", "[*INSTALLED_APPS,")
        settings = self.folder / "clean/settings.py"
        settings.write_text(f"{settings.read_text()}\n{told}\n{QUEUE}")

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.binaries / "python")

    def settings(self, **settings: str) -> None:
        """Writes `.env`."""
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self.folder / ".env").write_text("".join(lines))
        (self.folder / ".env").chmod(0o600)

    def manage(self, *words: str, **more: str) -> str:
        """Runs a command of `manage.py` that goes well."""
        return self._run(self.python, "manage.py", *words, **more)

    def command(self, *words: str) -> str:
        """Runs `db-sync`."""
        return self._run(str(self.binaries / "db-sync"), *words)

    def _run(self, *words: str, **more: str) -> str:
        foreign = ("DB_", "DJANGO_", "PYTHON", "VIRTUAL_ENV")
        own = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        done = subprocess.run(
            words,
            cwd=self.folder if self.folder.exists() else self.folder.parent,
            env={**own, **more},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def project(wheel: Path) -> Iterator[Project]:
    # A whole environment is nothing to keep.
    with tempfile.TemporaryDirectory(prefix="db-sync-clean.") as folder:
        yield Project(Path(folder), wheel)


def test_an_empty_project_begins_as_the_readme_says(project: Project) -> None:
    project.settings(
        DB_REMOTE_ENGINE="sqlite",
        DB_REMOTE_NAME="remote.sqlite3",
        DB_LOCAL_ENGINE="sqlite",
        DB_LOCAL_NAME="local.sqlite3",
    )
    assert project.command("--version").startswith("db-sync ")
    project.manage("migrate", "--database=remote", "--verbosity=0")
    project.manage("migrate", "--database=local", "--verbosity=0")
    account = {"USERNAME": "anna", "EMAIL": "anna@example.com", "PASSWORD": "a password of hers"}
    given = {f"DJANGO_SUPERUSER_{key}": value for key, value in account.items()}
    project.manage("createsuperuser", "--noinput", **given)
    project.manage("sync_check", "--schema")
    assert "+1" in project.manage("sync_db", "--dry-run")
    assert "verified" in project.manage("sync_db", "--type", "FULL", "--verbose")
    assert "REMOTE→LOCAL +0 ~0 -0, LOCAL→REMOTE +0 ~0 -0" in project.manage("sync_db")
    names = "from django.contrib.auth.models import User; print(User.objects.using('local').get())"
    assert "anna" in project.manage("shell", "--verbosity=0", "--command", names)


def test_the_scheduler_comes_with_its_extra(project: Project) -> None:
    project.settings(
        DB_REMOTE_ENGINE="sqlite",
        DB_REMOTE_NAME="queue.sqlite3",
        DB_LOCAL_ENGINE="sqlite",
        DB_LOCAL_NAME="other.sqlite3",
    )
    project.manage("migrate", "django_q", "--verbosity=0")
    project.manage("sync_scheduler", "enable")
    assert "enabled" in project.manage("sync_scheduler", "status")
    # Nothing is wrong with such a queue.
    assert project.manage("check") == "System check identified no issues (0 silenced).\n"


@pytest.mark.parametrize("kind", ["MARIADB", "MYSQL"])
@pytest.mark.parametrize("mode", ["PREFERRED", "DISABLED"])
def test_a_driver_comes_with_its_extra(kind: str, mode: str, project: Project) -> None:
    skipped = os.environ.get(f"DB_SYNC_TEST_{kind}_SKIPPED")
    if skipped:
        pytest.skip(skipped)
    server = Server.of(kind)
    # An account that the server has never seen: it knows no password of hers by heart yet.
    account, password = f"wheel_{mode.lower()}", "never seen before"
    with server.connect() as line, line.cursor() as cursor:
        cursor.execute(f"DROP USER IF EXISTS {account}@'127.0.0.1'")
        cursor.execute(f"CREATE USER {account}@'127.0.0.1' IDENTIFIED BY '{password}'")
        try:
            side = {
                "HOST": "127.0.0.1",
                "PORT": str(server.port),
                "NAME": "information_schema",
                "USER": account,
                "PASSWORD": password,
                "SSL_MODE": mode,
            }
            project.settings(
                **{f"DB_REMOTE_{key}": value for key, value in side.items()},
                DB_LOCAL_ENGINE="sqlite",
                DB_LOCAL_NAME="local.sqlite3",
            )
            ask = "from django.db import connections; connections['remote'].ensure_connection()"
            project.manage("shell", "--verbosity=0", "--command", ask)
        finally:
            cursor.execute(f"DROP USER {account}@'127.0.0.1'")
