import pytest
from django.db import connections

from db_sync.models import SyncLog
from db_sync.routers import SyncRouter
from shop.models import Product

router = SyncRouter()


def test_the_apps_models_live_on_the_local_side() -> None:
    assert router.db_for_read(SyncLog) == "local"
    assert router.db_for_write(SyncLog) == "local"


def test_other_models_are_left_to_others() -> None:
    assert router.db_for_read(Product) is None
    assert router.allow_migrate("remote", "shop") is None


@pytest.mark.parametrize(("alias", "allowed"), [("local", True), ("remote", False)])
def test_its_tables_are_made_on_the_local_side_alone(alias: str, allowed: bool) -> None:
    assert router.allow_migrate(alias, "db_sync") is allowed


@pytest.mark.parametrize(("name", "allowed"), [("local.sqlite3", True), ("r.sqlite3", False)])
def test_default_counts_as_local_where_it_is_the_same_database(
    monkeypatch: pytest.MonkeyPatch, name: str, allowed: bool
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", name)
    assert router.allow_migrate("default", "db_sync") is allowed


def test_without_a_local_alias_everything_is_in_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(connections.settings, "local")
    assert router.db_for_read(SyncLog) == "default"
    assert router.allow_migrate("default", "db_sync")
    assert not router.allow_migrate("remote", "db_sync")
