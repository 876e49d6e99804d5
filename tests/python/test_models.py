"""The models read what the engine writes."""

from datetime import datetime, timezone
from pathlib import Path

from django.core.management import call_command
from django.db import connections

from db_sync.models import SyncConflict, SyncLog, SyncUndo

MOMENT = datetime(2026, 1, 6, 14, 30, 0, 250_000, tzinfo=timezone.utc)


def insert(model: type[SyncConflict | SyncLog | SyncUndo], **cells: object) -> None:
    """Writes a row as the engine does, into the columns that the models leave out as well."""
    columns = ", ".join(cells)
    places = ", ".join("%s" for _ in cells)
    with connections["local"].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({columns}) VALUES ({places})",  # noqa: S608
            list(cells.values()),
        )


def test_rows_of_the_engine_are_read_and_named(files: Path) -> None:
    call_command("migrate", "db_sync", database="local", verbosity=0)
    row = {"run_id": "5f3a", "table_name": "shop_product", "row_key": '{"id": 2}'}
    insert(
        SyncConflict,
        **row,
        kind="delete/update",
        local_row='{"id": 2, "name": "绿茶"}',
        strategy="MANUAL",
        state="PENDING",
        key_ordinal=b"12345678",
        seen="-|0",
    )
    insert(SyncUndo, **row, side="LOCAL", action="DELETE", row_before='{"id": 2, "price": 1.5}')
    insert(
        SyncLog,
        run_id="5f3a",
        table_name="shop_product",
        sync_direction="BOTH",
        status="SUCCESS",
        start_time="2026-01-06 14:30:00.250000",
    )
    conflict, undo, log = SyncConflict.objects.get(), SyncUndo.objects.get(), SyncLog.objects.get()
    assert (conflict.remote_row, conflict.local_row) == (None, {"id": 2, "name": "绿茶"})
    assert str(conflict) == "shop_product, id=2: delete/update, PENDING"
    assert undo.row_before == {"id": 2, "price": 1.5}
    assert str(undo) == "shop_product {'id': 2}: DELETE on LOCAL"
    assert log.start_time == MOMENT
    assert str(log).startswith("shop_product BOTH: SUCCESS (2026-01-06 14:30:00.25")
