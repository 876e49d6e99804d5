"""Passwords: whatever is run, however it ends, they are printed nowhere and stored nowhere.

Each side has a password of its own with every awkward character in it. What is looked for is the
password as it is and as encoders write it.
"""

import base64
import json
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from example_shop import SHOP
from fault_proxy import FaultProxy
from faults import HalfOpen, Rule
from sides import COMMAND, HANGS, Database, Outcome, Sides, two_sides

PASSWORDS = {"REMOTE": "Rem0te-Kw4gga/+ %&'#\"$", "LOCAL": "L0cal-0kapi/+ %&'#\"$"}
ACCOUNT = "secretive"
TRACES = {"RUST_LOG": "trace", "RUST_BACKTRACE": "full", "DB_SYNC_LOG": "trace"}
PYTHON = (sys.executable, "-c")
EXCEPTION = """
    import logging, pickle, traceback
    logging.basicConfig(level=1)
    import db_sync
    try:
        db_sync.sync()
    except db_sync.SyncError as error:
        print(repr(error), str(error), error.hint, error.args, vars(error), pickle.dumps(error))
        frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        print(error.code, *frames.format())
"""
MANAGE = [
    ["sync_db"],
    ["sync_db", "--json", "--verbose", "--dry-run"],
    ["sync_db", "-v", "3", "--traceback", "--type", "FULL"],
    ["sync_check", "--schema"],
    ["sync_doctor"],
    ["sync_doctor", "--json"],
    ["sync_config", "list"],
    ["sync_conflicts", "list"],
    ["check", "--database", "default"],
]


def spellings(password: str) -> set[str]:
    """The password as it is and as encoders write it, and its most telling part."""
    raw = password.encode()
    return {
        password,
        password.split("/")[0],
        quote(password),
        quote(password, safe=""),
        quote_plus(password),
        repr(password)[1:-1],
        json.dumps(password)[1:-1],
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        raw.hex(),
    }


def assert_secret(text: str) -> None:
    for password in PASSWORDS.values():
        for spelling in spellings(password):
            assert spelling.lower() not in text.lower(), text[:2000]


def make_account(sides: Sides, side: str, database: Database) -> None:
    for host in ("127.0.0.1", "localhost"):
        account = f"'{ACCOUNT}'@'{host}'"
        database.query(f"CREATE OR REPLACE USER {account} IDENTIFIED BY %s", PASSWORDS[side])
        database.query(f"GRANT ALL ON {database.name}.* TO {account}")
    sides.settings |= {f"DB_{side}_USER": ACCOUNT, f"DB_{side}_PASSWORD": PASSWORDS[side]}


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    """Two sides with one row that differs, and with accounts that have a secret."""
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        for side, database in sides.both.items():
            make_account(sides, side, database)
        sides.query_both("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))")
        sides.remote.query("INSERT INTO t VALUES (1, 'theirs'), (2, 'new')")
        sides.local.query("INSERT INTO t VALUES (1, 'ours')")
        yield sides
        assert_nothing_stored(sides)


def assert_nothing_stored(sides: Sides) -> None:
    for database in sides.both.values():
        for (table,) in database.query("SHOW TABLES"):
            assert_secret(str(database.query(f"SELECT * FROM `{table}`")))  # noqa: S608


def assert_quiet(outcome: Outcome, *codes: str) -> None:
    """Nothing secret was said, and what was said is what was to be tested."""
    assert_secret(outcome.out + outcome.err)
    for code in codes:
        assert code in outcome.out + outcome.err


@pytest.mark.parametrize("flags", [["--json"], ["--verbose"], ["--progress", "always"]])
def test_a_run_that_succeeds(sides: Sides, flags: list[str]) -> None:
    outcome = sides.run("run", *flags, **TRACES)
    assert outcome.status == 0, outcome.err
    assert_quiet(outcome)
    again = [["check", "--schema"], ["conflicts", "list", "--all"], ["conflicts", "show", "1"]]
    again += [["doctor"], ["doctor", "--json", "--fix"]]
    for words in again:
        assert_quiet(sides.run(*words, **TRACES))


@pytest.mark.parametrize("side", PASSWORDS)
@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("PASSWORD", PASSWORDS["REMOTE"] + PASSWORDS["LOCAL"], "DB_CONN_003"),
        ("HOST", "no-such-host.invalid", "DB_CONN_00"),
        ("PORT", "1", "DB_CONN_001"),
        ("NAME", "no_such_database", "DB_CONN_00"),
        ("SSL_MODE", "REQUIRED", "DB_CONN_001"),
        ("SSL_CA", "no-such-file.pem", "CFG_002"),
        ("ENGINE", "oracle", "CFG_002"),
    ],
)
def test_a_run_that_fails(sides: Sides, side: str, setting: str, value: str, code: str) -> None:
    key = {f"DB_{side}_{setting}": value}
    for flags in (["--json"], ["--verbose"]):
        assert_quiet(sides.run("run", *flags, **key, **TRACES), code)


@pytest.mark.parametrize("key", ["DB_REMOTE_PASSWORD", "DB_LOCAL_PORT", "DB_CONNECT_TIMEOUT"])
def test_an_exception(sides: Sides, key: str) -> None:
    value = {"DB_REMOTE_PASSWORD": "not" + PASSWORDS["REMOTE"], "DB_LOCAL_PORT": "1"}.get(key, "0")
    outcome = sides.run(textwrap.dedent(EXCEPTION), command=PYTHON, **{key: value}, **TRACES)
    assert_quiet(outcome, "DB_CONN_00" if key != "DB_CONNECT_TIMEOUT" else "CFG_002")


def test_an_exception_out_of_a_child_process(sides: Sides) -> None:
    more = {"DB_LOCAL_ENGINE": "sqlite", "DB_LOCAL_NAME": "no-such-file.sqlite3"}
    outcome = sides.run(textwrap.dedent(EXCEPTION), command=PYTHON, **more, **TRACES)
    assert_quiet(outcome, "DB_CONN_004")


def test_an_exception_that_nobody_catches(sides: Sides) -> None:
    command = [*PYTHON, "import db_sync; db_sync.sync()"]
    environment = sides.environment({"DB_REMOTE_PASSWORD": "x" + PASSWORDS["REMOTE"], **TRACES})
    done = subprocess.run(
        command, env=environment, cwd=sides.folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" in done.stderr
    assert "DB_CONN_003" in done.stderr
    assert_secret(done.stdout + done.stderr)


@pytest.mark.parametrize("words", MANAGE, ids=" ".join)
def test_a_command_of_django(sides: Sides, words: list[str]) -> None:
    manage = (sys.executable, SHOP / "manage.py")
    assert sides.sync().status == 0
    outcome = sides.run(*words, command=manage, **TRACES)
    assert outcome.status == 0, outcome.err
    assert_quiet(outcome)
    wrong = {"DB_REMOTE_PASSWORD": PASSWORDS["REMOTE"] + "x"}
    environment = sides.environment({**wrong, **TRACES})
    done = subprocess.run(
        [*manage, *words],
        env=environment,
        cwd=sides.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    # Django's own commands may end with a traceback; a secret is in none.
    assert_secret(done.stdout + done.stderr)


def test_a_damaged_env_file(sides: Sides) -> None:
    path = sides.folder / ".env"
    for text in (
        f'DB_REMOTE_PASSWORD="{PASSWORDS["REMOTE"]}\n',
        f"DB_REMOTE_PASSWORD={PASSWORDS['REMOTE']} and more\n",
        f"{PASSWORDS['REMOTE']}\n",
        f"DB REMOTE PASSWORD = '{PASSWORDS['REMOTE']}'\n",
    ):
        path.write_text(text)
        path.chmod(0o600)
        for flags in (["--json"], ["--verbose"]):
            assert_quiet(sides.run("run", *flags, **TRACES))
        script = textwrap.dedent(EXCEPTION)
        assert_quiet(sides.run(script, command=PYTHON, **TRACES))


def family(pid: int) -> Iterator[str]:
    """The command lines of a process and of all that came from it."""
    yield Path(f"/proc/{pid}/cmdline").read_text()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


@pytest.mark.parametrize("engine", ["mysql", "sqlite"])
def test_the_words_of_running_processes(sides: Sides, engine: str) -> None:
    # With a file on one side the engine has a process of its own.
    file = sides.folder / "local.sqlite3"
    file.touch()
    more = {"DB_LOCAL_ENGINE": engine}
    if engine == "sqlite":
        more["DB_LOCAL_NAME"] = str(file)
    with FaultProxy(sides.remote.server.port, Rule(HalfOpen(), times=None)) as proxy:
        more |= {"DB_REMOTE_PORT": str(proxy.port), "DB_CONNECT_TIMEOUT": "60"}
        commands = [str(COMMAND), "run", "--json"], [*PYTHON, "import db_sync; db_sync.sync()"]
        for command in commands:
            proxy.arrived.clear()
            with subprocess.Popen(
                command,
                env=sides.environment({**more, **TRACES}),
                cwd=sides.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process:
                assert proxy.arrived.wait(HANGS)
                words = list(family(process.pid))
                proxy.end_lines()
                said, _ = process.communicate(timeout=HANGS)
            assert len(words) == 1 + (engine == "sqlite" and command[0] == sys.executable)
            assert_secret("".join(words) + said)


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_an_env_file_that_others_may_read(sides: Sides, mode: int) -> None:
    path = sides.folder / ".env"
    for side, database in sides.both.items():
        sides.settings[f"DB_{side}_USER"] = database.server.user
        sides.settings[f"DB_{side}_PASSWORD"] = database.server.password
    path.write_text("".join(f"{key}={value}\n" for key, value in sides.settings.items()))
    path.chmod(mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    sides.settings.clear()
    outcome = sides.sync()
    # A warning is no failure, and stdout stays one JSON object.
    assert (outcome.status, outcome.answer["status"]) == (0, "SUCCESS"), outcome.out
    warned = [note["message"] for note in outcome.answer["notes"] if "chmod 600" in note["message"]]
    assert [".env" in note for note in warned] == [True] * (mode == 0o644), outcome.out
    assert ("chmod 600" in sides.run("run").out) == (mode == 0o644)
