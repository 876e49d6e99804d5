import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import CHANGE, FAILURE, report_data, table_data
from db_sync.errors import error_from
from db_sync.report import Change, ErrorReport, PassCounts, SyncReport


def note_data(message: str) -> dict[str, Any]:
    """A note, as the engine writes it."""
    return {"message": message, "template": message, "names": {}}


tables = st.builds(
    table_data,
    table=st.text(),
    capture=st.sampled_from(["scan", "digest"]),
    verified=st.booleans(),
    rows=st.fixed_dictionaries({"remote": st.integers(0), "local": st.integers(0)}),
    error=st.none() | st.just(FAILURE),
    notes=st.lists(st.builds(note_data, st.text())),
)
dry_tables = st.builds(
    table_data,
    changes=st.lists(st.just(CHANGE), max_size=3),
    changes_truncated=st.booleans(),
    changes_total=st.integers(0),
)


@given(st.lists(tables | dry_tables), st.lists(st.just(FAILURE)), st.integers(0, 130))
def test_a_report_is_given_back_as_it_was_read(
    tables: list[dict[str, Any]], errors: list[dict[str, Any]], exit_code: int
) -> None:
    data = {**report_data(), "tables": tables, "errors": errors, "exit_code": exit_code}
    assert SyncReport.from_json(json.dumps(data)).as_dict() == data


def test_what_a_newer_engine_adds_is_no_hindrance() -> None:
    report = SyncReport.from_dict(report_data(table_data(lag_ms=3), new_key=1))
    assert report.tables[0].table == "products"


def test_a_key_that_is_missing_is_an_error() -> None:
    with pytest.raises(TypeError, match="run_id"):
        SyncReport.from_dict({"tables": [], "errors": []})


def test_a_real_run_has_no_changes_and_a_dry_run_has_a_list() -> None:
    assert SyncReport.from_dict(report_data()).tables[0].changes is None
    dry = SyncReport.from_dict(report_data(table_data(changes=[CHANGE]), dry_run=True))
    assert dry.tables[0].changes == (Change({"id": 1}, "UPDATE", "LOCAL", ("price",)),)


@pytest.mark.parametrize(("exit_code", "ok"), [(0, True), (1, False), (3, False)])
def test_only_exit_code_0_is_ok(exit_code: int, ok: bool) -> None:
    assert SyncReport.from_dict(report_data(exit_code=exit_code)).ok is ok


def test_passes_add_up() -> None:
    assert PassCounts(1, 2, 3) + PassCounts(10, 20, 30) == PassCounts(11, 22, 33)


def test_an_exception_as_a_report_would_say_it() -> None:
    failure = ErrorReport.from_exception(error_from(FAILURE))
    assert failure.as_dict() == FAILURE
