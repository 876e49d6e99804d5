"""An installation of the older, pure-Python module becomes one of this engine, and loses nothing.

Old tables, an old `.env`, and what Django remembers of the old app are there; then comes what the
guide says, in every order in which people do it.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from queued_shop import QueuedShop
from sides import Cells, Database, Server

# The columns that the old module had, by the names that scripts of users ask for.
CONFIG = (
    "id, table_name, sync_enabled, sync_type, sync_direction, last_sync_time, last_sync_position, "
    "priority, conflict_resolution, created_at, updated_at"
)
LOG = "id, table_name, status, start_time, duration, error_message, created_at"
# What the contract promises to such scripts.
CONFLICTS = (
    "SELECT table_name, status, start_time, duration, error_message, created_at FROM db_sync_log "
    "WHERE error_message LIKE '%conflict%' ORDER BY id"
)
# `.env` of the old guide: no key that the old module did not know, but for the engine of a file.
SETTINGS = """\
# 数据库环境
DB_ENV=local
{remote}
{local}
# 同步配置
DB_SYNC_ENABLED=True
DB_SYNC_INTERVAL=60
DB_SYNC_DIRECTION=BOTH
DB_SYNC_TYPE=INCREMENTAL
MARIADB_ROOT_PASSWORD=root password
MARIADB_DATABASE=tiktok_products
"""

# Tables as the old module's script made them, and as its Django models did; {key} is a number that
# counts up, and each has one of the types in which `duration` was kept.
SCRIPT = """
CREATE TABLE db_sync_config (id {int}, table_name varchar(100) NOT NULL UNIQUE,
    sync_enabled tinyint(1) DEFAULT 1, sync_type {types} DEFAULT 'INCREMENTAL',
    sync_direction {directions} DEFAULT 'BOTH', last_sync_time datetime NULL,
    last_sync_position varchar(255) NULL, priority int DEFAULT 0,
    conflict_resolution {strategies} DEFAULT 'REMOTE_WINS',
    created_at datetime DEFAULT CURRENT_TIMESTAMP, updated_at datetime DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE db_sync_log (id {int}, table_name varchar(100) NOT NULL, status {states} NOT NULL,
    start_time timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, duration {duration} NULL,
    error_message varchar(255) NULL, created_at timestamp NULL DEFAULT CURRENT_TIMESTAMP)
"""
MODELS = """
CREATE TABLE db_sync_config (id {bigint}, table_name varchar(50) NOT NULL UNIQUE,
    sync_enabled bool NOT NULL, sync_type varchar(20) NOT NULL, sync_direction varchar(20) NOT NULL,
    last_sync_time datetime NULL, last_sync_position varchar(255) NOT NULL, priority int NOT NULL,
    conflict_resolution varchar(20) NOT NULL, created_at datetime NOT NULL,
    updated_at datetime NOT NULL);
CREATE TABLE db_sync_log (id {bigint}, table_name varchar(50) NOT NULL, status varchar(8) NOT NULL,
    start_time datetime NOT NULL, duration {duration} NULL, error_message {text} NULL,
    created_at datetime NOT NULL)
"""
ROWS = """
{insert} INTO db_sync_config (id, table_name, sync_enabled, sync_type, sync_direction,
    last_sync_position, priority, conflict_resolution, created_at, updated_at)
VALUES (7, '商品', 1, 'INCREMENTAL', 'BOTH', 'mysql-bin.000001:4', 5, 'LOCAL_WINS',
    '2025-01-01 00:00:00', '2025-01-02 00:00:00'),
    (9, 'gone', 0, 'FULL', 'REMOTE_TO_LOCAL', '', -1, 'SKIP',
    '2025-01-01 00:00:00', '2025-01-02 00:00:00');
{insert} INTO db_sync_log (id, table_name, status, start_time, duration, error_message, created_at)
VALUES (41, '商品', 'SUCCESS', {now}, 3, NULL, {now}),
    (42, '商品', 'FAILED', {now}, 2, '3 conflicts', {now})
"""
MARIADB = {
    "int": "int NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "bigint": "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "types": "enum('FULL','INCREMENTAL')",
    "directions": "enum('BOTH','REMOTE_TO_LOCAL','LOCAL_TO_REMOTE')",
    "strategies": "enum('REMOTE_WINS','LOCAL_WINS','SKIP','MANUAL')",
    "states": "enum('SUCCESS','FAILED','RUNNING')",
    "text": "longtext",
    # Columns that the rows do not name and that have no default: as such tables were filled.
    "insert": "INSERT IGNORE",
    "now": "NOW()",
}
FILE = {
    **dict.fromkeys(("int", "bigint"), "integer PRIMARY KEY AUTOINCREMENT"),
    **dict.fromkeys(("types", "directions", "strategies", "states"), "varchar(20)"),
    "text": "text",
    "insert": "INSERT",
    "now": "datetime('now')",
}
# What Django remembers where the old module had migrations of its own.
REMEMBERED = (
    "INSERT INTO django_migrations (app, name, applied) "
    "VALUES ('db_sync', '0001_initial', '2025-01-01 00:00:00')"
)
MIGRATE = """
from django.apps import apps
from django.core.management import call_command
call_command("migrate", verbosity=0)
for model in apps.get_app_config("db_sync").get_models():
    list(model._default_manager.all())
"""
SCHEDULE = """
from django.core.management import call_command
from db_sync import scheduling
call_command("sync_scheduler", "enable")
told = scheduling.status()
assert (told.enabled, told.minutes) == (True, 60), told
"""
# As a database in another character set had them, with columns that others added.
LATIN = """
CREATE TABLE db_sync_config (id {int}, table_name varchar(100) CHARACTER SET utf8 NOT NULL UNIQUE,
    sync_enabled tinyint(1) NOT NULL, sync_type {types} NOT NULL,
    sync_direction {directions} NOT NULL, last_sync_time datetime NULL,
    last_sync_position varchar(255) NOT NULL, priority int NOT NULL,
    conflict_resolution {strategies} NOT NULL, created_at datetime NOT NULL,
    updated_at datetime NOT NULL, owner varchar(20) NOT NULL) DEFAULT CHARSET=latin1;
CREATE TABLE db_sync_log (id {int}, table_name varchar(100) CHARACTER SET utf8 NOT NULL,
    status varchar(8) NOT NULL, start_time datetime NOT NULL, duration {duration} NOT NULL,
    error_message text NULL, created_at datetime NOT NULL, rows_inserted int NOT NULL,
    rows_synced int NOT NULL, operator varchar(20) NOT NULL) DEFAULT CHARSET=latin1
"""
GOODS = "CREATE TABLE 商品 (id int NOT NULL PRIMARY KEY, v varchar(20))"


@dataclass
class Old:
    """An old installation.

    Attributes:
        shop: Its project: `manage.py` in a folder with `.env`.
        local: Asks its LOCAL database, or changes it.
        remote: The same for REMOTE.
        before: What the old tables held before anything was upgraded.
    """

    shop: QueuedShop
    local: Callable[[str], Cells]
    remote: Callable[[str], Cells]
    before: tuple[Cells, Cells] = ((), ())

    def remember(self) -> None:
        """Lets Django have applied the old app's migration, beside those of other apps."""
        self.shop.manage("migrate", "django_q", "--verbosity=0")
        self.local(REMEMBERED)

    def migrate(self) -> None:
        """Runs the command; then every model reads its rows with all their columns."""
        self.shop.run(MIGRATE)

    def kept(self) -> tuple[Cells, Cells]:
        """The old rows, by the old columns that no run changes."""
        return (
            self.local(
                "SELECT id, table_name, sync_enabled, sync_type, sync_direction, priority, "
                "conflict_resolution, created_at FROM db_sync_config ORDER BY id"
            ),
            self.local(f"SELECT {LOG} FROM db_sync_log WHERE id <= 42 ORDER BY id"),  # noqa: S608
        )

    def sync(self) -> None:
        """Runs the old command; two people changed the row, and LOCAL wins, as its row says."""
        said = self.shop.manage("sync_db").stdout
        assert "conflicts 1" in said
        assert self.remote("SELECT v FROM 商品") == self.local("SELECT v FROM 商品") == (("ours",),)

    def assert_upgraded(self) -> None:
        """Everything old is there, and old queries and commands work."""
        assert self.kept() == self.before
        told = self.local(CONFLICTS)
        assert (told[0][1], told[0][3], told[0][4]) == ("FAILED", 2, "3 conflicts")
        name, status, start, duration, message, created = told[-1]
        assert (name, status) == ("商品", "SUCCESS")
        assert "conflict" in message
        assert all(cell is not None for cell in (start, duration, created))
        assert self.local(f"SELECT {CONFIG} FROM db_sync_config WHERE id = 7")[0][5]  # noqa: S608
        self.shop.run(SCHEDULE)


@contextmanager
def old_servers(folder: Path, made: str, duration: str) -> Iterator[Old]:
    """An installation between two MariaDB servers."""
    remote, local = Database(Server.of("MARIADB2")), Database(Server.of("MARIADB"))
    try:
        for sql in (made + ";" + ROWS).format(**MARIADB, duration=duration).split(";"):
            local.query(sql)
        for database, name in ((remote, "theirs"), (local, "ours")):
            database.query(GOODS)
            database.query(f"INSERT INTO 商品 VALUES (1, '{name}')")  # noqa: S608
        said = {
            f"DB_{side}_{key}": value
            for side, database in (("REMOTE", remote), ("LOCAL", local))
            for key, value in {
                "HOST": "127.0.0.1",
                "PORT": database.server.port,
                "NAME": database.name,
                "USER": database.server.user,
                "PASSWORD": database.server.password,
            }.items()
        }
        yield Old(shop(folder, said), local.query, remote.query)
    finally:
        remote.drop()
        local.drop()


@contextmanager
def old_files(folder: Path, made: str, duration: str) -> Iterator[Old]:
    """An installation between two SQLite files."""

    def asking(side: str) -> Callable[[str], Cells]:
        def ask(sql: str) -> Cells:
            with closing(sqlite3.connect(folder / side)) as line, line:
                return tuple(line.execute(sql).fetchall())

        return ask

    remote, local = asking("remote"), asking("local")
    for sql in (made + ";" + ROWS).format(**FILE, duration=duration).split(";"):
        local(sql)
    for ask, name in ((remote, "theirs"), (local, "ours")):
        ask(GOODS)
        ask(f"INSERT INTO 商品 VALUES (1, '{name}')")  # noqa: S608
    said = {f"DB_{side}_ENGINE": "sqlite" for side in ("REMOTE", "LOCAL")}
    said |= {f"DB_{side}_NAME": side.lower() for side in ("REMOTE", "LOCAL")}
    yield Old(shop(folder, said), local, remote)


def shop(folder: Path, said: dict[str, Any]) -> QueuedShop:
    """The project, with the old `.env`."""
    sides = {
        side: "\n".join(f"{key}={value}" for key, value in said.items() if side in key)
        for side in ("REMOTE", "LOCAL")
    }
    text = SETTINGS.format(remote=sides["REMOTE"], local=sides["LOCAL"])
    (folder / ".env").write_text(text)
    (folder / ".env").chmod(0o600)
    return QueuedShop(folder, settings={"DJANGO_SETTINGS_MODULE": "upgraded_settings"})


# Each way in which the old tables were made, on a server and in a file.
WAYS = {
    "script, MariaDB": (old_servers, SCRIPT, "decimal(10,2)"),
    "models, MariaDB": (old_servers, MODELS, "double"),
    "whole seconds, MariaDB": (old_servers, SCRIPT, "int"),
    "another character set, MariaDB": (old_servers, LATIN, "int"),
    "script, SQLite": (old_files, SCRIPT, "decimal(10,2)"),
    "models, SQLite": (old_files, MODELS, "real"),
}


# Those by which it makes a difference in which order things are done.
SOME = ["script, MariaDB", "models, SQLite"]


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Old]:
    """An old installation, made in one of the ways."""
    make, made, duration = WAYS[request.param]
    with make(tmp_path, made, duration) as installation:
        installation.before = installation.kept()
        assert [len(rows) for rows in installation.before] == [2, 2]
        yield installation


def test_the_guide_shows_the_query_that_works() -> None:
    guide = (Path(__file__).parents[2] / "docs/deployment.md").read_text()
    shown = re.findall(r"(?s)```sql\n(SELECT.*?);", guide)
    assert [" ".join(sql.split()) for sql in shown] == [CONFLICTS.partition(" ORDER")[0]]


@pytest.mark.parametrize("old", WAYS, indirect=True)
def test_migrate_then_sync(old: Old) -> None:
    old.migrate()
    old.sync()
    old.assert_upgraded()


@pytest.mark.parametrize("old", SOME, indirect=True)
def test_sync_then_migrate(old: Old) -> None:
    old.sync()
    old.migrate()
    old.assert_upgraded()


@pytest.mark.parametrize("old", SOME, indirect=True)
def test_sync_where_django_remembers_migrations_of_the_old_module(old: Old) -> None:
    old.remember()
    old.sync()
    old.migrate()
    old.assert_upgraded()


@pytest.mark.parametrize("old", SOME, indirect=True)
def test_migrate_where_django_remembers_migrations_of_the_old_module(old: Old) -> None:
    old.remember()
    old.migrate()
    old.sync()
    old.assert_upgraded()


@pytest.mark.parametrize("old", ["another character set, MariaDB"], indirect=True)
def test_text_takes_every_script_and_durations_their_fraction(old: Old) -> None:
    old.sync()
    columns = (
        "SELECT column_name, character_set_name, column_type, is_nullable "
        "FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name = 'db_sync_log' "
        "AND column_name IN ('error_message', 'duration', 'operator', 'status')"
    )
    assert sorted(old.local(columns)) == [
        ("duration", None, "decimal(12,3)", "YES"),
        ("error_message", "utf8mb4", "longtext", "YES"),
        ("operator", "utf8mb4", "varchar(20)", "YES"),
        ("status", "utf8mb4", "varchar(20)", "NO"),
    ]


@pytest.mark.parametrize("old", ["script, MariaDB"], indirect=True)
def test_the_old_log_is_kept_however_old_it_is(old: Old) -> None:
    old.sync()
    old.local("UPDATE db_sync_log SET start_time = '2025-01-01 00:00:00'")
    old.local("UPDATE 商品 SET v = 'again'")
    old.shop.manage("sync_db")
    left = old.local(
        "SELECT id > 42, COUNT(*), MIN(start_time) > '2026-01-01' FROM db_sync_log GROUP BY 1"
    )
    # Those of the sync before have a run, and went.
    assert sorted(left) == [(0, 2, 0), (1, 2, 1)]
