"""The server of docker-compose.yml: its settings, and its first script in all ways to run it."""

import configparser
import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pymysql
import pytest

from db_sync import _native
from own_server import open_folder, own_server
from sides import COMMAND, Cells, Server

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "mariadb/init/01-init.sql"
SETTINGS = ROOT / "mariadb/conf.d/db-sync.cnf"
DATABASE = "tiktok_products"
# Of a server that only this test has.
ROOT_PASSWORD, PASSWORD = "root's own", "app-test"

# What the server says of itself for each line of the file.
WANTED = {
    "character_set_server": "utf8mb4",
    "collation_server": "utf8mb4_unicode_ci",
    "sql_mode": "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,"
    "NO_ENGINE_SUBSTITUTION",
    "max_allowed_packet": str(64 << 20),
    "local_infile": "ON",
    "server_id": "1",
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_metadata": "FULL",
    "binlog_expire_logs_seconds": str(7 * 24 * 60 * 60),
    "log_bin_trust_function_creators": "ON",
}


def settings() -> dict[str, str]:
    """What the file of settings says."""
    parser = configparser.ConfigParser()
    parser.read_string(SETTINGS.read_text())
    assert parser.sections() == ["mariadbd"]
    return dict(parser["mariadbd"])


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[Server, Path]]:
    """A server with our settings, whose root has a password, and its socket."""
    with open_folder() as folder:
        words = [f"--{name}={value}" for name, value in settings().items()]
        with own_server(folder, *words) as server:
            line = pymysql.connect(unix_socket=str(folder / "socket"), user="root")
            with line, line.cursor() as cursor:
                cursor.execute("SET PASSWORD = PASSWORD(%s)", (ROOT_PASSWORD,))
            yield server, folder / "socket"


@pytest.fixture
def bare(started: tuple[Server, Path]) -> Iterator[tuple[Server, Path]]:
    """The same as it comes, without a database of ours."""
    yield started
    for name in (DATABASE, "shop"):
        ask(started[0], f"DROP DATABASE IF EXISTS {name}")
    ask(started[0], "DROP USER IF EXISTS app@'%', writer@'%', reader@'%'")


def ask(server: Server, *statements: str) -> Cells:
    """Executes statements for the administrator, and gives the last one's rows."""
    with server.connect() as line, line.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)
        return tuple(cursor.fetchall())


def feed(socket: Path, *words: str) -> None:
    """Runs the script as the guide does: `mysql -u root -p … < 01-init.sql`."""
    subprocess.run(
        ["mariadb", "--no-defaults", f"--socket={socket}", "-uroot", *words],  # noqa: S607 - where apt puts it
        env={**os.environ, "MYSQL_PWD": ROOT_PASSWORD},
        input=SCRIPT.read_bytes(),
        check=True,
    )


def prepare(server: Server, database: str) -> None:
    """Does what the container's entrypoint does before it runs the scripts."""
    ask(
        server,
        f"CREATE DATABASE IF NOT EXISTS `{database}`",
        f"CREATE USER app@'%' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT ALL ON `{database}`.* TO app@'%'",
    )


def missing(server: Server, database: str) -> list[str]:
    """The statements that the engine would still execute there."""
    tables = [name for (name,) in ask(server, f"SHOW TABLES FROM `{database}`")]
    had = {"declared": ""}
    existing = {
        name: {
            column: had for column, *_more in ask(server, f"SHOW COLUMNS FROM `{database}`.{name}")
        }
        for name in tables
    }
    return _native.control_statements("mysql", json.dumps(existing))


def make_older_table(server: Server) -> None:
    """Makes the old module's table of settings as its Django models did, without defaults."""
    ask(
        server,
        "CREATE DATABASE tiktok_products",
        "CREATE TABLE tiktok_products.db_sync_config (id int AUTO_INCREMENT PRIMARY KEY, "
        "table_name varchar(100) NOT NULL UNIQUE, sync_enabled bool NOT NULL, "
        "sync_type varchar(20) NOT NULL, sync_direction varchar(20) NOT NULL, "
        "priority int NOT NULL, conflict_resolution varchar(20) NOT NULL, "
        "created_at datetime(6) NOT NULL, updated_at datetime(6) NOT NULL)",
    )


def side(name: str, server: Server, database: str, user: str) -> dict[str, str]:
    """The settings of one side, for an account with the password that all have here."""
    said = {"HOST": "127.0.0.1", "PORT": str(server.port), "NAME": database, "USER": user}
    return {f"DB_{name}_{key}": value for key, value in {**said, "PASSWORD": PASSWORD}.items()}


def sync(folder: Path, settings: dict[str, str]) -> None:
    """Runs a sync that goes well."""
    environment = {**settings, "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [COMMAND, "run"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def sync_with_file(server: Server, folder: Path, database: str) -> None:
    """Syncs a file with the server's database, for the account that the entrypoint made."""
    ask(server, f"CREATE TABLE `{database}`.t (id int PRIMARY KEY, v varchar(20))")
    with closing(sqlite3.connect(folder / "remote")) as line, line:
        line.execute("CREATE TABLE t (id integer PRIMARY KEY, v text)")
        line.execute("INSERT INTO t VALUES (1, '商品')")
    file = {"DB_REMOTE_ENGINE": "sqlite", "DB_REMOTE_NAME": "remote"}
    sync(folder, {**file, **side("LOCAL", server, database, "app")})


class TestScript:
    def test_by_the_entrypoint(self, bare: tuple[Server, Path], tmp_path: Path) -> None:
        server, socket = bare
        prepare(server, DATABASE)
        feed(socket, f"--database={DATABASE}")
        assert missing(server, DATABASE) == []
        assert ask(server, "SELECT table_name FROM tiktok_products.db_sync_config") == (("*",),)
        sync_with_file(server, tmp_path, DATABASE)
        assert ask(server, "SELECT v FROM tiktok_products.t") == (("商品",),)

    def test_by_hand_without_a_database_and_again_within_it(
        self, bare: tuple[Server, Path]
    ) -> None:
        server, socket = bare
        feed(socket)
        assert missing(server, DATABASE) == []
        # What somebody has set up meanwhile stays.
        ask(
            server,
            "UPDATE tiktok_products.db_sync_config SET conflict_resolution = 'SKIP'",
            "INSERT INTO tiktok_products.db_sync_config (table_name) VALUES ('t')",
            "INSERT INTO tiktok_products.db_sync_log (table_name, status, start_time) "
            "VALUES ('t', 'SUCCESS', NOW())",
        )
        both = (
            "SELECT * FROM tiktok_products.db_sync_config",
            "SELECT * FROM tiktok_products.db_sync_log",
        )
        before = [ask(server, sql) for sql in both]
        feed(socket, DATABASE)
        feed(socket)
        assert [ask(server, sql) for sql in both] == before
        assert [len(rows) for rows in before] == [2, 1]
        assert missing(server, DATABASE) == []

    def test_beside_a_database_of_another_name(
        self, bare: tuple[Server, Path], tmp_path: Path
    ) -> None:
        server, socket = bare
        prepare(server, "shop")
        feed(socket, "--database=shop")
        assert missing(server, DATABASE) == []
        assert ask(server, "SHOW TABLES FROM shop") == ()
        # There the first run makes our tables.
        sync_with_file(server, tmp_path, "shop")
        assert missing(server, "shop") == []

    def test_an_older_installation_keeps_what_it_has(self, bare: tuple[Server, Path]) -> None:
        server, socket = bare
        make_older_table(server)
        ask(
            server,
            "INSERT INTO tiktok_products.db_sync_config "
            "VALUES (7, 't', 0, 'FULL', 'BOTH', 5, 'SKIP', NOW(), NOW())",
        )
        before = ask(server, "SELECT * FROM tiktok_products.db_sync_config")
        feed(socket)
        assert ask(server, "SELECT * FROM tiktok_products.db_sync_config") == before

    def test_an_older_table_without_defaults_takes_the_row(self, bare: tuple[Server, Path]) -> None:
        server, socket = bare
        make_older_table(server)
        feed(socket)
        assert ask(
            server,
            "SELECT table_name, sync_enabled, sync_type, conflict_resolution, priority, "
            "created_at > '2026-01-01', updated_at > '2026-01-01' "
            "FROM tiktok_products.db_sync_config",
        ) == (("*", 1, "INCREMENTAL", "REMOTE_WINS", 0, 1, 1),)

    def test_the_accounts_of_the_guide_are_enough(
        self, bare: tuple[Server, Path], tmp_path: Path
    ) -> None:
        server, socket = bare
        feed(socket)
        ask(server, "CREATE DATABASE shop", "CREATE TABLE shop.t (id int PRIMARY KEY, v text)")
        ask(server, "CREATE TABLE tiktok_products.t LIKE shop.t")
        ask(server, "INSERT INTO shop.t VALUES (1, 'a'), (2, 'b')")
        guide = (ROOT / "docs/deployment.md").read_text()
        [accounts] = re.findall(r"(?s)```sql\n(CREATE USER.*?)```", guide)
        # The test server's own account is named sync too, and is another.
        accounts = accounts.replace("…", PASSWORD).replace("'sync'", "'writer'")
        ask(server, *filter(str.strip, accounts.split(";")))
        remote = side("REMOTE", server, "shop", "reader")
        way = {"DB_SYNC_DIRECTION": "REMOTE_TO_LOCAL"}
        settings = {**remote, **side("LOCAL", server, DATABASE, "writer"), **way}
        sync(tmp_path, settings)
        ask(server, "UPDATE shop.t SET v = 'changed'", "INSERT INTO shop.t VALUES (3, 'c')")
        sync(tmp_path, settings)
        assert ask(server, "SELECT * FROM tiktok_products.t ORDER BY id") == (
            (1, "changed"),
            (2, "changed"),
            (3, "c"),
        )


class TestSettings:
    def test_the_server_reads_the_file_itself(self) -> None:
        subprocess.run(
            ["mariadbd", f"--defaults-file={SETTINGS}", "--verbose", "--help"],  # noqa: S607
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=True,
        )

    def test_the_server_is_as_the_sync_wants_it(self, bare: tuple[Server, Path]) -> None:
        server, _socket = bare
        told: dict[str, str] = dict(ask(server, "SHOW GLOBAL VARIABLES"))
        assert {name: told[name] for name in WANTED} == WANTED
        assert {name.replace("-", "_") for name in settings()} == set(WANTED)

    def test_the_collation_is_that_of_the_script(self, bare: tuple[Server, Path]) -> None:
        server, socket = bare
        prepare(server, "shop")
        feed(socket)
        collations = ask(
            server,
            "SELECT DISTINCT default_collation_name FROM information_schema.schemata "
            "WHERE schema_name IN ('shop', 'tiktok_products')",
        )
        assert collations == ((WANTED["collation_server"],),)

    def test_a_value_that_does_not_fit_is_an_error_for_everybody(
        self, bare: tuple[Server, Path]
    ) -> None:
        server, _socket = bare
        with pytest.raises(pymysql.DataError):
            ask(
                server,
                "CREATE DATABASE shop",
                "CREATE TABLE shop.t (a varchar(1))",
                "INSERT INTO shop.t VALUES ('long')",
            )

    def test_a_site_may_make_triggers(self, bare: tuple[Server, Path]) -> None:
        server, _socket = bare
        prepare(server, "shop")
        ask(server, "CREATE TABLE shop.t (a int)")
        app = pymysql.connect(
            host="127.0.0.1",
            port=server.port,
            user="app",
            password=PASSWORD,
            database="shop",
        )
        with app, app.cursor() as cursor:
            cursor.execute("CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1")
