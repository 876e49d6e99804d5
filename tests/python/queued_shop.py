"""The example shop with a queue: real clusters of Django Q2, and a real Redis server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import servers
from example_shop import SHOP, Site
from sides import HANGS

HERE = Path(__file__).parent


def until(true: Callable[[], bool], what: str) -> None:
    """Asks until the answer is true."""
    deadline = time.monotonic() + HANGS
    while not true():
        assert time.monotonic() < deadline, f"never came true: {what}"
        # Neither a queue nor a process of somebody else tells us when it has done something.
        time.sleep(0.05)


@dataclass
class QueuedShop(Site):
    """A shop in a folder of its own, whose settings have a queue.

    Attributes:
        cluster: What `Q_CLUSTER` says, but for what all of them say.
        settings: What stands in the environment beside the shop's `.env`.
    """

    cluster: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        foreign = ("DB_", "DJANGO_", "SHOP_", "Q_")
        own = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        return {
            **own,
            "DJANGO_SETTINGS_MODULE": "queued_settings",
            "PYTHONPATH": str(HERE),
            "SHOP_CLUSTER": json.dumps(self.cluster),
            **self.settings,
        }

    def manage(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs `manage.py` and checks its exit status."""
        done = subprocess.run(
            [sys.executable, str(SHOP / "manage.py"), *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=HANGS,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def run(self, code: str) -> None:
        """Runs some Python in the shop's shell."""
        self.manage("shell", "--verbosity=0", "-c", code)

    def enqueue(self, task: str, times: int = 1) -> None:
        """Puts a task into the queue, to be tried once."""
        self.run(
            "from django_q.tasks import async_task\n"
            f"for _ in range({times}): async_task({task!r}, q_options={{'ack_failure': True}})"
        )

    @contextmanager
    def clusters(self, count: int = 1) -> Iterator[None]:
        """Has clusters run, each as `manage.py qcluster` does, and stops them in the end."""
        with ExitStack() as stack:
            for number in range(count):
                stack.enter_context(self._one_cluster(self.folder / f"cluster{number}.log"))
            yield

    @contextmanager
    def _one_cluster(self, log: Path) -> Iterator[None]:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(SHOP / "manage.py"), "qcluster"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=servers.die_with_parent,  # noqa: PLW1509 - one call into libc, no locks
            )
        try:
            yield
        except BaseException:
            sys.stderr.write(log.read_text())
            raise
        finally:
            process.terminate()
            try:
                process.wait(timeout=HANGS)
            finally:
                # Its workers are of its session, and of nobody else's.
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def engines(self) -> list[int]:
        """The processes in which an engine of this shop is at work."""
        return [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and self._is_engine(folder)
        ]

    def _is_engine(self, process: Path) -> bool:
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            return b"db_sync" in words and (process / "cwd").resolve() == self.folder.resolve()
        except OSError:
            # It has ended meanwhile.
            return False

    def tasks(self) -> list[tuple[Any, ...]]:
        """Every task that has ended, as function and whether it went well."""
        return self.query("remote", "SELECT func, success FROM django_q_task ORDER BY stopped")

    def await_tasks(self, count: int) -> None:
        """Waits until so many tasks have ended."""
        until(lambda: len(self.tasks()) >= count, f"{count} tasks")


@contextmanager
def redis(folder: Path) -> Iterator[dict[str, Any]]:
    """Starts a Redis server of a test's own, and stops it in the end.

    Args:
        folder: Its own.

    Yields:
        What `Q_CLUSTER` says to use it.
    """
    servers.prepare_redis()
    port = servers.free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(
            ["redis-server", *words],  # noqa: S607 - where apt puts it
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=servers.die_with_parent,  # noqa: PLW1509 - one call into libc, no locks
        )

    def greets() -> bool:
        assert process.poll() is None, (folder / "redis.log").read_text()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
                line.sendall(b"PING\r\n")
                return line.recv(5) == b"+PONG"
        except OSError:
            return False

    try:
        until(greets, "Redis greets")
        yield {"redis": {"host": "127.0.0.1", "port": port}}
    finally:
        process.terminate()
        process.wait(timeout=HANGS)
