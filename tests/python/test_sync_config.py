import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from db_sync.models import SyncConfig


@pytest.fixture
def configured(files: Path) -> None:
    call_command("migrate", "db_sync", database="local", verbosity=0)
    with connections["local"].cursor() as cursor:
        columns = "last_login, token, seen, a"
        cursor.execute(f"CREATE TABLE users (id INTEGER PRIMARY KEY, {columns})")
    SyncConfig.objects.create(table_name="users")


def changed(*words: str) -> SyncConfig:
    call_command("sync_config", *words, stdout=io.StringIO())
    row: SyncConfig = SyncConfig.objects.get(table_name="users")
    return row


@pytest.mark.usefixtures("configured")
def test_set_changes_every_key() -> None:
    row = changed(
        "set", "users", "type=full", "direction=remote_to_local", "conflict=manual", "priority=-3"
    )
    assert (row.sync_type, row.sync_direction) == ("FULL", "REMOTE_TO_LOCAL")
    assert (row.conflict_resolution, row.priority, row.column_rules) == ("MANUAL", -3, None)
    assert not changed("disable", "users").sync_enabled
    assert changed("enable", "users").sync_enabled


@pytest.mark.usefixtures("configured")
def test_column_rules_are_what_the_engine_reads() -> None:
    row = changed("set", "users", "ignore=last_login, token", "no_conflict=seen")
    assert row.column_rules == {"ignore": ["last_login", "token"], "no_conflict": ["seen"]}
    with connections["local"].cursor() as cursor:
        cursor.execute("SELECT column_rules FROM db_sync_config")
        assert json.loads(cursor.fetchone()[0]) == row.column_rules
    assert changed("set", "users", "ignore=", "no_conflict=").column_rules is None


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("set", "users", "type=half"), "CFG_002"),
        (("set", "users", "direction=UP"), "CFG_004"),
        (("set", "users", "priority=high"), "CFG_002"),
        (("set", "users", "colour=red"), "CFG_002"),
        (("set", "users", "priority=1", "enabled=perhaps"), "CFG_002"),
        (("enable", "nobody"), "CFG_003"),
        (("set", "users", "ignore=nowhere"), "CFG_002"),
    ],
)
def test_what_is_not_allowed_changes_nothing(words: tuple[str, ...], code: str) -> None:
    before = SyncConfig.objects.values().get()
    with pytest.raises(CommandError, match=code) as raised:
        call_command("sync_config", *words)
    assert raised.value.returncode == 2
    assert SyncConfig.objects.values().get() == before


@pytest.mark.usefixtures("configured")
def test_list_shows_rules() -> None:
    changed("set", "users", "ignore=a")
    out = io.StringIO()
    call_command("sync_config", "list", stdout=out)
    assert "users" in out.getvalue()
    assert "ignore=a" in out.getvalue()


@pytest.mark.usefixtures("configured")
def test_enable_registers_a_table_as_the_first_run_would(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DB_REMOTE_ENGINE", "sqlite")
    monkeypatch.setenv("DB_REMOTE_NAME", str(tmp_path / "remote.sqlite3"))
    monkeypatch.setenv("DB_LOCAL_ENGINE", "sqlite")
    monkeypatch.setenv("DB_LOCAL_NAME", str(tmp_path / "local.sqlite3"))
    monkeypatch.setenv("DB_SYNC_CONFLICT", "MANUAL")
    with connections["remote"].cursor() as cursor:
        cursor.execute("CREATE TABLE fresh (id INTEGER PRIMARY KEY)")
    call_command("sync_config", "enable", "fresh", stdout=io.StringIO())
    row = SyncConfig.objects.get(table_name="fresh")
    assert (row.sync_enabled, row.conflict_resolution) == (True, "MANUAL")
    call_command("sync_config", "set", "*", "conflict=SKIP", stdout=io.StringIO())
    SyncConfig.objects.get(table_name="fresh").delete()
    call_command("sync_config", "set", "fresh", "priority=3", stdout=io.StringIO())
    row = SyncConfig.objects.get(table_name="fresh")
    assert (row.conflict_resolution, row.priority) == ("SKIP", 3)


@pytest.mark.usefixtures("files")
def test_what_is_missing_is_said() -> None:
    with pytest.raises(CommandError, match="run migrate"):
        call_command("sync_config", "list")
    connections["local"].close()
    connections["local"].settings_dict["NAME"] = "/nowhere/at/all.sqlite3"
    with pytest.raises(CommandError, match="LOCAL cannot be reached"):
        call_command("sync_config", "list")
