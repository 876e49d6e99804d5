"""What the migration makes of a database; the statements are the engine's own."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import NotSupportedError, connections
from django.db.utils import OperationalError

from db_sync import _native
from db_sync.control_tables import missing_statements
from db_sync.models import SyncConfig, SyncConflict, SyncLog, SyncUndo

# An installation from before this engine: the columns that users know, and rows of theirs.
OLDER = """
CREATE TABLE db_sync_config (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT, table_name varchar(100) NOT NULL UNIQUE,
    sync_enabled bool NOT NULL, sync_type varchar(11) NOT NULL, sync_direction varchar(15) NOT NULL,
    last_sync_time datetime NULL, last_sync_position varchar(255) NULL, priority integer NOT NULL,
    conflict_resolution varchar(11) NOT NULL, created_at datetime NULL, updated_at datetime NULL);
INSERT INTO db_sync_config VALUES (7, '商品', 1, 'FULL', 'REMOTE_TO_LOCAL', NULL,
    'mysql-bin.000001:4', 5, 'LOCAL_WINS', '2025-01-01 00:00:00', '2025-01-02 00:00:00');
CREATE TABLE db_sync_log (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT, table_name varchar(100) NOT NULL,
    status varchar(20) NOT NULL, start_time datetime NOT NULL, duration decimal NULL,
    error_message text NULL, created_at datetime NULL);
INSERT INTO db_sync_log VALUES (42, '商品', 'FAILED', '2025-01-02 00:00:00', 1.25,
    '3 conflicts', '2025-01-02 00:00:01');
"""


def migrate(database: str = "local", *target: str) -> None:
    call_command("migrate", "db_sync", *target, database=database, verbosity=0)


def ours(alias: str) -> list[str]:
    tables = connections[alias].introspection.table_names()
    return [name for name in tables if name.startswith("db_sync_")]


def run(sql: str) -> None:
    with connections["local"].cursor() as cursor:
        for statement in filter(str.strip, sql.split(";")):
            cursor.execute(statement)


@pytest.mark.usefixtures("files")
class TestMigrating:
    def test_a_new_database_gets_tables_that_every_model_reads(self) -> None:
        migrate()
        for model in (SyncConfig, SyncLog, SyncConflict, SyncUndo):
            assert list(model._default_manager.all()) == []
        assert "db_sync_base" in ours("local")

    def test_a_configuration_can_be_written(self) -> None:
        migrate()
        SyncConfig.objects.create(table_name="shop_product", priority=3)
        stored = SyncConfig.objects.get(table_name="shop_product")
        assert str(stored) == "shop_product (INCREMENTAL, BOTH)"
        assert (stored.priority, stored.conflict_resolution) == (3, "REMOTE_WINS")

    def test_the_remote_side_stays_as_it_is(self) -> None:
        migrate("remote")
        assert ours("remote") == []

    def test_an_older_installation_is_completed_and_loses_no_row(self) -> None:
        run(OLDER)
        migrate()
        config = SyncConfig.objects.get()
        assert (config.pk, config.table_name, config.priority) == (7, "商品", 5)
        assert (config.conflict_resolution, config.last_sync_position) == (
            "LOCAL_WINS",
            "mysql-bin.000001:4",
        )
        log = SyncLog.objects.get(error_message__contains="conflict")
        assert (log.pk, log.status, str(log.duration)) == (42, "FAILED", "1.250")
        assert (log.triggered_by, log.rows_inserted, log.run_id) == ("MANUAL", 0, None)
        assert SyncConflict.objects.count() == 0

    def test_going_back_keeps_the_tables_and_coming_again_adopts_them(self) -> None:
        migrate()
        SyncConfig.objects.create(table_name="kept")
        before = ours("local")
        migrate("local", "zero")
        assert ours("local") == before
        migrate()
        assert SyncConfig.objects.get().table_name == "kept"

    def test_a_failure_halfway_leaves_nothing_behind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(dialect: str, existing: str) -> list[str]:
            return ["CREATE TABLE db_sync_half (id integer)", "CREATE NONSENSE"]

        monkeypatch.setattr(_native, "control_statements", broken)
        with pytest.raises(OperationalError, match="NONSENSE"):
            migrate()
        assert ours("local") == []

    def test_a_percent_sign_in_a_statement_is_just_that(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def percent(dialect: str, existing: str) -> list[str]:
            return ["CREATE TABLE db_sync_percent (a text DEFAULT '100%s %%')"]

        monkeypatch.setattr(_native, "control_statements", percent)
        migrate()
        with connections["local"].cursor() as cursor:
            cursor.execute("INSERT INTO db_sync_percent DEFAULT VALUES")
            cursor.execute("SELECT a FROM db_sync_percent")
            assert cursor.fetchone() == ("100%s %%",)

    def test_models_and_migrations_agree(self) -> None:
        call_command("makemigrations", "db_sync", "shop", check=True, dry_run=True, verbosity=0)


def test_nothing_is_missing_where_everything_is_there(files: Path) -> None:
    migrate()
    assert missing_statements(connections["local"]) == []


def test_another_kind_of_database_is_refused_with_advice() -> None:
    migration = import_module("db_sync.migrations.0001_control_tables")
    editor: Any = SimpleNamespace(connection=SimpleNamespace(vendor="postgresql"))
    with pytest.raises(NotSupportedError, match="SyncRouter"):
        migration.install(None, editor)
