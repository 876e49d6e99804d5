"""Django's `DATABASES` from the same keys that the engine reads.

    from db_sync.conf import databases

    DATABASES = databases()

Nothing is read before `databases` is called, and importing this module needs no Django.
"""

import importlib
import importlib.util
import json
import logging
import os
import ssl
from typing import Any

from db_sync import _native

# Strict, as MariaDB has it by default: a value that a column cannot hold is an error, never cut.
_SQL_MODE = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

# The option under which an alias that stands for no database says why.
PROBLEM = "db_sync_problem"


def databases(env_file: str | os.PathLike[str] | None = None) -> dict[str, dict[str, Any]]:
    """Builds `DATABASES` with the aliases `default`, `remote` and `local`.

    `default` is the side that `DB_ENV` names. A side on a server needs mysqlclient; where that is
    missing and PyMySQL is installed, PyMySQL stands in for it.

    Args:
        env_file: Where the settings are, instead of `.env` in the working directory. `sync_db`
            must then be given the same file with `--env-file`.

    Returns:
        The dictionary that Django's setting takes. Where keys are missing or hold values that are
        not allowed, that is logged, and the aliases stand for no database: Django's commands then
        end with the check `db_sync.E001`, and `sync_db` with the engine's own error and status.
    """
    try:
        settings = json.loads(_native.settings(None if env_file is None else os.fspath(env_file)))
    except _native.ConfigError as error:
        # A traceback out of a settings module would tell nobody what to do.
        logging.getLogger("db_sync").error("%s\n  %s", error, error.hint)
        nowhere = {
            "ENGINE": "django.db.backends.dummy",
            "OPTIONS": {PROBLEM: [str(error), error.hint]},
        }
        return {alias: dict(nowhere) for alias in ("default", "remote", "local")}
    sides = {alias: _database(settings[alias]) for alias in ("remote", "local")}
    # In tests `default` and the side that it is are one database too.
    sides[settings["default"]]["TEST"] = {"MIRROR": "default"}
    return {"default": {**sides[settings["default"]], "TEST": {}}, **sides}


def _database(side: dict[str, Any]) -> dict[str, Any]:
    if side["engine"] == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": side["name"],
            # A sync and Django's own threads write one after the other: who comes second waits,
            # which SQLite does only for transactions that say at once that they will write.
            "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
        }
    tls = _tls_of_pymysql if _driver() == "pymysql" else _tls_of_mysqlclient
    return {
        "ENGINE": "django.db.backends.mysql",
        "HOST": side["host"],
        "PORT": str(side["port"]),
        "NAME": side["name"],
        "USER": side["user"],
        "PASSWORD": side["password"],
        "OPTIONS": {
            "charset": "utf8mb4",
            "sql_mode": _SQL_MODE,
            **tls(side["ssl_mode"], side["ssl_ca"]),
        },
    }


def _driver() -> str:
    """Finds the module behind the name MySQLdb, and lets PyMySQL take it where it is free."""
    if importlib.util.find_spec("MySQLdb") is None and importlib.util.find_spec("pymysql"):
        importlib.import_module("pymysql").install_as_MySQLdb()
    spec = importlib.util.find_spec("MySQLdb")
    # Without any driver Django itself says what to install.
    return spec.name if spec else "MySQLdb"


def _tls_of_mysqlclient(mode: str, authority: str | None) -> dict[str, Any]:
    return {"ssl_mode": mode, **({"ssl": {"ca": authority}} if authority else {})}


def _tls_of_pymysql(mode: str, authority: str | None) -> dict[str, Any]:
    match mode:
        case "DISABLED":
            return {"ssl_disabled": True}
        case "PREFERRED":
            # What PyMySQL does by itself.
            return {}
        case "REQUIRED":
            # Encrypted, whoever answers. The dictionary must not be empty: empty means PREFERRED.
            return {"ssl": {"verify_mode": "none"}}
    system = ssl.get_default_verify_paths()
    return {
        "ssl": {
            # PyMySQL leaves the host name unchecked where it is given no authority at all, so the
            # system's own is named here.
            "ca": authority or system.cafile,
            "capath": None if authority else system.openssl_capath,
            "verify_mode": "required",
            "check_hostname": mode == "VERIFY_IDENTITY",
        }
    }
