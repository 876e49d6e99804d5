import logging
import ssl
import sys
from pathlib import Path
from typing import Any

import pymysql
import pytest
from django.conf import settings

from conftest import FILE, SERVER, RecordedEngine
from db_sync import conf
from db_sync.checks import settings_are_complete
from db_sync.conf import databases, settings_file


@pytest.fixture(autouse=True)
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the name MySQLdb away, and gives back afterwards whatever had it."""
    monkeypatch.delitem(sys.modules, "MySQLdb", raising=False)


@pytest.mark.parametrize("side", ["remote", "local"])
def test_default_is_the_side_that_db_env_names(engine: RecordedEngine, side: str) -> None:
    engine.sides = {"remote": SERVER, "local": FILE, "default": side}
    result = databases()
    assert sorted(result) == ["default", "local", "remote"]
    # In tests the side that is the default stands for the default's test database.
    assert result[side].pop("TEST") == {"MIRROR": "default"}
    assert result["default"].pop("TEST") == {}
    assert result["default"] == result[side]
    assert result["default"] is not result[side]


def test_a_file_keeps_its_relative_path(engine: RecordedEngine) -> None:
    engine.sides = {"remote": FILE, "local": FILE, "default": "local"}
    options = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
    expected = {"ENGINE": "django.db.backends.sqlite3", "NAME": "local.sqlite3"}
    assert databases()["remote"] == {**expected, "OPTIONS": options}


def test_a_server_is_strict_and_takes_every_character(engine: RecordedEngine) -> None:
    remote = databases()["remote"]
    del remote["TEST"]
    options = remote.pop("OPTIONS")
    assert remote == {
        "ENGINE": "django.db.backends.mysql",
        "HOST": "db.example.com",
        "PORT": "3306",
        "NAME": "shop",
        "USER": "sync",
        "PASSWORD": SERVER["password"],
    }
    assert options["charset"] == "utf8mb4"
    assert "STRICT_TRANS_TABLES" in options["sql_mode"]


def test_pymysql_stands_in_only_where_a_server_needs_it(engine: RecordedEngine) -> None:
    engine.sides = {"remote": FILE, "local": FILE, "default": "local"}
    databases()
    assert "MySQLdb" not in sys.modules
    engine.sides["remote"] = SERVER
    databases()
    assert sys.modules["MySQLdb"] is pymysql


def connect(mode: str, authority: str | None = None) -> Any:
    """A connection of PyMySQL's that is set up and not opened."""
    options = conf._database({**SERVER, "ssl_mode": mode, "ssl_ca": authority})["OPTIONS"]
    return pymysql.connect(defer_connect=True, **options)


def test_pymysql_without_tls() -> None:
    assert not connect("DISABLED").ssl


def test_pymysql_with_tls_where_the_server_has_it() -> None:
    connection = connect("PREFERRED")
    assert (connection.ssl, connection._ssl_required) == (True, False)


@pytest.mark.parametrize(
    ("mode", "verifies", "checks_name"),
    [
        ("REQUIRED", ssl.CERT_NONE, False),
        ("VERIFY_CA", ssl.CERT_REQUIRED, False),
        ("VERIFY_IDENTITY", ssl.CERT_REQUIRED, True),
    ],
)
def test_pymysql_with_tls_always(mode: str, verifies: ssl.VerifyMode, checks_name: bool) -> None:
    connection = connect(mode)
    assert connection._ssl_required
    assert (connection.ctx.verify_mode, connection.ctx.check_hostname) == (verifies, checks_name)


def test_pymysql_trusts_the_authority_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect("VERIFY_CA", str(tmp_path / "missing.pem"))


def test_mysqlclient_takes_the_mode_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "_driver", lambda: "MySQLdb")
    options = conf._database({**SERVER, "ssl_mode": "VERIFY_CA", "ssl_ca": "ca.pem"})["OPTIONS"]
    assert (options["ssl_mode"], options["ssl"]) == ("VERIFY_CA", {"ca": "ca.pem"})
    assert "ssl" not in conf._database(SERVER)["OPTIONS"]


def test_the_file_that_is_named_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENV", "REMOTE_ENGINE", "REMOTE_NAME", "LOCAL_ENGINE", "LOCAL_NAME"):
        monkeypatch.delenv(f"DB_{name}", raising=False)
    env_file = tmp_path / "two.env"
    env_file.write_text(
        "DB_ENV=local\nDB_REMOTE_ENGINE=sqlite\nDB_REMOTE_NAME=r.db\n"
        "DB_LOCAL_ENGINE=sqlite\nDB_LOCAL_NAME=l.db\n"
    )
    result = databases(env_file)
    assert (result["default"]["NAME"], result["remote"]["NAME"]) == ("l.db", "r.db")


def test_missing_keys_are_logged_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("REMOTE_NAME", "LOCAL_HOST"):
        monkeypatch.delenv(f"DB_{name}", raising=False)
    with caplog.at_level(logging.ERROR, "db_sync"):
        result = databases()
    assert set(result) == {"default", "remote", "local"}
    [record] = caplog.records
    assert record.getMessage().startswith("CFG_001: ")
    assert all(name in record.getMessage() for name in ("DB_REMOTE_NAME", "DB_LOCAL_HOST"))


def test_the_check_tells_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DB_REMOTE_NAME", raising=False)
    assert settings_are_complete(None) == []
    monkeypatch.setattr(settings, "DATABASES", databases())
    [error] = settings_are_complete(None)
    assert error.id == "db_sync.E001"
    assert "DB_REMOTE_NAME" in error.msg
    assert ".env" in str(error.hint)


@pytest.mark.parametrize("sound", [True, False])
def test_the_file_that_databases_was_given_is_known_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"DB_{side}_ENGINE=sqlite\nDB_{side}_NAME=x\n" for side in ("REMOTE", "LOCAL")]
    (tmp_path / "two.env").write_text("".join(lines) if sound else "DB_ENV=sideways\n")
    given = databases("two.env")
    monkeypatch.chdir("/")
    # A project may take one of the aliases alone.
    for alias in ("default", "remote", "local"):
        monkeypatch.setattr(settings, "DATABASES", {"other": {}, "default": given[alias]})
        assert settings_file() == str(tmp_path / "two.env")


def test_what_is_nearer_goes_before(
    engine: RecordedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "DATABASES", databases())
    assert settings_file() is None
    monkeypatch.setattr(settings, "DATABASES", databases(Path("/etc/databases.env")))
    assert settings_file() == "/etc/databases.env"
    monkeypatch.setattr(settings, "DB_SYNC_ENV_FILE", Path("/etc/setting.env"), raising=False)
    assert settings_file() == "/etc/setting.env"
    assert settings_file(Path("flag.env")) == "flag.env"
    assert engine.read == [None, "/etc/databases.env"]
