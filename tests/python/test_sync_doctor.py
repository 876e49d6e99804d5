"""`manage.py sync_doctor` on the example shop, with real clusters of Django Q2 and a real Redis."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

import db_sync
from db_sync.diagnosis import Diagnosis, Symptom
from db_sync.report import Note
from db_sync.surroundings import symptoms
from example_shop import Site
from queued_shop import QueuedShop, redis, until

ROOT = Path(__file__).parents[2]
DOCUMENTED = re.compile(r"^\| `([A-Z]+_[0-9]+)` \| (error|warning|note) \|", re.MULTILINE)
RAISED = re.compile(r'"(DOC_1[0-9]{2})", "(\w+)"')
ORM = {"orm": "default"}
ON = {"DB_SYNC_ENABLED": "True"}


@pytest.fixture
def shop(new: Site) -> QueuedShop:
    """A shop with Django Q2's tables, whose automatic syncs are on; nothing is scheduled yet."""
    shop = QueuedShop(new.folder, ORM, ON)
    shop.manage("migrate", "django_q", "--verbosity=0")
    return shop


@pytest.fixture
def scheduled(shop: QueuedShop) -> QueuedShop:
    shop.manage("sync_scheduler", "enable")
    return shop


def diagnosis(shop: QueuedShop, *flags: str, status: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        shop.manage("sync_doctor", "--json", *flags, status=status).stdout
    )
    return answer


def queue(shop: QueuedShop, status: int = 0) -> dict[str, dict[str, Any]]:
    """What only Django knows, by code."""
    findings = diagnosis(shop, status=status)["findings"]
    ours = ("DOC_1", "db_sync.")
    return {one["code"]: one for one in findings if one["code"].startswith(ours)}


def carry_out(shop: QueuedShop, finding: dict[str, Any]) -> None:
    """Runs a finding's command as it stands."""
    python, script, *words = shlex.split(finding["command"])
    assert (python, script) == ("python", "manage.py")
    shop.manage(*words)


def test_every_code_is_documented_with_its_level() -> None:
    source = (ROOT / "python/db_sync/surroundings.py").read_text()
    told = set(RAISED.findall(source))
    page = (ROOT / "docs/doctor.md").read_text()
    documented = set(DOCUMENTED.findall(page))
    assert len(told) > 5
    assert told == {(code, level) for code, level in documented if code.startswith("DOC_1")}


def test_a_schedule_that_is_missing_is_made_by_the_command(shop: QueuedShop) -> None:
    assert set(queue(shop)) == {"DOC_102"}
    carry_out(shop, queue(shop)["DOC_102"])
    # Whether a cluster is running cannot be seen by a cache of each process's own.
    assert set(queue(shop)) == {"DOC_108"}
    shop.settings = {"DB_SYNC_ENABLED": "False"}
    assert set(queue(shop)) == {"DOC_103"}
    carry_out(shop, queue(shop)["DOC_103"])
    assert queue(shop) == {}


def test_a_schedule_that_is_old_or_overdue(scheduled: QueuedShop) -> None:
    scheduled.settings = {**ON, "DB_SYNC_INTERVAL": "7"}
    old = queue(scheduled)["DOC_104"]
    assert old["names"] == {"minutes": "7", "scheduled": "60"}
    carry_out(scheduled, old)
    assert "DOC_104" not in queue(scheduled)
    scheduled.query("remote", "UPDATE django_q_schedule SET next_run = '2026-01-06 14:30:00'")
    overdue = queue(scheduled)["DOC_105"]
    assert "2026-01-06 14:30:00" in overdue["message"]
    assert overdue["command"] == "python manage.py qcluster"
    with scheduled.clusters():
        until(lambda: "DOC_105" not in queue(scheduled), "a cluster looks")


def test_schedules_that_sync_too_are_removed_by_the_command(shop: QueuedShop) -> None:
    shop.settings = {}
    # Whatever DB_SYNC_ENABLED says, these fire.
    old = "INSERT INTO django_q_schedule (name, func, args, schedule_type, repeats) VALUES "
    shop.query(
        "remote",
        f"{old} ('nightly', 'django.core.management.call_command', ?, 'D', -1)",
        "'sync_db'",
    )
    shop.query("remote", f"{old} ('gone', 'db_sync.services.run', '', 'D', -1)")
    found = queue(shop)
    assert set(found) == {"DOC_109", "DOC_110"}
    assert found["DOC_109"]["names"] == {
        "name": "nightly",
        "id": "1",
        "function": "django.core.management.call_command sync_db",
    }
    carry_out(shop, found["DOC_109"])
    assert set(queue(shop)) == {"DOC_110"}
    carry_out(shop, found["DOC_110"])
    assert queue(shop) == {}


def test_a_queue_whose_database_is_away_is_not_migrated(shop: QueuedShop) -> None:
    remote = shop.folder / "remote.sqlite3"
    remote.unlink()
    remote.mkdir()
    away = queue(shop, status=1)["DOC_101"]
    assert "cannot be reached: unable to open database file" in away["message"]
    assert away["command"] == "python manage.py db_env status"


def test_tables_of_the_queue_that_are_missing(new: Site) -> None:
    shop = QueuedShop(new.folder, ORM, ON)
    missing = queue(shop, status=1)["DOC_101"]
    assert "django_q_schedule" in missing["message"]
    carry_out(shop, missing)
    assert set(queue(shop)) == {"DOC_102"}
    # A project that does not want automatic syncs may do without.
    shop.query("remote", "DROP TABLE django_q_schedule")
    shop.settings = {}
    assert queue(shop) == {}


def test_clusters_on_redis(scheduled: QueuedShop, tmp_path: Path) -> None:
    with redis(tmp_path) as settings:
        scheduled.cluster = settings
        assert set(queue(scheduled)) == {"DOC_107"}
        with scheduled.clusters():
            until(lambda: queue(scheduled) == {}, "the cluster is seen")
    address = f"127.0.0.1:{settings['redis']['port']}"
    gone = queue(scheduled, status=1)["DOC_106"]
    assert gone["message"] == (
        f"The queue of Django Q2, Redis {address}, does not answer (ConnectionRefusedError)."
    )
    port = settings["redis"]["port"]
    assert gone["command"] == f"redis-cli -h 127.0.0.1 -p {port} ping"


def test_the_queues_password_is_told_to_nobody(scheduled: QueuedShop) -> None:
    scheduled.cluster = {"redis": "redis://somebody:kw4gga@127.0.0.1:1/0"}
    for flags in ([], ["--json"]):
        told = scheduled.manage("sync_doctor", *flags, status=1)
        assert "Redis 127.0.0.1:1" in told.stdout
        assert "kw4gga" not in told.stdout + told.stderr


def test_clusters_by_a_cache_that_processes_share(scheduled: QueuedShop) -> None:
    cache = {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache"}
    cache["LOCATION"] = str(scheduled.folder / "cache")
    scheduled.settings = {**ON, "SHOP_CACHE": json.dumps(cache)}
    assert set(queue(scheduled)) == {"DOC_107"}
    with scheduled.clusters():
        until(lambda: queue(scheduled) == {}, "the cluster is seen")


def test_system_checks_are_among_the_findings(scheduled: QueuedShop) -> None:
    scheduled.cluster = {**ORM, "timeout": 100, "retry": 90}
    check = queue(scheduled)["db_sync.W001"]
    assert (check["level"], check["side"]) == ("warning", None)
    assert "retry (90)" in check["message"]
    assert "retry to more" in check["hint"]["message"]
    scheduled.settings = {**ON, "SHOP_SILENCED": "db_sync.W001"}
    assert "db_sync.W001" not in queue(scheduled)


def test_a_check_is_not_told_again_where_the_engine_has_told_it(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.INSTALLED_APPS = ["db_sync"]
    found = [
        checks.Warning("open", id="db_sync.W008"),
        checks.Error("broken", hint="Mend it.", id="db_sync.E009"),
        checks.Error("of somebody else", id="shop.E001"),
    ]
    monkeypatch.setattr(checks, "run_checks", lambda: found)
    told = [(one.code, one.level) for one in symptoms()]
    assert told == [("db_sync.W008", "warning"), ("db_sync.E009", "error")]
    known = [Symptom("DOC_008", "warning", "open")]
    (only,) = symptoms(known)
    assert (only.message, only.hint) == ("broken", Note("Mend it."))


def test_the_schedules_own_settings_file_that_is_gone(shop: QueuedShop) -> None:
    other = shop.folder / "other.env"
    other.write_text((shop.folder / ".env").read_text())
    shop.manage("sync_scheduler", "enable", "--env-file", "other.env")
    other.unlink()
    answer = diagnosis(shop, status=1)
    (gone,) = [one for one in answer["findings"] if one["level"] == "error"]
    assert gone["code"] == "CFG_002"
    assert "other.env does not exist" in gone["message"]
    assert "--env-file" in gone["hint"]["message"]


def test_the_file_that_the_flag_names_is_compared_with_the_schedule(scheduled: QueuedShop) -> None:
    text = (scheduled.folder / ".env").read_text()
    (scheduled.folder / "other.env").write_text(f"{text}\nDB_SYNC_INTERVAL=7\n")
    assert "DOC_104" not in queue(scheduled)
    found = diagnosis(scheduled, "--env-file", "other.env")["findings"]
    [old] = [one for one in found if one["code"] == "DOC_104"]
    assert old["names"] == {"minutes": "7", "scheduled": "60"}


def test_what_was_mended_is_said_in_the_projects_language(new: Site) -> None:
    new.query("local", "DROP TABLE db_sync_lease")
    shop = QueuedShop(new.folder, ORM, {"SHOP_LANGUAGE": "zh-hans"})
    looked = shop.manage("sync_doctor").stdout
    assert "警告 DOC_010 LOCAL: LOCAL 上同步自身的表属于较旧的版本（db_sync_lease）" in looked
    mended = shop.manage("sync_doctor", "--fix").stdout
    assert "    已修复：已创建或升级：db_sync_lease。" in mended
    again = shop.manage("sync_doctor", "--fix").stdout
    assert "DOC_010" not in again
    assert "已修复 0" in again


def test_the_command_and_the_function_tell_the_same(
    new: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without Django Q2 nothing is left to Django but its checks.
    told = json.loads(new.manage("sync_doctor", "--json").stdout)
    monkeypatch.chdir(new.folder)
    here = db_sync.diagnose().as_dict()
    for answer in (told, here):
        for side in answer["sides"].values():
            del side["free_bytes"]
    assert here == told
    assert told["sides"]["local"]["address"] == "local.sqlite3"


def test_a_side_that_is_not_there_is_a_finding(new: Site) -> None:
    (new.folder / "remote.sqlite3").unlink()
    done = new.manage("sync_doctor", status=1)
    assert "REMOTE: not reached" in done.stdout
    assert "error DB_CONN_004 REMOTE: The SQLite file of REMOTE" in done.stdout
    assert "Something stops a sync." in done.stderr
    assert "LOCAL: SQLite 3" in done.stdout


def test_wrong_settings_end_the_command(new: Site) -> None:
    (new.folder / "wrong.env").write_text("DB_SYNC_TYPE=HALF\n")
    done = new.manage("sync_doctor", "--json", "--env-file", "wrong.env", status=2)
    assert json.loads(done.stdout)["error"]["code"] == "CFG_001"


@pytest.fixture
def plain() -> Diagnosis:
    sides = {"remote": None, "local": None}
    return Diagnosis.from_dict({"sides": sides, "findings": [], "exit_code": 0})


def test_findings_are_put_in_order_and_decide_the_exit_code(plain: Diagnosis) -> None:
    note, error = Symptom("DOC_016", "note", "n"), Symptom("SYS_004", "error", "e")
    both = plain.with_findings([note, error])
    assert [found.code for found in both.findings] == ["SYS_004", "DOC_016"]
    assert (plain.exit_code, both.exit_code) == (0, 1)
    fixed = Symptom("SYS_004", "error", "e", fixed=Note("Done."))
    assert plain.with_findings([fixed]).exit_code == 0
    assert Diagnosis.from_dict(both.as_dict()) == both
