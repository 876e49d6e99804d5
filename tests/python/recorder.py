"""Listens for passwords in everything that the suite prints.

A plugin of pytest. It hears what the tests' child processes are told and what they say, what the
tests' own process prints and logs, what Django's commands say and raise and its pages answer; in
the end it reads every file that is left in the tests' folders. A test in which somebody shows a
password fails, and the password is hidden in what pytest prints about it.

Whatever an environment names as a `…_PASSWORD`, of a child process or our own, is one from then on,
and so are those of the test servers. A test to which showing one belongs says so:
`@pytest.mark.shows_passwords("why")`. What a test itself compares is its own affair, and so are its
`.env` files.
"""

import os
import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from django.core.management.base import BaseCommand, OutputWrapper
from django.test.client import Client

from passwords import SHORTEST, hide, shows

_NAME = "everything that is printed"


class Recorder:
    """What was heard since the last test ended, and every password so far."""

    def __init__(self) -> None:
        """Knows the test servers' passwords."""
        servers = [value for key, value in os.environ.items() if key.startswith("DB_SYNC_TEST_")]
        told = [urlsplit(value).password for value in servers]
        self.passwords = {unquote(password) for password in told if password}
        self._heard: list[tuple[str, str]] = []
        self._short: set[str] = set()

    def learn(self, environment: Mapping[str, str]) -> None:
        """Takes note of the passwords in an environment."""
        for key, value in environment.items():
            if not (key.startswith("DB_") and key.endswith("_PASSWORD") and value):
                continue
            if len(value) < SHORTEST:
                self._short.add(key)
            else:
                self.passwords.add(value)

    def hear(self, source: str, said: object) -> None:
        """Takes note of what was said."""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        self._heard.append((source, text))

    def complaints(self, sections: list[tuple[str, str]]) -> list[str]:
        """What is wrong with what was heard, and with what pytest has captured besides."""
        heard, self._heard = [*self._heard, *sections], []
        shown = {source for source, text in heard if shows(text, self.passwords)}
        short, self._short = self._short, set()
        return [
            *(f"{source} shows a password" for source in sorted(shown)),
            *(f"{key} has fewer than {SHORTEST} characters to look for" for key in sorted(short)),
        ]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Judges what was heard once a test is over; hides passwords in all that pytest tells."""
        report = yield
        # What a test has put there is still in our environment.
        self.learn(os.environ)
        if report.when == "teardown":
            found = self.complaints(report.sections)
            if found and item.get_closest_marker("shows_passwords") is None:
                report.outcome = "failed"
                report.longrepr = "\n".join([*filter(None, [report.longreprtext]), *found])
        if report.failed and shows(report.longreprtext, self.passwords):
            report.longrepr = hide(report.longreprtext, self.passwords)
        report.sections = [(title, hide(text, self.passwords)) for title, text in report.sections]
        return report

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        """Listens from now on."""

        def after(owner: type, name: str, hear: Callable[..., None]) -> None:
            """Has somebody hear of what a method was given, first its object, and answered."""
            method = getattr(owner, name)

            def heard(*given: Any, **named: Any) -> Any:
                answer = method(*given, **named)
                hear(answer, *given, **named)
                return answer

            patch.setattr(owner, name, heard)

        after(subprocess.Popen, "__init__", self._hear_start)
        after(subprocess.Popen, "communicate", lambda said, *_, **__: self._hear_streams(said))
        after(pytest.CaptureFixture, "readouterr", lambda said, *_: self._hear_streams(said))
        after(OutputWrapper, "write", lambda _, __, *said, **___: self.hear("a command", said))
        after(Client, "request", lambda page, *_, **__: self.hear("a page", _content(page)))
        execute = BaseCommand.execute

        def executed(*given: Any, **named: Any) -> Any:
            try:
                return execute(*given, **named)
            except BaseException as problem:
                self.hear("what a command raises", f"{problem} {problem!r}")
                raise

        patch.setattr(BaseCommand, "execute", executed)

    def _hear_start(
        self, _: None, process: "subprocess.Popen[Any]", *given: Any, **named: Any
    ) -> None:
        environment = named.get("env")
        self.learn(os.environ if environment is None else environment)
        self.hear("the command line of a process", process.args)

    def _hear_streams(self, said: tuple[object, object]) -> None:
        for text in said:
            self.hear("what is printed", text)


def pytest_configure(config: pytest.Config) -> None:
    """Begins to listen."""
    why = "shows_passwords(why): the test itself has somebody show a password"
    config.addinivalue_line("markers", why)
    patch, recorder = pytest.MonkeyPatch(), Recorder()
    recorder.listen(patch)
    config.add_cleanup(patch.undo)
    config.pluginmanager.register(recorder, _NAME)


@pytest.fixture(scope="session", autouse=True)
def _no_file_shows_a_password(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Reads what is left in the tests' folders, which have the tests' names."""
    yield
    recorder: Recorder = request.config.pluginmanager.getplugin(_NAME)
    secrets = [password.encode() for password in recorder.passwords]
    shown = [
        str(path)
        for path in _files(tmp_path_factory.getbasetemp())
        if any(secret in content for content in [path.read_bytes()] for secret in secrets)
    ]
    assert not shown, f"a password stands in {', '.join(shown)}"


def _content(page: Any) -> object:
    """What a page says; one that comes in pieces is not taken from who asked for it."""
    return getattr(page, "content", "")


def _files(top: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(top):
        if "pyvenv.cfg" in names:
            # What is installed there says what it said before.
            folders.clear()
            continue
        for path in (Path(folder, name) for name in names if not name.endswith(".env")):
            if path.is_file() and not path.is_symlink():
                yield path
