"""A project with every kind of field, loaded and compared through Django, as its users would."""

import datetime
import decimal
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoDbBlocker

import db_sync
from db_sync.conf import databases
from every_field.models import Counted, Everything, Label

PAIRS = [("MYSQL", "MARIADB"), ("MARIADB", "MARIADB2"), ("MARIADB", "SQLITE"), ("MYSQL", "SQLITE")]
MODELS = (Label, Everything, Counted, Everything.labels.through)
MIDNIGHT = datetime.datetime(2026, 3, 29, tzinfo=datetime.timezone.utc)

LEAST: dict[str, Any] = {
    "small": -32768,
    "integer": -(2**31),
    "big": -(2**63),
    "positive_small": 0,
    "positive": 0,
    "positive_big": 0,
    "decimal": decimal.Decimal("-999999999999.99999999"),
    "number": 5e-324,
    "yes": False,
    "char": "",
    "text": "",
    "slug": "-",
    "email": "a@b.co",
    "url": "http://x.y",
    "ip": "::1",
    "path": "/",
    "file": "",
    "day": datetime.date(1000, 1, 1),
    "moment": datetime.datetime(1000, 1, 1, tzinfo=datetime.timezone.utc),
    "time": datetime.time(0, 0),
    "duration": datetime.timedelta(days=-100_000, microseconds=1),
    "binary": b"",
    "json": {},
}
GREATEST: dict[str, Any] = {
    "small": 32767,
    "integer": 2**31 - 1,
    "big": 2**63 - 1,
    "positive_small": 32767,
    "positive": 2**31 - 1,
    "positive_big": 2**63 - 1,
    "decimal": decimal.Decimal("999999999999.99999999"),
    "number": 1.7976931348623157e308,
    "yes": True,
    "char": "ЖÄß茶🫖\t'\"\\`%_" + " " * 3,
    "text": "行\r\n" * 20_000 + "\x00end",
    "slug": "UPPER-and-lower",
    "email": "名@例.example",
    "url": "https://example.com/?q=%20#x",
    "ip": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "path": "/tmp/ä",  # noqa: S108 - a value, no file
    "file": "a/b.bin",
    "day": datetime.date(9999, 12, 31),
    "moment": datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc),
    "time": datetime.time(23, 59, 59, 999999),
    "duration": datetime.timedelta(days=100_000, hours=5, microseconds=-1),
    "binary": bytes(range(256)) * 4096,
    "json": {"b": [1, 1.5, None, True, {"ä": "🫖"}], "a": 2**53 + 1, "": ""},
}


def _server(url: str, sql: str) -> None:
    parts = urlsplit(url)
    line = pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
    )
    with line, line.cursor() as cursor:
        cursor.execute(sql)


def _point(alias: str, settings: dict[str, Any]) -> None:
    """Has one of Django's aliases stand for another database from here on."""
    connections[alias].close()
    del connections[alias]
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: settings})[
        alias
    ]


@pytest.fixture(params=PAIRS, ids="-".join)
def sides(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """Points `remote` and `local` to two new databases that have the models' tables."""
    monkeypatch.chdir(tmp_path)
    name = f"db_sync_test_{uuid.uuid4().hex}"
    urls = []
    for side, server in zip(("REMOTE", "LOCAL"), request.param, strict=True):
        monkeypatch.setenv(f"DB_{side}_NAME", str(tmp_path / "local.sqlite3"))
        monkeypatch.setenv(f"DB_{side}_ENGINE", "sqlite")
        if server == "SQLITE":
            continue
        if server == "MYSQL" and "DB_SYNC_TEST_MYSQL_SKIPPED" in os.environ:
            pytest.skip(os.environ["DB_SYNC_TEST_MYSQL_SKIPPED"])
        url = os.environ[f"DB_SYNC_TEST_{server}_URL"]
        _server(url, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        urls.append(url)
        parts = urlsplit(url)
        for key, value in (
            ("ENGINE", "mysql"),
            ("NAME", name),
            ("HOST", parts.hostname),
            ("PORT", parts.port),
            ("USER", parts.username),
            ("PASSWORD", parts.password),
        ):
            monkeypatch.setenv(f"DB_{side}_{key}", str(value))
    before = {alias: connections.settings[alias] for alias in ("remote", "local")}
    with django_db_blocker.unblock():
        for alias, settings in databases().items():
            if alias != "default":
                _point(alias, settings)
                with connections[alias].schema_editor() as editor:
                    for model in MODELS[:3]:
                        editor.create_model(model)
        yield
        for alias, settings in before.items():
            _point(alias, settings)
    for url in urls:
        _server(url, f"DROP DATABASE {name}")


def _rows(alias: str) -> list[list[dict[str, Any]]]:
    # Servers put UUIDs in orders of their own.
    return [
        sorted(
            model._base_manager.using(alias).values(), key=lambda row: str(next(iter(row.values())))
        )
        for model in MODELS
    ]


def _same() -> None:
    """Both sides hold the same, and a further run finds nothing to write."""
    for theirs, ours in zip(_rows("remote"), _rows("local"), strict=True):
        assert len(theirs) == len(ours)
        for their, our in zip(theirs, ours, strict=True):
            differing = {name: (their[name], our[name]) for name in our if our[name] != their[name]}
            assert not differing
    report = db_sync.sync()
    written = [
        (count.inserted, count.updated, count.deleted)
        for table in report.tables
        for count in (table.remote_to_local, table.local_to_remote)
    ]
    assert (report.ok, set(written)) == (True, {(0, 0, 0)})


@pytest.mark.usefixtures("sides")
def test_every_field_arrives_and_changes_flow_both_ways() -> None:
    least, greatest = dict(LEAST), dict(GREATEST)
    if connections["local"].vendor == "sqlite":
        # It keeps decimals as doubles.
        least["decimal"], greatest["decimal"] = (
            decimal.Decimal(number) for number in ("-999999.99999999", "0.00000001")
        )
    for number, (side, values) in enumerate([("remote", least), ("local", greatest)], 1):
        label = Label.objects.using(side).create(code=f"label-{side}")
        row = Everything.objects.using(side).create(**values, label=label, one=label)
        # Both sides would number these alike, and each row but the first would be a conflict.
        row.labels.through._base_manager.using(side).create(id=number, everything=row, label=label)
        other = Everything.objects.using(side).create(itself=row)
        Counted.objects.using(side).create(id=number, parent=other)
    report = db_sync.sync(sync_type="FULL")
    assert report.ok, [error.message for error in report.errors]
    _same()
    kept = Everything.objects.using("local").get(big=least["big"])
    for name, value in least.items():
        assert getattr(kept, name) == value, name
    assert Counted.objects.using("local").get(id=1).name == "new"

    # What was least on one side is now greatest, and the other way round.
    Everything.objects.using("remote").filter(big=greatest["big"]).update(
        **{**greatest, "big": 7, "char": "remote", "json": [1.0, "1", 1]}
    )
    Everything.objects.using("local").filter(big=least["big"]).update(
        **{**least, "moment": MIDNIGHT, "number": None, "binary": b"\x00\xff", "yes": None}
    )
    Counted.objects.using("local").filter(id=2).delete()
    Label.objects.using("local").get(code="label-local").many.clear()
    report = db_sync.sync(force=True)
    assert report.ok, [error.message for error in report.errors]
    _same()
    assert Everything.objects.using("remote").get(big=least["big"]).moment == MIDNIGHT
    assert Everything.objects.using("local").get(big=7).json == [1.0, "1", 1]
    assert timezone.is_aware(kept.moment)
    assert Counted.objects.using("remote").count() == 1
    assert Everything.labels.through._base_manager.using("remote").count() == 1
