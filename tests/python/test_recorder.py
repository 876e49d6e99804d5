"""The recorder must be able to fail: a suite of its own, in which everybody shows a password."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from passwords import HIDDEN, hide, shows, spellings
from sides import HANGS

PASSWORD = "Wachtel+ei/31 'n \"so"  # noqa: S105 - nobody's
SUITE = """
import base64, logging, os, subprocess, sys
from io import StringIO
from unittest.mock import Mock
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, OutputWrapper
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path

SECRET = os.environ["DB_REMOTE_PASSWORD"]
SAY = "import os, sys; sys.stderr.write(os.environ['DB_REMOTE_PASSWORD'])"
urlpatterns = [path("", lambda _: HttpResponse(SECRET))]

def test_quiet(): print("nothing")
def test_print(): print("is it", SECRET, "?")
def test_encoded(): print(base64.b64encode(SECRET.encode()).decode())
def test_descriptor(): os.write(2, SECRET.encode())
def test_child(): subprocess.run([sys.executable, "-c", SAY], capture_output=True, check=True)
def test_child_of_ours(): subprocess.run([sys.executable, "-c", SAY], check=True)
def test_words(): subprocess.run([sys.executable, "-c", "", SECRET], check=True)
def test_bytes(capfd):
    print(SECRET)
    assert capfd.readouterr().out
def test_log(): logging.getLogger("db_sync").warning("as %s", SECRET)
def test_traceback():
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("db_sync").exception("why")
def test_command(): OutputWrapper(StringIO()).write(SECRET)
class Refusing(BaseCommand):
    requires_system_checks = ()
    def handle(self, **options): raise CommandError(SECRET)
def test_exception():
    with pytest.raises(CommandError):
        call_command(Refusing())
def test_page():
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"]):
        assert Client().get("/").status_code == 200
def test_failure(): assert SECRET == "guessed"
def test_new_password(monkeypatch):
    monkeypatch.setenv("DB_LOCAL_PASSWORD", "another secret")
    print("another secret")
def test_password_of_a_child():
    told = {**os.environ, "DB_LOCAL_PASSWORD": "one more secret"}
    subprocess.run([sys.executable, "-c", "print('one more secret')"], env=told, check=True)
def test_server(): print("secret@server")
def test_short(monkeypatch): monkeypatch.setenv("DB_LOCAL_PASSWORD", "short")
@pytest.mark.shows_passwords("to see whether it may")
def test_allowed(): print(SECRET)
def test_written(tmp_path):
    (tmp_path / ".env").write_text(SECRET)
    (tmp_path / "venv/lib").mkdir(parents=True)
    (tmp_path / "venv/pyvenv.cfg").write_text("")
    (tmp_path / "venv/lib/README").write_text(SECRET)
    (tmp_path / "report.html").write_text(f"<p>{SECRET}</p>")
"""
QUIET = {"test_quiet", "test_allowed", "test_failure"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not among the tests' own, in which no file may show a password."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def test_everybody_who_shows_a_password_is_caught(folder: Path) -> None:
    (folder / "test_inner.py").write_text(SUITE)
    here = Path(__file__).parent
    paths = [here, *sys.path]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "recorder", "-rA", f"--basetemp={folder}/base"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "DB_REMOTE_PASSWORD": PASSWORD,
            "DB_SYNC_TEST_ANY_URL": "mysql://user:secret%40server@127.0.0.1:1/",
        },
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    told = [line.split(" - ")[0] for line in done.stdout.splitlines()]
    every = {line.split("(")[0][4:] for line in SUITE.splitlines() if line.startswith("def test")}
    caught = {line.rpartition("::")[2] for line in told if line.startswith("ERROR test_inner")}
    assert caught == every - QUIET, done.stdout
    assert "FAILED test_inner.py::test_failure" in told
    assert f"a password stands in {folder}/base/test_written0/report.html" in done.stdout
    assert ".env" not in done.stdout
    assert "test_written0/venv" not in done.stdout
    # What pytest tells of them shows nothing either.
    assert HIDDEN in done.stdout
    known = [PASSWORD, "another secret", "one more secret", "secret@server"]
    assert not shows(done.stdout + done.stderr, known)


@pytest.mark.parametrize("spelling", sorted(spellings(PASSWORD)))
def test_no_spelling_is_left(spelling: str) -> None:
    said = f"so {spelling.upper()}, or {spelling}."
    assert shows(said, ["something else", PASSWORD])
    assert hide(said, [PASSWORD]) == f"so {HIDDEN}, or {HIDDEN}."


def test_what_is_no_password_is_left() -> None:
    assert not shows("so it is", [PASSWORD, "it"])
    assert hide("so it is", []) == hide("so it is", ["it"]) == "so it is"
