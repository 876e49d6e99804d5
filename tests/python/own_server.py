"""A MariaDB server of a test's own, with settings of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers
from sides import Server


@contextmanager
def open_folder() -> Iterator[Path]:
    """Makes a folder that a server's own user may enter, as pytest's folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="db-sync-own."))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_server(folder: Path, *settings: str) -> Iterator[Server]:
    """Starts a server with its data in an open folder, and stops it in the end.

    Args:
        folder: Its own; the data will be in `data` there, which may be a disk of its own.
        settings: Options of the server, beside and over those that all test servers have.
    """
    running = servers.Running(servers.Server("", "mariadb", 1, settings), folder)
    try:
        running.wait()
        yield Server(running.port, servers.USER, servers.PASSWORD)
    finally:
        running.stop()
