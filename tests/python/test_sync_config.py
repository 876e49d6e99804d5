import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import translation

from db_sync import _native, engine
from db_sync.models import SyncConfig

OLDER = """\
synchronization:
  interval: 300
  sync_tables:
    - users
    - name: fresh
      priority: 4
      sync_type: full
"""


@pytest.fixture
def sides(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files of which both Django and the engine know."""
    monkeypatch.chdir(files)
    for side in ("REMOTE", "LOCAL"):
        monkeypatch.setenv(f"DB_{side}_ENGINE", "sqlite")
        monkeypatch.setenv(f"DB_{side}_NAME", str(files / f"{side.lower()}.sqlite3"))
    return files


@pytest.fixture
def configured(sides: Path) -> Path:
    call_command("migrate", "db_sync", database="local", verbosity=0)
    with connections["local"].cursor() as cursor:
        columns = "last_login, token, seen, a"
        cursor.execute(f"CREATE TABLE users (id INTEGER PRIMARY KEY, {columns})")
    with connections["remote"].cursor() as cursor:
        cursor.execute("CREATE TABLE fresh (id INTEGER PRIMARY KEY)")
    SyncConfig.objects.create(table_name="users")
    return sides


def told(*words: str) -> str:
    out = io.StringIO()
    call_command("sync_config", *words, stdout=out)
    return out.getvalue()


def refused(*words: str) -> CommandError:
    with pytest.raises(CommandError) as raised:
        told(*words)
    return raised.value


def changed(*words: str, said: str = "changed") -> SyncConfig:
    assert told(*words) == f"users is {said}.\n"
    row: SyncConfig = SyncConfig.objects.get(table_name="users")
    return row


def rows() -> list[dict[str, Any]]:
    return list(SyncConfig.objects.values())


@pytest.mark.usefixtures("configured")
def test_set_changes_every_key() -> None:
    row = changed(
        "set", "users", "type=full", "direction=remote_to_local", "conflict=manual", "priority=-3"
    )
    assert (row.sync_type, row.sync_direction) == ("FULL", "REMOTE_TO_LOCAL")
    assert (row.conflict_resolution, row.priority, row.column_rules) == ("MANUAL", -3, None)
    assert not changed("disable", "users", said="disabled").sync_enabled
    assert changed("enable", "users", said="enabled").sync_enabled


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
        (("enable", "db_sync_log"), "CFG_002"),
        (("import", "nowhere.yaml"), "CFG_002"),
    ],
)
def test_what_is_not_allowed_changes_nothing(words: tuple[str, ...], code: str) -> None:
    before = rows()
    error = refused(*words)
    assert str(error).startswith(code)
    assert error.returncode == 2
    assert rows() == before


@pytest.mark.usefixtures("configured")
def test_list_shows_greater_priority_first_and_rules() -> None:
    changed("set", "users", "ignore=a,seen")
    SyncConfig.objects.create(table_name="zebras", priority=5, sync_enabled=False)
    assert told("list").splitlines() == [
        f"{'zebras':<32}  off  INCREMENTAL  BOTH  REMOTE_WINS  priority=5",
        f"{'users':<32}  on  INCREMENTAL  BOTH  REMOTE_WINS  priority=0  ignore=a,seen",
    ]
    listing = json.loads(told("list", "--json"))
    assert listing == engine.list_tables()
    assert listing["tables"][1] == {
        "table": "users",
        "enabled": True,
        "type": "INCREMENTAL",
        "direction": "BOTH",
        "conflict": "REMOTE_WINS",
        "priority": 0,
        "ignore": ["a", "seen"],
        "no_conflict": [],
    }


@pytest.mark.usefixtures("configured")
def test_a_row_that_cannot_be_understood_is_told_beside_the_others() -> None:
    SyncConfig.objects.create(table_name="bent", sync_direction="UP")
    out = io.StringIO()
    with pytest.raises(CommandError, match="CFG_004") as raised:
        call_command("sync_config", "list", stdout=out)
    assert raised.value.returncode == 2
    assert out.getvalue().startswith("users ")
    assert "CFG_004" in str(refused("export"))


@pytest.mark.usefixtures("configured")
def test_enable_registers_a_table_as_the_first_run_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_SYNC_CONFLICT", "MANUAL")
    told("enable", "fresh")
    row = SyncConfig.objects.get(table_name="fresh")
    assert (row.sync_enabled, row.conflict_resolution) == (True, "MANUAL")
    told("set", "*", "conflict=SKIP")
    SyncConfig.objects.get(table_name="fresh").delete()
    told("set", "fresh", "priority=3")
    row = SyncConfig.objects.get(table_name="fresh")
    assert (row.conflict_resolution, row.priority) == ("SKIP", 3)


def test_a_file_of_the_older_setup_is_imported(configured: Path) -> None:
    (configured / "older.yaml").write_text(OLDER)
    SyncConfig.objects.create(table_name="kept")
    SyncConfig.objects.filter(table_name="users").update(sync_enabled=False)
    before = rows()
    shown = told("import", "older.yaml", "--dry-run").splitlines()
    assert rows() == before
    settings = "enabled true, type FULL, direction BOTH, conflict REMOTE_WINS, priority 4"
    assert shown == [
        "users: enabled false → true",
        f"fresh: registered, {settings}",
        "older.yaml, line 2: synchronization.interval is not taken; for all tables alike, "
        "DB_SYNC_INTERVAL in .env says it.",
        "Tables that the file does not list stay as they are: kept.",
        "2 table(s) would be changed, 0 as they were",
    ]
    taken = told("import", "older.yaml").splitlines()
    assert taken == [*shown[:-1], "2 table(s) changed, 0 as they were"]
    row = SyncConfig.objects.get(table_name="fresh")
    assert (row.sync_type, row.priority, row.sync_enabled) == ("FULL", 4, True)
    assert SyncConfig.objects.get(table_name="users").sync_enabled
    told("set", "users", "ignore=seen,a")
    (configured / "ours.yaml").write_text("tables: [{table: users, ignore: [], no_conflict: [a]}]")
    assert told("import", "ours.yaml").startswith("users: ignore seen,a → -, no_conflict - → a\n")
    report = json.loads(told("import", "older.yaml", "--json"))
    assert (report["tables"], report["unchanged"], report["exit_code"]) == ([], 2, 0)


def test_an_import_tells_every_mistake_and_changes_nothing(configured: Path) -> None:
    entries = "{table: users, priority: 7}, {table: fresh, type: half}, nobody, {ignore: a}"
    (configured / "f.yaml").write_text(f"tables: [{entries}]\n")
    before = rows()
    error = refused("import", "f.yaml")
    assert error.returncode == 2
    codes = [line[:7] for line in str(error).splitlines() if line.startswith("CFG_")]
    assert codes == ["CFG_002", "CFG_002", "CFG_003"]
    assert rows() == before
    report = engine.import_tables(configured / "f.yaml")
    assert [failure["code"] for failure in report["errors"]] == codes
    assert (report["tables"], report["exit_code"]) == ([], 2)


def test_what_is_exported_is_imported_to_the_same_rows(configured: Path) -> None:
    names = ['it\'s "so": [x]', "- two\n# lines", "null", "表 😀", "-x --json"]
    with closing(connections["local"].cursor()) as cursor:
        for name in names:
            quoted = connections["local"].ops.quote_name(name.replace('"', '""'))
            cursor.execute(f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY)")
    for at, name in enumerate(names):
        told("set", "--", name, f"priority={at}", "type=FULL", "enabled=no")
    told("set", "users", "no_conflict=token,seen", "ignore=a", "direction=LOCAL_TO_REMOTE")
    fields = [field.name for field in SyncConfig._meta.fields]
    kept = [name for name in fields if not name.endswith("_at") and name != "id"]
    before = list(SyncConfig.objects.order_by("table_name").values(*kept))
    assert {row["table_name"] for row in before} == {*names, "users"}
    for flags in ([], ["--json"]):
        (configured / "f.yaml").write_text(told("export", *flags))
        SyncConfig.objects.all().delete()
        told("import", "f.yaml")
        assert list(SyncConfig.objects.order_by("table_name").values(*kept)) == before


def test_the_native_writer_takes_what_export_prints_and_nothing_else() -> None:
    exported = {"tables": [{"table": "t", "enabled": True, "ignore": ["a b"]}]}
    assert _native.config_document(json.dumps(exported)).splitlines()[1:] == [
        "tables:",
        "- table: t",
        "  enabled: true",
        '  ignore: ["a b"]',
    ]
    for wrong in ("", "[]", '{"tables": 1}', '{"tables": [{"table": "t", "colour": 1}]}'):
        with pytest.raises(ValueError, match="line 1"):
            _native.config_document(wrong)


def test_an_environment_file_may_be_named(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {}
    for side in ("REMOTE", "LOCAL"):
        for key in ("ENGINE", "NAME"):
            monkeypatch.delenv(f"DB_{side}_{key}")
        names[f"DB_{side}_ENGINE"] = "sqlite"
        names[f"DB_{side}_NAME"] = str(configured / f"{side.lower()}.sqlite3")
    assert "CFG_001" in str(refused("list"))
    path = configured / "elsewhere.env"
    path.write_text("".join(f"{key}={value}\n" for key, value in names.items()))
    told("set", f"--env-file={path}", "users", "priority=8")
    assert SyncConfig.objects.get(table_name="users").priority == 8


@pytest.mark.usefixtures("configured")
def test_it_speaks_chinese() -> None:
    with translation.override("zh-hans"):
        assert told("disable", "users") == "users 已禁用。\n"
        assert told("enable", "users") == "users 已启用。\n"
        assert told("set", "users", "priority=1") == "users 已更改。\n"
        assert "两端都没有表 nobody" in str(refused("enable", "nobody"))


def test_what_is_missing_is_said(sides: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connections["local"].ensure_connection()
    error = refused("list")
    assert "migrate --database local" in str(error)
    assert error.returncode == 1
    failure = pytest.raises(CommandError, told, "list", "--json").value
    assert failure.returncode == 1
    monkeypatch.setenv("DB_LOCAL_NAME", str(sides / "nowhere.sqlite3"))
    error = refused("list")
    assert str(error).startswith("DB_CONN_004")
    assert error.returncode == 1


@pytest.mark.usefixtures("sides")
def test_without_tables_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("migrate", "db_sync", database="local", verbosity=0)
    call_command("sync_config", "list")
    assert capsys.readouterr() == (
        "",
        "No table is configured yet: the first sync_db registers them.\n",
    )
