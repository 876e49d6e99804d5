"""Encrypted lines: what each mode asks of a server, and that both drivers ask it.

A private authority vouches for a server called `localhost`, and for nobody at 127.0.0.1. Whether a
line is encrypted is left to the server: its account takes no other.
"""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from own_server import open_folder, own_server
from sides import Database, Server, Sides, two_sides

USER, PASSWORD = "encrypted", "only by TLS"
CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = test authority
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost
"""
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Encrypted:
    """A server that has a certificate.

    Attributes:
        server: The server.
        authorities: Files with an authority's certificate: the right one, and another one.
    """

    server: Server
    authorities: dict[str, str]


def openssl(folder: Path, *words: str) -> None:
    program = shutil.which("openssl")
    assert program is not None, "the openssl command is missing"
    subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)


def make_authority(folder: Path, name: str) -> None:
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2"]
    extensions = ["-config", "configuration", "-extensions", "authority"]
    openssl(folder, "req", "-x509", *NEW_KEY, *files, *extensions)


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Encrypted]:
    with open_folder() as folder:
        (folder / "configuration").write_text(CONFIGURATION)
        make_authority(folder, "right")
        make_authority(folder, "wrong")
        request = ["-keyout", "server.key", "-out", "request", "-config", "configuration"]
        openssl(folder, "req", *NEW_KEY, *request)
        by = ["-CA", "right.pem", "-CAkey", "right.key", "-CAcreateserial", "-days", "2"]
        extensions = ["-extfile", "configuration", "-extensions", "server"]
        openssl(folder, "x509", "-req", "-in", "request", *by, *extensions, "-out", "server.pem")
        (folder / "server.key").chmod(0o644)
        (folder / "own").mkdir()
        settings = [
            f"--ssl-{name}={folder / file}"
            for name, file in [("ca", "right.pem"), ("cert", "server.pem"), ("key", "server.key")]
        ]
        with own_server(folder / "own", *settings) as server:
            authorities = {name: str(folder / f"{name}.pem") for name in ("right", "wrong")}
            yield Encrypted(server, authorities)


def require_tls(sides: Sides, side: str, database: Database) -> None:
    """Has a side reached by an account that takes encrypted lines only."""
    account = f"'{USER}'@'127.0.0.1'"
    database.query(f"CREATE OR REPLACE USER {account} IDENTIFIED BY '{PASSWORD}' REQUIRE SSL")
    database.query(f"GRANT ALL ON {database.name}.* TO {account}")
    sides.settings |= {f"DB_{side}_USER": USER, f"DB_{side}_PASSWORD": PASSWORD}


@pytest.fixture
def sides(encrypted: Encrypted, tmp_path: Path) -> Iterator[Sides]:
    """REMOTE has rows, LOCAL has none and takes them over encrypted lines only."""
    with two_sides(tmp_path, "MARIADB", encrypted.server) as sides:
        require_tls(sides, "LOCAL", sides.local)
        sides.query_both("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))")
        sides.remote.query("INSERT INTO t SELECT seq, 'row' FROM seq_1_to_50")
        # More rows than a batch takes are loaded at once, by another driver.
        sides.settings["DB_SYNC_BATCH_SIZE"] = "10"
        yield sides


def settings(encrypted: Encrypted, mode: str, authority: str, host: str) -> dict[str, str]:
    """How LOCAL is to be reached."""
    named = {"DB_LOCAL_SSL_CA": encrypted.authorities[authority]} if authority else {}
    return {"DB_LOCAL_SSL_MODE": mode, "DB_LOCAL_HOST": host, **named}


@pytest.mark.parametrize(
    ("mode", "authority", "host"),
    [
        ("PREFERRED", "", "127.0.0.1"),
        ("REQUIRED", "", "127.0.0.1"),
        ("VERIFY_CA", "right", "localhost"),
        ("verify_identity", "right", "localhost"),
    ],
)
def test_a_mode_that_the_server_meets(
    encrypted: Encrypted, sides: Sides, mode: str, authority: str, host: str
) -> None:
    loads = "SHOW GLOBAL STATUS LIKE 'Com_load'"
    [[_, before]] = sides.local.query(loads)
    outcome = sides.sync(**settings(encrypted, mode, authority, host))
    assert (outcome.status, outcome.written) == (0, 50), outcome.out
    assert sides.local.rows() == sides.remote.rows()
    [[_, after]] = sides.local.query(loads)
    assert int(after) == int(before) + 1


def test_an_authority_whatever_the_name(encrypted: Encrypted, sides: Sides) -> None:
    # The driver that loads at once insists on the name; then statements bring the rows.
    outcome = sides.sync(**settings(encrypted, "VERIFY_CA", "right", "127.0.0.1"))
    assert (outcome.status, outcome.written) == (0, 50), outcome.out
    assert sides.local.rows() == sides.remote.rows()


@pytest.mark.parametrize(
    ("mode", "authority", "host"),
    [
        ("VERIFY_CA", "wrong", "127.0.0.1"),
        # The system's own authorities know nothing of ours.
        ("VERIFY_CA", "", "127.0.0.1"),
        ("VERIFY_IDENTITY", "right", "127.0.0.1"),
        ("VERIFY_IDENTITY", "wrong", "localhost"),
        ("VERIFY_IDENTITY", "", "localhost"),
    ],
)
def test_a_mode_that_the_server_does_not_meet(
    encrypted: Encrypted, sides: Sides, mode: str, authority: str, host: str
) -> None:
    outcome = sides.sync(**settings(encrypted, mode, authority, host))
    assert (outcome.status, outcome.codes) == (1, {"DB_CONN_001"}), outcome.out
    [failure] = outcome.failures
    assert "TLS" in failure["message"]
    assert "DB_LOCAL_SSL_CA" in failure["hint"]
    assert sides.local.rows() == ()


def test_an_account_that_takes_no_plain_line(encrypted: Encrypted, sides: Sides) -> None:
    outcome = sides.sync(DB_LOCAL_SSL_MODE="DISABLED")
    assert (outcome.status, outcome.codes) == (1, {"DB_CONN_003"}), outcome.out


@pytest.mark.parametrize("mode", ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"])
def test_a_server_without_tls(encrypted: Encrypted, sides: Sides, mode: str) -> None:
    assert sides.remote.query("SELECT @@have_ssl") == (("DISABLED",),)
    authority = encrypted.authorities["right"]
    outcome = sides.sync(DB_REMOTE_SSL_MODE=mode, DB_REMOTE_SSL_CA=authority)
    assert (outcome.status, outcome.codes) == (1, {"DB_CONN_001"}), outcome.out
    assert "TLS" in outcome.failures[0]["message"]


def test_both_sides_with_an_authority(encrypted: Encrypted, tmp_path: Path) -> None:
    with two_sides(tmp_path, encrypted.server, encrypted.server) as sides:
        require_tls(sides, "REMOTE", sides.remote)
        sides.query_both("CREATE TABLE t (id INT PRIMARY KEY)")
        sides.local.query("INSERT INTO t VALUES (1)")
        for side in sides.both:
            sides.settings |= {
                f"DB_{side}_HOST": "localhost",
                f"DB_{side}_SSL_MODE": "VERIFY_IDENTITY",
                f"DB_{side}_SSL_CA": encrypted.authorities["right"],
            }
        sides.assert_settles()
