"""Many decisions as a task: each is guarded, and what cannot be decided stays open."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from admin_pages import migrate
from conftest import FAILURE, MISSING, report_data
from db_sync import ConnectionFailed, SyncError, scheduling, tasks
from db_sync.errors import error_from
from db_sync.report import SyncReport
from db_sync.tasks import decide_conflicts
from example_shop import Site

UNREACHABLE = {"code": "DB_CONN_001", "message": "Cannot connect to REMOTE.", "hint": "Check it."}
Answers = dict[int, dict[str, Any] | Exception]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What deciding a conflict answers, by its id; what is not named is decided."""
    told: Answers = {}

    def decide(number: int, *, keep: str, by: str, **options: Any) -> SyncReport:
        assert (keep, by, options) == ("local", "anna", {"seen": f"{number}|-", "env_file": "e"})
        answer = told.get(number, report_data())
        if isinstance(answer, Exception):
            raise answer
        return SyncReport.from_dict(answer)

    monkeypatch.setattr(tasks, "resolve_conflict", decide)
    return told


def decide(*numbers: int) -> dict[str, Any]:
    chosen = [(number, f"{number}|-") for number in numbers]
    return decide_conflicts(chosen, keep="local", by="anna", env_file="e")


def test_all_are_decided(answers: Answers) -> None:
    done = decide(1, 2, 3)
    assert done == {"status": "SUCCESS", "decided": 3, "left": []}
    assert json.loads(json.dumps(done)) == done


@pytest.mark.usefixtures("answers")
def test_the_file_that_the_project_names_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DB_SYNC_ENV_FILE", "e", raising=False)
    assert decide_conflicts([(1, "1|-")], keep="local", by="anna")["decided"] == 1


@pytest.mark.parametrize("status", [3, 4])
def test_rows_that_moved_or_are_held_stay_open(answers: Answers, status: int) -> None:
    answers[2] = report_data(status="PARTIAL", exit_code=status)
    assert decide(1, 2, 3) == {"status": "PARTIAL", "decided": 2, "left": [2]}


def test_one_that_fails_does_not_keep_the_others_back(answers: Answers) -> None:
    answers[1] = report_data(status="FAILED", exit_code=1, errors=[FAILURE])
    answers[2] = error_from(MISSING)
    tried: list[int] = []

    class Noting(dict[str, Any]):
        def __init__(self) -> None:
            super().__init__(report_data())
            tried.append(3)

    answers[3] = Noting()
    with pytest.raises(SyncError) as caught:
        decide(1, 2, 3)
    assert tried == [3]
    assert str(caught.value).split("\n") == [
        "SYNC_001: Table products does not exist on LOCAL.",
        "  Create it.",
        "CFG_001: Not set: DB_REMOTE_NAME.",
        "  Set them.",
    ]


def test_a_side_that_is_away_ends_it(answers: Answers) -> None:
    answers[1] = error_from(UNREACHABLE)
    answers[2] = AssertionError("this one must not be tried")
    with pytest.raises(ConnectionFailed, match="DB_CONN_001"):
        decide(1, 2)


@pytest.mark.usefixtures("files")
def test_they_go_into_the_queue_in_parcels(files: Path) -> None:
    migrate(files)
    chosen = [(number, "x") for number in range(101)]
    assert scheduling.enqueue_decisions(chosen, keep="remote", by="anna") == 3
    queued = [SignedPackage.loads(task.payload) for task in OrmQ.objects.order_by("id")]
    assert [one for task in queued for one in task["args"][0]] == chosen
    # A task that failed is not delivered for ever.
    assert all(task["ack_failure"] for task in queued)
    assert settings.Q_CLUSTER["orm"] == "default"


def test_a_task_decides_conflicts_of_a_real_shop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for price, side in (("1.11", "remote"), ("2.22", "local")):
        site.query(side, "UPDATE shop_product SET price = ? WHERE id IN (3, 4, 5)", price)
    site.sync("--conflict", "manual", status=3)
    listed = json.loads(site.manage("sync_conflicts", "list", "--json").stdout)["conflicts"]
    chosen = [(conflict["id"], conflict["seen"]) for conflict in listed]
    moved = listed[1]["key"]["id"]
    site.query("local", "UPDATE shop_product SET price = 7 WHERE id = ?", moved)
    monkeypatch.chdir(site.folder)
    done = decide_conflicts(chosen, keep="remote", by="anna")
    assert done == {"status": "PARTIAL", "decided": 2, "left": [listed[1]["id"]]}
    both = site.rows("remote"), site.rows("local")
    # Delivered again, it changes nothing more.
    decide_conflicts(chosen, keep="remote", by="anna")
    assert (site.rows("remote"), site.rows("local")) == both
    prices = "SELECT id, price FROM shop_product WHERE id IN (3, 4, 5) ORDER BY id"
    kept = dict(site.query("local", prices))
    assert kept == {**dict(site.query("remote", prices)), moved: 7}
    decided = "SELECT state, winner, resolved_by FROM db_sync_conflict ORDER BY id"
    assert site.query("local", decided) == [
        ("RESOLVED", "REMOTE", "anna"),
        ("PENDING", None, None),
        ("RESOLVED", "REMOTE", "anna"),
    ]
