"""Django's `DATABASES` from the same keys that the engine reads.

    from db_sync.conf import databases

    DATABASES = databases()

Nothing is read before `databases` is called, and importing this module needs no Django. Which file
that was stands in `DATABASES` itself: every process that has the project's settings knows it.
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
# The key under which an alias says from which file it was made.
_ENV_FILE = "DB_SYNC_ENV_FILE"


def databases(env_file: str | os.PathLike[str] | None = None) -> dict[str, dict[str, Any]]:
    """Builds `DATABASES` with the aliases `default`, `remote` and `local`.

    `default` is the side that `DB_ENV` names. A side on a server needs mysqlclient; where that is
    missing and PyMySQL is installed, PyMySQL stands in for it.

    Args:
        env_file: Where the settings are, instead of `.env` in the working directory. The commands,
            the admin and the tasks then read the same file.

    Returns:
        The dictionary that Django's setting takes. Where keys are missing or hold values that are
        not allowed, that is logged, and the aliases stand for no database: Django's commands then
        end with the check `db_sync.E001`, and `sync_db` with the engine's own error and status.
    """
    path = None if env_file is None else os.path.abspath(env_file)
    named = {} if path is None else {_ENV_FILE: path}
    try:
        settings = json.loads(_native.settings(path))
    except _native.ConfigError as error:
        # A traceback out of a settings module would tell nobody what to do.
        logging.getLogger("db_sync").error("%s\n  %s", error, error.hint)
        nowhere = {
            "ENGINE": "django.db.backends.dummy",
            "OPTIONS": {PROBLEM: [str(error), error.hint]},
            **named,
        }
        return {alias: dict(nowhere) for alias in ("default", "remote", "local")}
    sides = {alias: {**_database(settings[alias]), **named} for alias in ("remote", "local")}
    # In tests `default` and the side that it is are one database too.
    sides[settings["default"]]["TEST"] = {"MIRROR": "default"}
    return {"default": {**sides[settings["default"]], "TEST": {}}, **sides}


def settings_file(given: str | os.PathLike[str] | None = None) -> str | None:
    """Says which file holds the settings, for everything that runs inside a Django project.

    Args:
        given: What `--env-file` names; it goes before everything else.

    Returns:
        That file; otherwise what `DB_SYNC_ENV_FILE` in Django's settings says; otherwise the file
        that `databases` was given there; otherwise None, for `.env` in the working directory.
    """
    from django.conf import settings

    named: list[Any] = [given, getattr(settings, _ENV_FILE, None)]
    named += [database.get(_ENV_FILE) for database in settings.DATABASES.values()]
    return next((os.fspath(path) for path in named if path is not None), None)


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
