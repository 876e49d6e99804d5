"""Brings about the engine's tables, or brings those of an older installation up to date.

It is not called `0001_initial`: Django may remember one of the older module, and would take this
one for done.
"""

from django.db import NotSupportedError, migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from db_sync.control_tables import missing_statements


def install(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Executes what the engine says is missing; nothing that is there is lost.

    Args:
        apps: Unused.
        schema_editor: Of the database that is migrated.

    Raises:
        NotSupportedError: The database is none that the engine keeps its tables in.
    """
    connection = schema_editor.connection
    if connection.vendor not in ("mysql", "sqlite"):
        raise NotSupportedError(
            f"db_sync keeps its tables on MySQL, MariaDB or SQLite, not on {connection.vendor}. "
            "Add db_sync.routers.SyncRouter to DATABASE_ROUTERS and an alias 'local' to DATABASES."
        )
    for statement in missing_statements(connection):
        # None, not (): with parameters, even none of them, a percent sign would need doubling.
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    """Unmanaged models for the state; the tables themselves come from the engine's definition."""

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="SyncConfig",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("table_name", models.CharField(max_length=100, unique=True)),
                ("sync_enabled", models.BooleanField(default=True)),
                ("sync_type", models.CharField(default="INCREMENTAL", max_length=20)),
                ("sync_direction", models.CharField(default="BOTH", max_length=20)),
                ("last_sync_time", models.DateTimeField(editable=False, null=True)),
                (
                    "last_sync_position",
                    models.CharField(editable=False, max_length=255, null=True),
                ),
                ("priority", models.IntegerField(default=0)),
                ("conflict_resolution", models.CharField(default="REMOTE_WINS", max_length=20)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("column_rules", models.JSONField(blank=True, null=True)),
            ],
            options={
                "managed": False,
                "db_table": "db_sync_config",
                "ordering": ("-priority", "table_name"),
                "verbose_name": "table configuration",
                "verbose_name_plural": "table configurations",
            },
        ),
        migrations.CreateModel(
            name="SyncLog",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("run_id", models.CharField(max_length=36, null=True)),
                ("table_name", models.CharField(max_length=100)),
                ("sync_type", models.CharField(max_length=20, null=True)),
                ("sync_direction", models.CharField(max_length=20, null=True)),
                ("status", models.CharField(max_length=20)),
                ("start_time", models.DateTimeField()),
                ("end_time", models.DateTimeField(null=True)),
                ("duration", models.DecimalField(decimal_places=3, max_digits=12, null=True)),
                ("triggered_by", models.CharField(default="MANUAL", max_length=20)),
                ("rows_scanned", models.BigIntegerField(default=0)),
                ("rows_inserted", models.BigIntegerField(default=0)),
                ("rows_updated", models.BigIntegerField(default=0)),
                ("rows_deleted", models.BigIntegerField(default=0)),
                ("rows_skipped", models.BigIntegerField(default=0)),
                ("conflicts", models.BigIntegerField(default=0)),
                ("error_code", models.CharField(max_length=20, null=True)),
                ("error_message", models.TextField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "managed": False,
                "db_table": "db_sync_log",
                "ordering": ("-id",),
                "verbose_name": "database sync log",
                "verbose_name_plural": "Database Sync Logs",
            },
        ),
        migrations.CreateModel(
            name="Dashboard",
            fields=[],
            options={
                "proxy": True,
                "default_permissions": (),
                "verbose_name": "dashboard",
                "verbose_name_plural": "Dashboard",
            },
            bases=("db_sync.synclog",),
        ),
        migrations.CreateModel(
            name="SyncConflict",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("run_id", models.CharField(max_length=36)),
                ("table_name", models.CharField(max_length=100)),
                ("row_key", models.JSONField()),
                ("kind", models.CharField(max_length=20)),
                ("remote_row", models.JSONField(null=True)),
                ("local_row", models.JSONField(null=True)),
                ("strategy", models.CharField(max_length=20)),
                ("state", models.CharField(max_length=10)),
                ("winner", models.CharField(max_length=10, null=True)),
                ("resolved_by", models.CharField(max_length=150, null=True)),
                ("resolved_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("seen", models.CharField(editable=False, max_length=40)),
            ],
            options={
                "managed": False,
                "db_table": "db_sync_conflict",
                "ordering": ("-id",),
                "verbose_name": "conflict",
                "verbose_name_plural": "conflicts",
            },
        ),
        migrations.CreateModel(
            name="SyncUndo",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("run_id", models.CharField(max_length=36)),
                ("table_name", models.CharField(max_length=100)),
                ("side", models.CharField(max_length=6)),
                ("action", models.CharField(max_length=6)),
                ("row_key", models.JSONField()),
                ("row_before", models.JSONField(null=True)),
                ("part", models.IntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "managed": False,
                "db_table": "db_sync_undo",
                "ordering": ("-id",),
                "verbose_name": "pre-image",
                "verbose_name_plural": "pre-images",
            },
        ),
        migrations.CreateModel(
            name="SyncState",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("table_name", models.CharField(max_length=100, unique=True)),
                ("seen", models.JSONField(null=True)),
            ],
            options={
                "managed": False,
                "db_table": "db_sync_state",
                "default_permissions": (),
                "verbose_name": "table state",
                "verbose_name_plural": "table states",
            },
        ),
        # Not atomic by itself: SQLite rolls the whole migration back anyway, and MySQL commits each
        # statement by itself, after which the next attempt executes what is still missing.
        # Backwards nothing is dropped: the tables hold what a person may still need.
        migrations.RunPython(install, migrations.RunPython.noop, atomic=False),
    ]
