import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import FILE, RecordedEngine, report_data
from db_sync import ConfigError, LockHeld, SyncError, sync
from db_sync.errors import error_from
from sides import HANGS

Child = Callable[[str], Path]


@pytest.fixture
def child(engine: RecordedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Child:
    """Makes one side a file, and lets a script stand where the child's Python would."""
    engine.sides["local"] = FILE

    def install(code: str) -> Path:
        script, seen = tmp_path / "python", tmp_path / "seen"
        script.write_text(
            f"#!{sys.executable}\n"
            "import json, os, pathlib, signal, sys\n"
            f"seen = pathlib.Path({str(seen)!r})\n"
            "seen.write_text('\\n'.join(sys.argv[1:]))\n" + code
        )
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        return seen

    return install


def test_two_servers_run_in_this_process(engine: RecordedEngine) -> None:
    report = sync(
        sync_type="full",
        tables=["a", "b"],
        force=True,
        env_file=Path("side.env"),
        triggered_by="TEST",
    )
    assert report.run_id == "5f3a"
    assert engine.asked == [
        {
            "sync_type": "full",
            "tables": ["a", "b"],
            "force": True,
            "env_file": "side.env",
            "progress": "never",
            "triggered_by": "TEST",
        }
    ]


def test_what_is_not_given_is_left_to_the_engine(engine: RecordedEngine) -> None:
    sync()
    assert engine.asked == [{"progress": "never", "triggered_by": "MANUAL"}]


def test_one_string_is_no_list_of_tables(engine: RecordedEngine) -> None:
    with pytest.raises(TypeError, match="sequence of table names"):
        sync(tables="products")
    assert engine.asked == []


def test_a_failure_passes_through(engine: RecordedEngine) -> None:
    engine.answer = error_from({"code": "SYNC_009", "message": "Locked.", "table": "products"})
    with pytest.raises(LockHeld) as caught:
        sync()
    assert caught.value.table == "products"


@pytest.mark.parametrize("side", ["remote", "local"])
def test_a_file_on_either_side_means_a_child(
    engine: RecordedEngine, child: Child, side: str
) -> None:
    engine.sides.update({"remote": engine.sides["remote"], "local": engine.sides["remote"]})
    engine.sides[side] = FILE
    seen = child(f"print(json.dumps({report_data()!r}))")
    report = sync(
        sync_type="FULL",
        direction="BOTH",
        tables=["a", "-b"],
        conflict="SKIP",
        capture="digest",
        force=True,
        dry_run=True,
        env_file="side.env",
        progress="auto",
    )
    assert report.tables[0].remote_to_local.inserted == 3
    assert engine.asked == []
    assert seen.read_text().split("\n") == [
        "-m",
        "db_sync",
        "run",
        "--json",
        "--type=FULL",
        "--direction=BOTH",
        "--table=a",
        "--table=-b",
        "--conflict=SKIP",
        "--capture=digest",
        "--force",
        "--dry-run",
        "--env-file=side.env",
        "--progress=auto",
        "--triggered-by=MANUAL",
    ]


def test_the_childs_exit_status_stands_in_where_its_report_has_none(child: Child) -> None:
    data = report_data()
    del data["exit_code"]
    child(f"print(json.dumps({data!r})); sys.exit(3)")
    assert sync().exit_code == 3


def test_the_childs_failure_is_raised_here(child: Child) -> None:
    error = {"code": "CFG_003", "message": "No configuration.", "table": "a", "hint": "Add it."}
    child(f"print(json.dumps({{'error': {error!r}}})); sys.exit(2)")
    with pytest.raises(ConfigError, match=r"CFG_003: No configuration\.") as caught:
        sync()
    assert (caught.value.table, caught.value.hint) == ("a", "Add it.")


def test_a_child_that_dies_is_a_failure_with_a_code(child: Child) -> None:
    child("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(SyncError, match=r"SYNC_005: .* \(exit status -9\)"):
        sync()


def test_ctrl_c_reaches_the_child_once_and_waits_for_it(child: Child) -> None:
    seen = child(
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        f"assert signal.sigtimedwait({{signal.SIGINT}}, {HANGS})\n"
        "seen.write_text(f'stopped {signal.SIGINT in signal.sigpending()}')\n"
        "print('x' * 1_000_000)\n"
    )
    with pytest.raises(KeyboardInterrupt):
        sync()
    assert seen.read_text() == "stopped False"
