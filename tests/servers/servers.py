"""Private database servers for the tests: started, handed over by URL, stopped.

``python3 tests/servers/servers.py run -- COMMAND`` starts two MariaDB servers and one MySQL server
on free loopback ports with their own data folders, runs COMMAND with their URLs in its environment,
stops what it started and exits with COMMAND's status. ``prepare`` only gets what is needed.

A server whose URL is in the environment already (``DB_SYNC_TEST_MARIADB_URL``,
``DB_SYNC_TEST_MARIADB2_URL``, ``DB_SYNC_TEST_MYSQL_URL``) is not started. Where MySQL cannot be
had, that is said loudly, and ``DB_SYNC_TEST_MYSQL_SKIPPED`` carries the reason.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

USER, PASSWORD = "sync", "sync-test"
DEADLINE_SECONDS = 90.0
CACHE = Path(os.environ.get("DB_SYNC_CACHE", Path.home() / ".cache" / "db-sync"))
SETTINGS = [
    "--skip-name-resolve",
    "--max-connections=300",
    "--max-allowed-packet=16M",
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=256M",
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-binlog=0",
    "--log-bin=binlog",
]
# Neither the X protocol's port nor a folder that only Debian's whole package makes.
MYSQL_ONLY = ["--mysqlx=OFF", "--secure-file-priv="]


class CannotPrepareError(Exception):
    """What a server needs cannot be had on this machine; the message says why."""


@dataclass(frozen=True)
class Server:
    """One server to be started.

    Attributes:
        variable: The environment variable that carries its URL.
        kind: ``mariadb`` or ``mysql``.
        number: Tells servers apart; also their ``server_id``.
        settings: What it is told beside what all are told, which it overrides.
        host: Its address of the loopback.
        port: Its port there; 0 for one that nobody uses.
    """

    variable: str
    kind: str
    number: int
    settings: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0


SERVERS = [
    Server("DB_SYNC_TEST_MARIADB_URL", "mariadb", 1),
    Server("DB_SYNC_TEST_MARIADB2_URL", "mariadb", 2),
    Server("DB_SYNC_TEST_MYSQL_URL", "mysql", 3),
]


def say(text: str) -> None:
    """Print a line on stderr, so that COMMAND's stdout stays its own."""
    print(text, file=sys.stderr, flush=True)


def run(*words: str | Path) -> None:
    """Run a command quietly.

    Raises:
        CannotPrepareError: With the end of what it printed, if it fails.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            [str(word) for word in words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=environment,
            errors="replace",
        )
    except OSError as problem:
        raise CannotPrepareError(f"{words[0]}: {problem}") from problem
    if done.returncode != 0:
        raise CannotPrepareError(f"{words[0]} failed: {done.stdout[-600:].strip()}")


def apt_install(package: str) -> None:
    """Install one of Debian's packages, if we may."""
    if os.geteuid() != 0:
        raise CannotPrepareError(f"{package} is not installed, and only root may install it")
    say(f"installing {package} …")
    run("apt-get", "update", "-qq")
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", package)


def prepare_mariadb() -> None:
    """See to it that ``mariadbd`` is here."""
    if shutil.which("mariadbd") is None:
        apt_install("mariadb-server")
    if shutil.which("mariadb-install-db") is None:
        raise CannotPrepareError("mariadb-install-db is missing")


def prepare_redis() -> None:
    """See to it that ``redis-server`` is here."""
    if shutil.which("redis-server") is None:
        apt_install("redis-server")


def mysqld_on_path() -> str | None:
    """Return the path of a real MySQL server, if there is one."""
    found = shutil.which("mysqld")
    if found is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    return None if "MariaDB" in version.stdout else found


def debian_mirror() -> str:
    """Return the mirror that this machine's package manager uses."""
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    texts = [
        path.read_text(encoding="utf-8", errors="replace") for path in sources if path.is_file()
    ]
    found = re.findall(r"^(?:deb\s+(?:\[.*?\]\s+)?|URIs:\s*)(\S+)", "\n".join(texts), re.MULTILINE)
    # Other vendors' archives may be listed beside Debian's own, and know nothing of its suites.
    own = [mirror for mirror in found if mirror.rstrip("/").endswith("/debian")]
    if not own:
        raise CannotPrepareError("no Debian mirror is configured on this machine")
    return str(own[0])


def prepare_mysql() -> Path | None:
    """See to it that a MySQL server is here.

    Returns:
        ``None`` for one on PATH, else the folder of a private root that holds one.
    """
    if mysqld_on_path() is not None:
        return None
    root = CACHE / "mysql-root"
    if (root / "usr/sbin/mysqld").exists():
        return root
    if os.geteuid() != 0:
        raise CannotPrepareError("no mysqld on PATH, and only root may unpack one")
    if shutil.which("debootstrap") is None:
        apt_install("debootstrap")
    say("unpacking a private root with a MySQL server (about a minute, once) …")
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="mysql-root.", dir=CACHE))
    try:
        run("debootstrap", "--variant=minbase", "sid", partial, debian_mirror())
        for configuration in Path("/etc/apt/apt.conf.d").glob("*"):
            shutil.copy(configuration, partial / "etc/apt/apt.conf.d")
        certificates = Path("/etc/ssl/certs")
        if certificates.is_dir():
            shutil.copytree(certificates, partial / "etc/ssl/certs", dirs_exist_ok=True)
        shutil.copy("/etc/resolv.conf", partial / "etc/resolv.conf")
        install = "apt-get install -y -qq --no-install-recommends mysql-server-core"
        run("chroot", partial, "sh", "-c", f"DEBIAN_FRONTEND=noninteractive {install}")
        (partial / "run/mysqld").mkdir(parents=True, exist_ok=True)
        partial.chmod(0o755)
        if not root.exists():
            partial.rename(root)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return root


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def die_with_parent() -> None:
    """Make the kernel end a child when we end, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Running:
    """A server process and its folders."""

    def __init__(self, server: Server, home: Path) -> None:
        """Start the server; ``home`` is an empty folder of its own."""
        self.server = server
        self.port = server.port or free_port()
        self.home = home
        self.root: Path | None = None
        self.data = home / "data"
        if server.kind == "mariadb":
            self.process = self._mariadb()
        else:
            self.process = self._mysql()

    def _start(self, words: list[str]) -> subprocess.Popen[bytes]:
        # Once the accounts are made they are there.
        self.again = [word for word in words if not word.startswith("--init-file=")]
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(
                words,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=self.data if self.server.kind == "mariadb" else None,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one call into libc, no locks
            )

    def _mariadb(self) -> subprocess.Popen[bytes]:
        user = ["--user=mysql"] if os.geteuid() == 0 else []
        if user:
            shutil.chown(self.home, "mysql")
        run(
            "mariadb-install-db",
            "--no-defaults",
            *self.server.settings,
            f"--datadir={self.data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *user,
        )
        words = ["mariadbd", "--no-defaults", f"--datadir={self.data}", *user]
        return self._start(
            [*words, *self._settings(self.home / "socket"), f"--init-file={self._accounts()}"]
        )

    def _mysql(self) -> subprocess.Popen[bytes]:
        self.root = prepare_mysql()
        program = [mysqld_on_path() or "mysqld"]
        data, init = self.data, self._accounts()
        if self.root is not None:
            # Inside the private root everything has another name.
            inside = Path(tempfile.mkdtemp(prefix="db-sync.", dir=self.root / "tmp"))
            self.data = inside
            shutil.copy(init, inside / "accounts.sql")
            data = Path("/tmp") / inside.name / "data"  # noqa: S108 - the root's own
            init = Path("/tmp") / inside.name / "accounts.sql"  # noqa: S108 - the root's own
            program = ["chroot", str(self.root), "/usr/sbin/mysqld"]
        words = [*program, "--no-defaults", f"--datadir={data}", "--user=root"]
        run(*words, "--initialize-insecure")
        socket_path = data / "socket"
        return self._start(
            [*words, *self._settings(socket_path), *MYSQL_ONLY, f"--init-file={init}"]
        )

    def _settings(self, socket_path: Path) -> list[str]:
        own = [
            f"--port={self.port}",
            f"--bind-address={self.server.host}",
            f"--socket={socket_path}",
            f"--server-id={self.server.number}",
            # Both ways of loading a table are tested: one of the servers takes no loads.
            f"--local-infile={int(self.server.number != 2)}",  # noqa: PLR2004 - the second
            *self.server.settings,
        ]
        return (
            [*SETTINGS, "--binlog-format=ROW", *own]
            if self.server.kind == "mariadb"
            else [*SETTINGS, *own]
        )

    def _accounts(self) -> Path:
        path = self.home / "accounts.sql"
        hosts = ["127.0.0.1", "localhost"]
        lines = [f"CREATE USER '{USER}'@'{host}' IDENTIFIED BY '{PASSWORD}';\n" for host in hosts]
        lines += [
            f"GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'{host}' WITH GRANT OPTION;\n"
            for host in hosts
        ]
        path.write_text("".join(lines), encoding="utf-8")
        path.chmod(0o644)
        return path

    def wait(self) -> str:
        """Wait until the server greets; return its URL.

        Raises:
            CannotPrepareError: With the end of its log, if it does not.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection((self.server.host, self.port), timeout=2) as line:
                    line.settimeout(5)
                    if line.recv(5):
                        return f"mysql://{USER}:{PASSWORD}@{self.server.host}:{self.port}/"
            except OSError:
                pass
            # A server does not say when it is ready: it is asked again, until the deadline.
            time.sleep(0.05)
        tail = (self.home / "log").read_text(encoding="utf-8", errors="replace")[-1500:]
        raise CannotPrepareError(f"{self.server.kind} did not start:\n{tail}")

    def restart(self) -> None:
        """Stop the server and start it again on its data and port; `wait` says when it is back."""
        self._end()
        self.process = self._start(self.again)

    def stop(self) -> None:
        """Stop the server and remove its folders."""
        self._end()
        shutil.rmtree(self.data, ignore_errors=True)

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def warn_skipped(reason: str) -> None:
    """Say, so that nobody overlooks it, that there is no MySQL server."""
    frame = "!" * 78
    say(f"{frame}\nNO MySQL SERVER: every pairing with MySQL WILL BE SKIPPED.\n{reason}\n{frame}")


def start(only: set[str], home: Path, running: list[Running]) -> dict[str, str]:
    """Start every server that is wanted and not given.

    Args:
        only: The kinds to start.
        home: A folder for their data.
        running: Receives what was started, also when something fails later.

    Returns:
        The environment variables that tell of them.
    """
    told: dict[str, str] = {}
    for server in SERVERS:
        if server.kind not in only or os.environ.get(server.variable):
            continue
        place = home / f"{server.kind}{server.number}"
        place.mkdir(mode=0o755)
        try:
            running.append(Running(server, place))
        except CannotPrepareError as problem:
            if server.kind != "mysql":
                raise
            warn_skipped(str(problem))
            told["DB_SYNC_TEST_MYSQL_SKIPPED"] = str(problem)
    for started in running:
        told[started.server.variable] = started.wait()
    return told


def stop_on_signal(number: int, _frame: FrameType | None) -> NoReturn:
    """Turn a signal into an exit that cleans up."""
    raise SystemExit(128 + number)


def run_with_servers(only: set[str], command: list[str]) -> int:
    """Run a command beside its servers and return its status."""
    signal.signal(signal.SIGTERM, stop_on_signal)
    running: list[Running] = []
    home = Path(tempfile.mkdtemp(prefix="db-sync-servers."))
    home.chmod(0o755)
    try:
        if "mariadb" in only:
            prepare_mariadb()
        told = start(only, home, running)
        return subprocess.run(command, env={**os.environ, **told}, check=False).returncode
    except CannotPrepareError as problem:
        say(f"servers: {problem}")
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        for started in running:
            started.stop()
        shutil.rmtree(home, ignore_errors=True)


def main() -> int:
    """Parse the command line and do as it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("prepare", help="only get what the servers need")
    runner = verbs.add_parser("run", help="run a command beside the servers")
    runner.add_argument("--only", default="mariadb,mysql", help="kinds to start, comma separated")
    runner.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    if asked.verb == "prepare":
        try:
            prepare_mariadb()
            prepare_redis()
        except CannotPrepareError as problem:
            say(f"servers: {problem}")
            return 2
        try:
            prepare_mysql()
        except CannotPrepareError as problem:
            warn_skipped(str(problem))
        return 0
    command = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
    if not command:
        parser.error("run needs a command")
    return run_with_servers(set(asked.only.split(",")), command)


if __name__ == "__main__":
    sys.exit(main())
