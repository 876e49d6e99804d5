"""The system checks, as `manage.py check` runs them, and what the documentation says of them."""

import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.core import checks, mail
from django.core.checks import CheckMessage
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db.utils import ConnectionRouter
from django.utils import translation
from pytest_django import Settings

from db_sync import checks as ours
from sides import two_sides
from switching_shop import manage

ROOT = Path(__file__).parents[2]
FILES = "DB_{side}_ENGINE=sqlite\nDB_{side}_NAME={side}.sqlite3\n"
MYSQL = "django.db.backends.mysql"
SQLITE = "django.db.backends.sqlite3"
ID = re.compile(r"db_sync\.[EW]\d{3}")


Aliases = dict[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def aliases(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Aliases:
    """A sound project: two files, the router, a queue, and a `.env` that says the same.

    Gives its `DATABASES`, to be changed in place.
    """
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DB_")]:
        if not name.startswith("DB_SYNC_TEST_"):
            monkeypatch.delenv(name)
    write_env()
    # As outside of tests.
    monkeypatch.delattr(mail, "outbox", raising=False)
    settings.Q_CLUSTER = {"redis": {}, "timeout": 600, "retry": 660, "catch_up": False}
    settings.DATABASE_ROUTERS = ["db_sync.routers.SyncRouter", "test_checks.QueueOnLocal"]
    aliases: Aliases = {
        alias: {"ENGINE": SQLITE, "NAME": str(tmp_path / f"{side}.sqlite3")}
        for alias, side in (("default", "REMOTE"), ("remote", "REMOTE"), ("local", "LOCAL"))
    }
    aliases["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 30}
    monkeypatch.setattr(project, "DATABASES", aliases)
    return aliases


def put(aliases: Aliases, **databases: dict[str, Any]) -> None:
    """Has these be the only aliases."""
    aliases.clear()
    aliases.update(databases)


class QueueOnLocal:
    """Has Django Q2's tables on LOCAL, as a site should that others use."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "local" if model._meta.app_label == "django_q" else None

    db_for_write = db_for_read


def write_env(*lines: str, mode: int = 0o644) -> None:
    text = FILES.format(side="REMOTE") + FILES.format(side="LOCAL")
    Path(".env").write_text(text + "\n".join(lines) + "\n")
    Path(".env").chmod(mode)


def found(*, deploy: bool = False, databases: list[str] | None = None) -> list[CheckMessage]:
    """What our checks say, in the order of their ids; each of it with a hint."""
    tags = ["db_sync"] if databases is None else ["db_sync", "database"]
    messages = checks.run_checks(tags=tags, include_deployment_checks=deploy, databases=databases)
    assert all(message.hint for message in messages)
    return sorted(messages, key=lambda message: str(message.id))


def ids(*, deploy: bool = False, databases: list[str] | None = None) -> list[str]:
    messages = found(deploy=deploy, databases=databases)
    return [str(message.id).removeprefix("db_sync.") for message in messages]


def server(host: str = "db.example.com", port: str = "3306", name: str = "shop") -> dict[str, Any]:
    return {"ENGINE": MYSQL, "HOST": host, "PORT": port, "NAME": name}


def test_a_sound_project_has_nothing_to_hear(tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert found(deploy=True) == []
    # No database was opened, and pytest-django would have refused to.
    assert sorted(tmp_path.iterdir()) == before


class TestSidesAreTwo:
    @pytest.mark.parametrize(
        ("remote", "local", "same"),
        [
            (server(), server(), True),
            (server(), server(host="DB.example.com.", port=""), True),
            (server(host="localhost"), server(host="127.0.0.1"), True),
            (server(host=""), server(host="::1", port="3306"), True),
            (server(), server(host="db2.example.com"), False),
            (server(), server(port="3307"), False),
            (server(), server(name="shop2"), False),
            (server(), {**server(), "ENGINE": "django.db.backends.postgresql"}, False),
            (server(), {**server(), "ENGINE": "pool.backends.mysql"}, True),
            ({"ENGINE": SQLITE, "NAME": ":memory:"}, {"ENGINE": SQLITE, "NAME": ":memory:"}, False),
            ({"ENGINE": SQLITE, "NAME": Path("a")}, {"ENGINE": SQLITE, "NAME": "b/../a"}, True),
            ({"ENGINE": SQLITE, "NAME": "a"}, {"ENGINE": SQLITE, "NAME": "A"}, False),
            ({}, {}, False),
        ],
    )
    def test_by_their_names(
        self, aliases: Aliases, remote: dict[str, Any], local: dict[str, Any], same: bool
    ) -> None:
        Path(".env").unlink()
        put(aliases, default=remote, remote=remote, local=local)
        assert ids() == (["E002"] if same else [])

    @pytest.mark.parametrize("link", [os.symlink, os.link])
    def test_by_their_files(self, aliases: Aliases, link: Any) -> None:
        Path("one").touch()
        link("one", "two")
        Path(".env").unlink()
        aliases["remote"]["NAME"], aliases["local"]["NAME"] = "one", "two"
        [error] = found()
        assert error.id == "db_sync.E002"
        assert "one" in error.msg

    def test_test_databases_are_the_runners_business(
        self, aliases: Aliases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(aliases, default=server(), remote=server(name="other"), local=server(name="other"))
        write_env("DB_ENV=local")
        assert ids() == ["E002", "W007", "W007"]
        # What Django's test environment is known by.
        monkeypatch.setattr(mail, "outbox", [], raising=False)
        assert ids() == []

    def test_it_ends_a_command_and_can_be_silenced(
        self, aliases: Aliases, settings: Settings
    ) -> None:
        Path(".env").unlink()
        put(aliases, default=server(), remote=server(), local=server())
        with pytest.raises(SystemCheckError, match=r"db_sync\.E002"):
            call_command("check", "--tag", "db_sync")
        settings.SILENCED_SYSTEM_CHECKS = ["db_sync.E002"]
        call_command("check", "--tag", "db_sync")


class EverythingInDefault:
    """A project's own router, which takes every model."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "default"


class TestAliases:
    @pytest.mark.parametrize(
        ("routers", "told"),
        [
            ([], ["W004"]),
            (["test_checks.EverythingInDefault", "db_sync.routers.SyncRouter"], ["W004"]),
            (["db_sync.routers.SyncRouter", "test_checks.EverythingInDefault"], []),
        ],
    )
    def test_the_router(self, settings: Settings, routers: list[str], told: list[str]) -> None:
        settings.DATABASE_ROUTERS = routers
        assert ids() == told

    def test_a_router_that_is_not_there_is_djangos_business(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = ConnectionRouter(["nowhere.Router"])
        monkeypatch.setattr("db_sync.checks.homes.router", broken)
        assert ids(deploy=True) == ids(databases=["local"]) == []

    def test_without_aliases_no_router_is_missed(
        self, aliases: Aliases, settings: Settings
    ) -> None:
        settings.DATABASE_ROUTERS = []
        put(aliases, default=aliases["local"])
        write_env("DB_ENV=local")
        assert ids() == []

    @pytest.mark.parametrize(
        ("env", "told"), [("DB_ENV=local", ["W005", "W006"]), ("DB_ENV=remote", ["W005"])]
    )
    def test_no_alias_for_local(self, aliases: Aliases, env: str, told: list[str]) -> None:
        write_env(env)
        del aliases["local"]
        assert ids() == told
        Path(".env").unlink()
        assert ids() == ["W005"]

    def test_default_may_not_follow(self, aliases: Aliases) -> None:
        write_env("DB_ENV=local")
        [warning] = found()
        assert warning.id == "db_sync.W006"
        assert "DB_ENV is local" in warning.msg
        aliases["default"] = dict(aliases["local"])
        assert ids() == []

    def test_a_default_that_is_no_side_is_the_projects_own(self, aliases: Aliases) -> None:
        aliases["default"] = server()
        assert ids() == []

    @pytest.mark.parametrize("alias", ["remote", "local"])
    def test_django_and_the_sync_may_mean_different_databases(
        self, aliases: Aliases, alias: str
    ) -> None:
        aliases[alias] = server()
        [warning] = found()
        assert warning.id == "db_sync.W007"
        assert f"`{alias}` is db.example.com:3306/shop" in warning.msg
        assert f"reads .env, syncs {alias.upper()}.sqlite3" in warning.msg
        Path(".env").unlink()
        assert ids() == []

    def test_the_file_that_the_project_names_is_read(
        self, aliases: Aliases, settings: Settings, tmp_path: Path
    ) -> None:
        aliases["local"] = server()
        write_env("DB_SYNC_ENABLED=True")
        settings.DB_SYNC_ENV_FILE = Path(".env").rename(tmp_path / "shop.env")
        settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_q"]
        warning, queue = found()
        assert (warning.id, queue.id) == ("db_sync.W007", "db_sync.W009")
        assert f"reads {tmp_path / 'shop.env'}, syncs LOCAL.sqlite3" in warning.msg


class TestEnvFile:
    def test_passwords_that_everybody_may_read(self, tmp_path: Path) -> None:
        write_env("DB_REMOTE_PASSWORD=s3cret")
        [warning] = found()
        assert (warning.id, warning.hint) == ("db_sync.W008", f"chmod 600 {tmp_path / '.env'}")
        assert "s3cret" not in str(warning)
        write_env("DB_REMOTE_PASSWORD=s3cret", mode=0o640)
        assert ids() == []

    def test_the_file_beside_the_project_counts_too(
        self, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_env("DB_REMOTE_PASSWORD=s3cret")
        settings.BASE_DIR = tmp_path
        assert ids() == ["W008"]
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert ids() == ["W008"]

    def test_the_file_that_the_project_names_counts_too(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        write_env("DB_REMOTE_PASSWORD=s3cret")
        settings.DB_SYNC_ENV_FILE = Path(".env").rename(tmp_path / "shop.env")
        [warning] = found()
        assert (warning.id, warning.hint) == ("db_sync.W008", f"chmod 600 {tmp_path / 'shop.env'}")

    def test_it_is_a_matter_of_security(self) -> None:
        write_env("DB_REMOTE_PASSWORD=s3cret")
        messages = checks.run_checks(tags=[checks.Tags.security])
        assert "db_sync.W008" in [message.id for message in messages]


class TestQueue:
    def without_queue(self, settings: Settings) -> None:
        settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_q"]

    def test_its_settings(self, settings: Settings) -> None:
        settings.Q_CLUSTER = {"timeout": "600", "retry": "600"}
        assert ids() == ["W001", "W002"]

    @pytest.mark.parametrize(("enabled", "told"), [("True", ["W009"]), ("False", [])])
    def test_nobody_runs_what_is_switched_on(
        self, settings: Settings, enabled: str, told: list[str]
    ) -> None:
        write_env(f"DB_SYNC_ENABLED={enabled}")
        assert ids() == []
        self.without_queue(settings)
        assert ids(deploy=True) == told

    def test_a_schedule_or_a_queue_on_remote(self, settings: Settings) -> None:
        settings.DATABASE_ROUTERS = ["db_sync.routers.SyncRouter"]
        assert ids() == []
        [warning] = found(deploy=True)
        assert warning.id == "db_sync.W015"
        assert "in `default`" in warning.msg
        settings.DATABASE_ROUTERS += ["test_checks.QueueOnLocal"]
        settings.Q_CLUSTER["orm"] = "remote"
        [warning] = found(deploy=True)
        assert "in `remote`" in warning.msg
        settings.Q_CLUSTER["orm"] = "local"
        assert ids(deploy=True) == []


class TestDeployment:
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({}, ["W013"]),
            ({"timeout": 30}, ["W013"]),
            ({"transaction_mode": "IMMEDIATE"}, ["W013"]),
            ({"transaction_mode": "immediate", "timeout": 20}, []),
            (None, ["W013"]),
        ],
    )
    def test_a_file_takes_turns(
        self, aliases: Aliases, options: dict[str, Any] | None, told: list[str]
    ) -> None:
        aliases["default"]["OPTIONS"] = options
        assert (ids(), ids(deploy=True)) == ([], told)

    def test_a_file_that_is_no_side_is_the_projects_own(self, aliases: Aliases) -> None:
        aliases["default"] = {"ENGINE": SQLITE, "NAME": "/elsewhere.sqlite3"}
        assert ids(deploy=True) == []

    def test_files_are_named_from_the_root(self, aliases: Aliases, tmp_path: Path) -> None:
        aliases["local"]["NAME"] = "LOCAL.sqlite3"
        assert ids() == []
        [warning] = found(deploy=True)
        assert warning.id == "db_sync.W014"
        assert warning.hint == f"DB_LOCAL_NAME={tmp_path / 'LOCAL.sqlite3'}"

    @pytest.mark.parametrize(
        ("host", "mode", "told"),
        [
            ("db.example.com", "PREFERRED", ["W016"]),
            ("db.example.com", "DISABLED", ["W016"]),
            ("db.example.com", "REQUIRED", []),
            ("db.example.com", "VERIFY_IDENTITY", []),
            ("localhost", "DISABLED", []),
        ],
    )
    def test_the_line_to_remote(
        self, aliases: Aliases, settings: Settings, host: str, mode: str, told: list[str]
    ) -> None:
        write_env(
            "DB_REMOTE_ENGINE=mysql",
            f"DB_REMOTE_HOST={host}",
            "DB_REMOTE_NAME=shop",
            "DB_REMOTE_USER=sync",
            "DB_REMOTE_PASSWORD=",
            f"DB_REMOTE_SSL_MODE={mode}",
        )
        aliases["default"] = aliases["remote"] = server(host=host)
        assert (ids(), ids(deploy=True)) == ([], told)
        settings.DB_SYNC_ENV_FILE = Path(".env").rename("shop.env")
        assert (ids(), ids(deploy=True)) == ([], told)


class TestTables:
    """What LOCAL itself is asked for, and only where its alias is named."""

    @pytest.fixture(autouse=True)
    def _files(self, files: Path) -> None:
        """New files for the aliases."""

    def test_an_empty_local(self, files: Path) -> None:
        for _time in range(2):
            [warning] = found(databases=["local"])
            assert warning.id == "db_sync.W010"
            assert warning.hint == "python manage.py migrate --database local"
            # Asking does not make the file, which then would no longer be missing.
            assert not (files / "local.sqlite3").exists()
        assert ids() == ids(databases=["remote"]) == []

    def test_only_the_syncs_own_tables(self) -> None:
        call_command("migrate", "db_sync", database="local", verbosity=0)
        assert ids(databases=["local"]) == ["W010"]

    def test_a_migrated_local(self, files: Path) -> None:
        call_command("migrate", "contenttypes", database="local", verbosity=0)
        [warning] = found(databases=["local"])
        assert warning.id == "db_sync.W011"
        assert "sync_db" in str(warning.hint)
        call_command("migrate", "db_sync", database="local", verbosity=0)
        assert ids(databases=["local"]) == []
        with closing(sqlite3.connect(files / "local.sqlite3")) as line:
            line.execute("ALTER TABLE db_sync_config DROP COLUMN column_rules")
        assert ids(databases=["local"]) == ["W011"]

    def test_migrate_is_about_to_make_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["manage.py", "migrate", "--database", "local"])
        assert ids(databases=["local"]) == []

    def test_default_may_be_local(self, aliases: Aliases) -> None:
        aliases["default"] = dict(aliases["local"])
        write_env("DB_ENV=local")
        assert ids(databases=["default"]) == ["W010"]
        assert ids(databases=["remote"]) == []

    def test_a_damaged_file_is_no_crash(self, files: Path) -> None:
        (files / "local.sqlite3").write_bytes(b"no database at all" * 100)
        assert ids(databases=["local"]) == []

    def test_a_queue_that_is_synced(self, files: Path) -> None:
        for app in ("contenttypes", "db_sync", "django_q"):
            call_command("migrate", app, database="local", verbosity=0)
        rows = [("django_q_ormq", 1), ("django_q_task", 0), ("shop_tag", 1)]
        with closing(sqlite3.connect(files / "local.sqlite3")) as line, line:
            line.executemany(
                "INSERT INTO db_sync_config (table_name, sync_enabled) VALUES (?, ?)", rows
            )
        [warning] = found(databases=["local"])
        assert warning.id == "db_sync.W012"
        assert warning.hint == "python manage.py sync_config disable django_q_ormq"
        assert "django_q_task" not in warning.msg


@pytest.mark.parametrize("command", ["migrate", "check"])
def test_a_missing_key_ends_a_command_in_words(tmp_path: Path, command: str) -> None:
    Path(".env").write_text(FILES.format(side="REMOTE"))
    told = manage(tmp_path, command, "--database", "local")
    assert told.status == 1
    assert ID.findall(told.err) == ["db_sync.E001"]
    assert "DB_LOCAL_HOST" in told.err


ON_A_SERVER = """
import django
from django.conf import settings
from django.core.management import call_command
from db_sync.conf import databases
routers = ["db_sync.routers.SyncRouter"]
settings.configure(
    DATABASES=databases(), DATABASE_ROUTERS=routers, INSTALLED_APPS=["db_sync"],
)
django.setup()
call_command("check", databases=["local"])
"""


def test_local_on_a_server(tmp_path: Path) -> None:
    Path(".env").unlink()
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:

        def told() -> list[str]:
            outcome = sides.run("-c", ON_A_SERVER, command=(sys.executable,))
            return ID.findall(outcome.err)

        assert told() == ["db_sync.W010"]
        sides.query_both("CREATE TABLE t (id INT PRIMARY KEY)")
        assert told() == ["db_sync.W011"]
        assert sides.sync().status == 0
        assert told() == []


@pytest.mark.parametrize(
    "databases",
    [
        {},
        {"default": {}},
        {"default": {"ENGINE": None, "NAME": None}},
        {"default": {"ENGINE": MYSQL, "PORT": "x", "NAME": "shop", "OPTIONS": None}},
        {"default": {}, "remote": {}, "local": {}},
        {"default": server(), "local": {"ENGINE": SQLITE}},
        {"remote": {"ENGINE": SQLITE, "NAME": "\0"}, "local": {"ENGINE": "mysql", "HOST": None}},
    ],
)
@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("env", ["", "DB_ENV=sideways\n", "no line at all\n", "\0='\n"])
def test_half_of_a_configuration_is_no_crash(
    aliases: Aliases, settings: Settings, databases: dict[str, Any], env: str
) -> None:
    put(aliases, **databases)
    settings.Q_CLUSTER = {"timeout": "soon", "retry": None, "orm": 3}
    settings.BASE_DIR = None
    Path(".env").write_text(env)
    told = {*ids(deploy=True), *ids(databases=["default", "local"])}
    assert told <= {"W002", "W003", "W005", "W010", "W014"}


def test_chinese() -> None:
    write_env("DB_REMOTE_PASSWORD=s3cret")
    with translation.override("zh-hans"):
        [warning] = found()
        assert "本机的任何用户都可以读取" in warning.msg


class TestDocumentation:
    """docs/checks.md has a row for every id, which says when it is told."""

    ROW = re.compile(r"^\| `(db_sync\.[EW]\d{3})` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$")

    def rows(self) -> Iterator[tuple[str, ...]]:
        for line in (ROOT / "docs/checks.md").read_text().splitlines():
            row = self.ROW.match(line)
            if row:
                yield row.groups()

    def code(self) -> str:
        folder = Path(ours.__file__).parent
        return "".join(path.read_text() for path in folder.glob("*.py"))

    def test_every_id_has_a_row_and_every_row_an_id(self) -> None:
        documented = [row[0] for row in self.rows()]
        assert documented == sorted(set(documented))
        assert set(documented) == set(re.findall(r'id="(db_sync\.[EW]\d{3})"', self.code()))

    def test_the_docstrings_name_them_too(self) -> None:
        told = ID.findall(self.code())
        assert all(told.count(one) >= 2 for one in set(told))

    def test_when_they_are_told(self) -> None:
        """By the registered checks, whose docstrings name their ids."""
        registry = checks.registry.registry
        when: dict[str, str] = {}
        for check in registry.get_checks(include_deployment_checks=True):
            if check.__module__.startswith(ours.__name__):
                deploy = check in registry.deployment_checks
                database = checks.Tags.database in check.tags
                command = "check"
                command = "check --deploy" if deploy else command
                command = "check --database local" if database else command
                when |= {one: f"`{command}`" for one in ID.findall(str(check.__doc__))}
        assert {row[0]: row[1] for row in self.rows()} == when
