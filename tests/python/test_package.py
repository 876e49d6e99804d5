import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import db_sync
from db_sync import __main__, _native
from sides import HANGS


def test_importing_needs_no_django() -> None:
    code = "import sys; sys.modules['django'] = None; import db_sync, db_sync.conf, db_sync.engine"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there() -> None:
    assert [name for name in db_sync.__all__ if not hasattr(db_sync, name)] == []


@pytest.mark.parametrize("name", ["run", "main", "settings", "control_statements", "SyncError"])
def test_the_native_module_has_what_the_stub_says(name: str) -> None:
    assert hasattr(_native, name)


@pytest.mark.usefixtures("signals")
def test_the_command_hands_its_arguments_and_its_status_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def native_main(argv: list[str]) -> int:
        seen.append(argv)
        return 3

    monkeypatch.setattr(_native, "main", native_main)
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py", "run", "--json"])
    assert __main__.main() == 3
    assert seen == [["db-sync", "run", "--json"]]


def test_ctrl_c_ends_the_command_with_its_own_words(tmp_path: Path) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    silent.settimeout(HANGS)
    address = {"HOST": "127.0.0.1", "PORT": str(silent.getsockname()[1])}
    side = {**address, "NAME": "shop", "USER": "sync", "PASSWORD": "never asked for"}
    keys = {
        f"DB_{name}_{key}": value for name in ("REMOTE", "LOCAL") for key, value in side.items()
    }
    command = subprocess.Popen(
        [sys.executable, "-m", "db_sync", "run"],
        env={**os.environ, **keys},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    with silent:
        line, _address = silent.accept()
        with line:
            command.send_signal(signal.SIGINT)
            _out, words = command.communicate(timeout=HANGS)
    assert command.returncode == 130
    assert words.startswith(b"SYNC_005")
    assert b"Traceback" not in words
