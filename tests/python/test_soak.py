"""The soak's checker must be able to fail; and a few short histories, on every pairing."""

import json
import os
import stat
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest

from passwords import HIDDEN
from soak import __main__ as soak
from soak import script, syncs
from soak.campaign import pairing_of, script_of
from soak.kept import Conflict, Undo
from soak.ledger import Deed
from soak.lines import ServerDatabase
from soak.pairings import PAIRINGS
from soak.syncs import Ran
from soak.tables import TABLES, Row, Side
from soak.verdict import Evidence, Fault, judge

REMOTE, LOCAL = Side.REMOTE, Side.LOCAL
KEY = (1,)


def row(token: int, payload: str = "tea") -> Row:
    return {"id": 1, "token": token, "previous": None, "payload": payload}


def deed(
    side: Side, token: int | None, found: int | None = None, *, certain: bool = True, order: int = 0
) -> Deed:
    """One that writes the version of a token, or deletes."""
    version = None if token is None else row(token)
    return Deed(side, "numbers", KEY, found, version, order or token or 0, certain, 1)


KILLED = script.Trouble(script.Kind.KILL, REMOTE, at=1, harder=False, held=0)


def ran(
    code: int = 0, written: int = 0, said: str = "", trouble: script.Trouble | None = None
) -> Ran:
    ways = {
        "remote_to_local": {"inserted": written, "updated": 0, "deleted": 0},
        "local_to_remote": {"inserted": 0, "updated": 0, "deleted": 0},
    }
    report = {"run_id": "5f3a", "tables": [{"verified": True, **ways}], "errors": []}
    return Ran(("--direction", "BOTH"), code, report, said, trouble)


def conflict(
    remote: Row | None, local: Row | None, state: str = "PENDING", **more: str | None
) -> Conflict:
    strategy, winner = more.get("strategy") or "MANUAL", more.get("winner")
    rows = {REMOTE: remote, LOCAL: local}
    return Conflict(1, "numbers", KEY, "update/update", strategy, state, winner, rows)


def left(
    remote: Row | None,
    local: Row | None,
    deeds: Sequence[Deed],
    undos: Sequence[Undo] = (),
    conflicts: Sequence[Conflict] = (),
    *,
    runs: Sequence[Ran] = (),
    settled: Ran | None = None,
    again: Sequence[Ran] = (),
) -> list[Fault]:
    """What is wrong where this is left of one row."""
    held = {REMOTE: remote, LOCAL: local}
    rows = {side: {"numbers": [one] if one else []} for side, one in held.items()}
    settled = settled or ran(0 if remote == local else 3)
    evidence = Evidence(deeds, rows, undos, conflicts, runs, settled, again)
    return [finding.fault for finding in judge(evidence)]


def test_a_version_that_both_sides_hold_is_not_lost() -> None:
    assert left(row(1), row(1), [deed(REMOTE, 1)]) == []


def test_a_version_that_is_nowhere_is_a_loss() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, 2)]
    assert left(row(1), row(1), deeds) == [Fault.LOSS]


def test_an_application_on_the_same_side_may_replace_a_version() -> None:
    deeds = [deed(REMOTE, 1), deed(REMOTE, 2, found=1)]
    assert left(row(2), row(2), deeds) == []


def test_an_application_that_found_something_else_has_not_replaced_it() -> None:
    """The sync had taken it away before, and the later write does not make that good."""
    deeds = [deed(LOCAL, 1), deed(REMOTE, 2), deed(LOCAL, 3, found=2), deed(REMOTE, 4, found=3)]
    undos = [Undo(REMOTE, "numbers", row(2))]
    assert left(row(4), row(4), deeds, undos) == [Fault.LOSS, Fault.LOSS]
    undos += [Undo(LOCAL, "numbers", row(1)), Undo(LOCAL, "numbers", row(3))]
    assert left(row(4), row(4), deeds, undos) == []


def test_an_application_on_the_other_side_replaces_nothing_here() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, 2, found=1)]
    assert left(row(2), row(2), deeds) == [Fault.LOSS]
    assert left(row(2), row(2), deeds, [Undo(REMOTE, "numbers", row(1))]) == []


def test_what_is_kept_for_the_other_side_alone_is_lost_here() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, 2)]
    assert left(row(2), row(2), deeds, [Undo(LOCAL, "numbers", row(1))]) == [Fault.LOSS]


def test_a_conflict_keeps_the_version_that_lost() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, 2)]
    kept = conflict(row(1), row(2), "RESOLVED", strategy="REMOTE_WINS", winner="REMOTE")
    assert left(row(1), row(1), deeds, conflicts=[kept]) == []
    # The one that won was to stay.
    assert left(None, None, deeds, conflicts=[kept]) == [Fault.LOSS]


def test_a_version_that_is_kept_with_another_cell_is_not_what_was_written() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, 2)]
    undos = [Undo(LOCAL, "numbers", row(2, "coffee"))]
    assert left(row(1), row(1), deeds, undos) == [Fault.STRANGE]


def test_a_row_that_nobody_wrote_is_found() -> None:
    assert left(row(9), row(9), []) == [Fault.STRANGE, Fault.STRANGE]
    assert left(row(1, "mix"), row(1), [deed(REMOTE, 1)]) == [Fault.STRANGE, Fault.UNEQUAL]


def test_an_unknown_write_need_not_be_there_but_may() -> None:
    unknown = deed(REMOTE, 2, found=1, certain=False)
    assert left(row(1), row(1), [deed(REMOTE, 1), unknown]) == []
    assert left(row(2), row(2), [deed(REMOTE, 1), unknown]) == []
    # Whichever of the two was there, it is gone.
    assert left(None, None, [deed(REMOTE, 1), unknown]) == [Fault.LOSS]


def test_sides_that_differ_need_a_conflict_that_says_so() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, 2)]

    def judged(*conflicts: Conflict) -> list[Fault]:
        return left(row(1), row(2), deeds, conflicts=conflicts)

    assert judged() == [Fault.UNEQUAL]
    assert judged(conflict(row(1), row(2))) == []
    assert judged(conflict(row(1), row(2), "RESOLVED", strategy="SKIP")) == []
    decided = conflict(row(1), row(2), "RESOLVED", strategy="LOCAL_WINS", winner="LOCAL")
    assert judged(decided) == [Fault.UNEQUAL]
    assert judged(conflict(row(1), None)) == [Fault.UNEQUAL]


def test_the_exit_status_is_compared_with_the_rows() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, 2)]
    conflicts = [conflict(row(1), row(2))]
    assert left(row(1), row(2), deeds, conflicts=conflicts, settled=ran(0)) == [Fault.EXIT]
    assert left(row(1), row(1), deeds[:1], settled=ran(3)) == [Fault.EXIT]


def test_a_further_run_that_writes_is_found() -> None:
    deeds = [deed(REMOTE, 1)]
    assert left(row(1), row(1), deeds, again=[ran(0, written=1)]) == [Fault.RESTLESS]
    assert left(row(1), row(1), deeds, again=[ran(3)]) == [Fault.RESTLESS]
    assert left(row(1), row(1), deeds, again=[ran(0)]) == []


def test_a_sync_that_does_not_end_well_is_found() -> None:
    deeds = [deed(REMOTE, 1)]
    assert left(row(1), row(1), deeds, settled=ran(1)) == [Fault.EXIT, Fault.ENDLESS]
    panic = ran(101, said="thread 'main' panicked at", trouble=KILLED)
    assert left(row(1), row(1), deeds, runs=[panic]) == [Fault.BROKEN]
    mute = Ran((), 0, None, "")
    assert left(row(1), row(1), deeds, runs=[mute]) == [Fault.BROKEN]


def test_a_run_that_waits_for_nobody_is_found() -> None:
    locked = [ran(4, trouble=KILLED)]
    assert left(row(1), row(1), [deed(REMOTE, 1)], runs=locked) == [Fault.LOCKED]


def test_a_deletion_that_is_undone_without_a_word_is_found() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, None, found=1, order=2)]
    assert left(row(1), row(1), deeds) == [Fault.DELETION]
    ended = [ran(-9, trouble=KILLED)]
    assert left(row(1), row(1), deeds, runs=ended) == [Fault.REVIVED]
    # It lost a conflict against a version made from the one that it deleted.
    deeds.append(deed(REMOTE, 3, found=1))
    assert left(row(3), row(3), deeds) == [Fault.DELETION]
    kept = conflict(row(3), None, "RESOLVED", strategy="REMOTE_WINS", winner="REMOTE")
    assert left(row(3), row(3), deeds, conflicts=[kept]) == []


def test_a_key_may_be_used_again_after_a_deletion() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, None, found=1, order=2)]
    undos = [Undo(REMOTE, "numbers", row(1))]
    assert left(row(3), row(3), [*deeds, deed(REMOTE, 3)], undos) == []


def test_a_version_that_wins_over_its_own_successor_is_told_of() -> None:
    deeds = [deed(REMOTE, 1), deed(LOCAL, 2, found=1)]
    kept = conflict(row(1), row(2), "RESOLVED", strategy="REMOTE_WINS", winner="REMOTE")
    assert left(row(1), row(1), deeds, conflicts=[kept]) == [Fault.SPURIOUS]
    ended = [ran(-9, trouble=KILLED)]
    assert left(row(1), row(1), deeds, conflicts=[kept], runs=ended) == [Fault.OVERTAKEN]


def test_a_seed_and_a_number_say_what_a_history_will_be() -> None:
    written = [script.write(7, number, list(Side), restarts=False) for number in (1, 1, 2)]
    assert written[0] == written[1] != written[2]


def test_a_file_has_faults_of_its_own() -> None:
    kinds: dict[Side, set[script.Kind]] = {side: set() for side in Side}
    for number in range(400):
        for step in script.write(7, number, [REMOTE], restarts=False).steps:
            if step.trouble:
                kinds[step.trouble.side].add(step.trouble.kind)
    names = ("KILL", "KILL_AT_COMMIT", "TERM", "RIVAL", "HOLD")
    assert kinds[LOCAL] == {script.Kind[name] for name in names}
    assert kinds[REMOTE] == {*script.Kind} - {script.Kind.HOLD, script.Kind.RESTART}


def test_servers_restart_in_every_pairing_that_has_some() -> None:
    numbers = range(200)
    restarted = {pairing_of(at).name: script_of(7, at).restarted for at in numbers}
    able = {name for name, pairing in PAIRINGS.items() if pairing.servers}
    assert {pairing_of(at).name for at in numbers if script_of(7, at).restarted} == able
    assert restarted.keys() - able == {"sqlite-sqlite"}


@pytest.mark.shows_passwords("a program that is there to do so")
def test_a_run_that_shows_a_password_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os, sys; sys.exit(os.environ['DB_LOCAL_PASSWORD'])"
    monkeypatch.setattr(syncs, "PROGRAM", install(tmp_path, code))
    monkeypatch.setattr(syncs, "patience", tuple)
    sides = {side: ServerDatabase("127.0.0.1", 1, "user", "in no text", "name") for side in Side}
    shown = syncs.sync(sides, {}, (), tmp_path)
    assert (shown.shown, shown.said.strip()) == (True, HIDDEN)
    assert "in no text" not in repr(sides)
    assert left(row(1), row(1), [deed(REMOTE, 1)], runs=[shown]) == [Fault.SHOWN]


def install(folder: Path, code: str) -> Path:
    """Puts a program into a folder that is to be taken for `db-sync`."""
    program = folder / "db-sync"
    program.write_text(f"#!{sys.executable}\n{textwrap.dedent(code)}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


FORGETFUL = """
    import os, sqlite3, sys
    file = os.environ.get("DB_LOCAL_NAME", ":memory:")
    with sqlite3.connect(file) as line:
        tables = {{name for (name,) in line.execute("SELECT name FROM sqlite_master")}}
        for table in tables & {{"db_sync_undo", "db_sync_conflict"}}:
            line.execute(f"DELETE FROM {{table}} WHERE {forgotten}")
    line.close()
    os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""


@pytest.mark.parametrize(
    ("pairing", "forgotten"), [("mariadb-sqlite", "1"), ("sqlite-sqlite", "id % 2")]
)
def test_a_sync_that_forgets_what_it_overwrote_is_caught(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pairing: str,
    forgotten: str,
) -> None:
    honest = Path(sys.executable).with_name("db-sync")
    program = install(tmp_path, FORGETFUL.format(program=str(honest), forgotten=forgotten))
    monkeypatch.setenv("DB_SYNC_SOAK_PROGRAM", str(program))
    # Where files of histories stay that went wrong.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    status = soak.main(["--seed", "7", "--pairing", pairing, "--histories", "3"])
    told = capsys.readouterr()
    assert status == 1
    assert json.loads(told.out)["losses"] > 0
    assert Fault.LOSS.value in told.err


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_a_few_histories_lose_nothing(pairing: str, capsys: pytest.CaptureFixture[str]) -> None:
    reason = os.environ.get("DB_SYNC_TEST_MYSQL_SKIPPED")
    if reason and "mysql" in pairing:
        pytest.skip(reason)
    status = soak.main(["--seed", "7", "--pairing", pairing, "--histories", "5"])
    told = capsys.readouterr()
    assert status == 0, told.err
    sums = json.loads(told.out)
    assert sums["histories"] == {pairing: 5}
    assert sums["syncs"] > len(TABLES)
