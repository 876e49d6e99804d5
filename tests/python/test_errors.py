import pickle

import pytest

from conftest import MISSING
from db_sync import errors
from db_sync.errors import SyncError, error_from, exit_status, fill


def test_an_error_from_json_has_everything() -> None:
    error = error_from(MISSING)
    assert str(error) == "CFG_001: Not set: DB_REMOTE_NAME."
    assert (error.code, error.hint, error.table) == ("CFG_001", "Set them.", None)
    assert fill(error.template, error.names) == "Not set: DB_REMOTE_NAME."


def test_an_error_with_the_least_that_json_may_say() -> None:
    error = error_from({"code": "SYS_001", "message": "Full."})
    assert type(error) is SyncError
    assert (error.hint, error.table, error.names) == ("", None, {})


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("DB_CONN_003", errors.ConnectionFailed, 1),
        ("CFG_002", errors.ConfigError, 2),
        ("CFG_004", errors.ConfigError, 2),
        ("SYNC_001", errors.SchemaMismatch, 1),
        ("SYNC_004", errors.SyncError, 1),
        ("SYNC_005", errors.SyncError, 130),
        ("SYNC_007", errors.ConflictPending, 3),
        ("SYNC_009", errors.LockHeld, 4),
        ("SYS_004", errors.SyncError, 1),
    ],
)
def test_each_code_has_its_class_and_its_exit_status(
    code: str, kind: type[SyncError], status: int
) -> None:
    assert type(error_from({"code": code, "message": "m"})) is kind
    assert exit_status(code) == status


def test_errors_cross_process_borders() -> None:
    error = pickle.loads(pickle.dumps(error_from(MISSING)))  # noqa: S301
    assert isinstance(error, errors.ConfigError)
    assert (error.code, error.names) == ("CFG_001", {"keys": "DB_REMOTE_NAME"})


def test_an_unknown_place_is_seen_and_harms_nothing() -> None:
    assert fill("{side} at {address}", {"side": "LOCAL {x}"}) == "LOCAL {x} at ?"
