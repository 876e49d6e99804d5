"""`db-sync doctor` on servers with settings of their own: each finding's statement mends it.

What any test server can tell stands in tests/doctor.rs.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import servers
from own_server import open_folder, own_server
from sides import Outcome, Server, Sides, two_sides
from test_full_disk import MIB, small_disk

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))"
ODD = {
    "sql_mode": "'ONLY_FULL_GROUP_BY'",
    "max_allowed_packet": "1048576",
    "local_infile": "0",
    "binlog_format": "'STATEMENT'",
    "binlog_row_image": "'MINIMAL'",
    "time_zone": "'+05:30'",
    "read_only": "1",
}
ACCOUNT = "'patient'@'127.0.0.1'"
# The settings' file that others may read, and LOCAL's tables, are no matter of these tests.
ALWAYS = {"DOC_009", "SYS_001"}


def found(outcome: Outcome, side: str | None = None) -> dict[str, dict[str, Any]]:
    """The findings by their codes: all of them, or those of one side."""
    findings = outcome.answer["findings"]
    mine = [finding for finding in findings if side is None or finding["side"] == side]
    return {finding["code"]: finding for finding in mine if finding["code"] not in ALWAYS}


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Sides]:
    """REMOTE is a server with settings that nobody should have, and an account of no rank."""
    with open_folder() as folder, own_server(folder, "--skip-log-bin") as server:
        with two_sides(tmp_path, server, "MARIADB") as sides:
            sides.query_both(TABLE)
            sides.remote.query(f"CREATE USER {ACCOUNT} IDENTIFIED BY '{servers.PASSWORD}'")
            sides.remote.query(f"GRANT ALL ON {sides.remote.name}.* TO {ACCOUNT}")
            sides.settings |= {"DB_REMOTE_USER": "patient", "DB_REMOTE_PASSWORD": servers.PASSWORD}
            yield sides


def test_settings_are_mended_by_the_statements_to_the_letter(odd: Sides) -> None:
    for name, value in ODD.items():
        odd.remote.query(f"SET GLOBAL {name} = {value}")
    first = odd.run("doctor", "--json")
    remote = found(first, "REMOTE")
    expected = {"DOC_002", "DOC_005", "DOC_007", "SYS_002", "SYS_004"}
    assert (set(remote), first.status) == (expected, 1), first.out
    assert remote["DOC_002"]["sql"] == (
        "SET GLOBAL sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES';"
    )
    assert "read only" in remote["SYS_004"]["message"]
    zones = found(first)["DOC_004"]
    assert (zones["side"], zones["names"]["remote"]) == (None, "+05:30")
    assert first.answer["sides"]["remote"]["time_zone_minutes"] == 330
    assert zones["sql"].startswith("-- on REMOTE\n")
    for finding in [*remote.values(), zones]:
        for statement in finding["sql"].splitlines():
            if not statement.startswith("--"):
                odd.remote.query(statement)
    second = odd.run("doctor", "--json")
    # A binary log is kept from the server's start on, or not at all.
    assert (set(found(second, "REMOTE")), second.status) == ({"DOC_007"}, 0), second.out
    assert found(second, "REMOTE")["DOC_007"]["names"]["lacking"] == "log_bin=OFF"
    assert "DOC_004" not in found(second)
    assert odd.sync().status == 0


def test_a_clock_that_is_wrong(odd: Sides) -> None:
    # New sessions of accounts of no rank find themselves two hours ago.
    odd.remote.query("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() - 7200'")
    outcome = odd.run("doctor", "--json")
    clock = found(outcome, "REMOTE")["DOC_003"]
    assert -7260 < int(clock["names"]["seconds"]) < -7140
    assert -7260_000 < outcome.answer["sides"]["remote"]["clock_ms"] < -7140_000
    assert (clock["level"], outcome.status) == ("warning", 0)
    odd.remote.query("SET GLOBAL init_connect = ''")
    assert "DOC_003" not in found(odd.run("doctor", "--json"))


def test_a_server_that_tells_of_its_disk(odd: Sides) -> None:
    assert odd.run("doctor", "--json").answer["sides"]["remote"]["free_bytes"] is None
    odd.remote.query("INSTALL SONAME 'disks'")
    odd.remote.query(f"GRANT FILE ON *.* TO {ACCOUNT}")
    free = odd.run("doctor", "--json").answer["sides"]["remote"]["free_bytes"]
    ((folder,),) = odd.remote.query("SELECT @@datadir")
    disk = os.statvfs(folder)
    # Others write to the disk meanwhile.
    assert abs(free - disk.f_bavail * disk.f_frsize) < disk.f_blocks * disk.f_frsize / 10


def test_a_source_may_be_read_only(odd: Sides) -> None:
    odd.remote.query("SET GLOBAL read_only = 1, GLOBAL local_infile = 0")
    assert {"SYS_004", "DOC_005"} < set(found(odd.run("doctor", "--json"), "REMOTE"))
    one_way = odd.run("doctor", "--json", DB_SYNC_DIRECTION="REMOTE_TO_LOCAL")
    assert (set(found(one_way, "REMOTE")), one_way.status) == ({"DOC_007"}, 0)
    # Who administrates the server writes all the same.
    odd.remote.query(f"GRANT READ_ONLY ADMIN ON *.* TO {ACCOUNT}")
    assert "SYS_004" not in found(odd.run("doctor", "--json"))


def test_mysql_that_is_read_only_for_everybody(tmp_path: Path) -> None:
    if "DB_SYNC_TEST_MYSQL_URL" not in os.environ:
        pytest.skip("there is no MySQL server")
    with open_folder() as folder:
        running = servers.Running(servers.Server("", "mysql", 9), folder)
        try:
            running.wait()
            server = Server(running.port, servers.USER, servers.PASSWORD)
            with two_sides(tmp_path, server, "MARIADB") as sides:
                sides.query_both(TABLE)
                assert found(sides.run("doctor", "--json"), "REMOTE") == {}
                sides.remote.query("SET GLOBAL super_read_only = 1")
                closed = found(sides.run("doctor", "--json"), "REMOTE")
                assert set(closed) == {"SYS_004"}
                sides.remote.query(closed["SYS_004"]["sql"])
                assert found(sides.run("doctor", "--json"), "REMOTE") == {}
        finally:
            running.stop()


def test_files_that_may_not_be_written(tmp_path: Path) -> None:
    disk_folder = tmp_path / "a disk"
    disk_folder.mkdir()
    with small_disk(disk_folder, 16 * MIB), two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        sides.remote.query(TABLE)
        file = disk_folder / "local.sqlite3"
        file.touch()
        sides.settings |= {"DB_LOCAL_ENGINE": "sqlite", "DB_LOCAL_NAME": str(file)}
        answer = sides.run("doctor", "--json", TMPDIR=str(disk_folder)).answer
        little = [one for one in answer["findings"] if one["code"] == "SYS_001"]
        (room,) = [one for one in little if one["side"] == "LOCAL"]
        (temporary,) = [one for one in little if one["names"]["owner"] == "TMPDIR"]
        assert (temporary["side"], temporary["names"]["path"]) == (None, str(disk_folder))
        assert 0 < int(room["names"]["megabytes"]) <= 16
        assert answer["sides"]["local"]["free_bytes"] <= 16 * MIB
        looked = subprocess.run(
            ["/bin/sh", "-c", room["command"]], capture_output=True, text=True, check=True
        )
        assert str(disk_folder) in looked.stdout
        remount = ["mount", "-o", "remount,ro", str(disk_folder)]
        subprocess.run(remount, check=True)  # noqa: S607 - where every system has it
        outcome = sides.run("doctor", "--json")
        closed = [one for one in outcome.answer["findings"] if one["code"] == "SYS_004"]
        paths = [one["names"]["path"] for one in closed if one["side"] == "LOCAL"]
        assert (sorted(paths), outcome.status) == ([str(disk_folder), str(file)], 1)
        assert f"chmod u+w '{file}'" in [one["command"] for one in closed]


def test_passwords_that_everybody_reads(tmp_path: Path) -> None:
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        sides.query_both(TABLE)
        path = tmp_path / "it's mine.env"
        path.write_text("".join(f"{key}={value}\n" for key, value in sides.settings.items()))
        path.chmod(0o644)
        sides.settings.clear()
        flags = ("doctor", "--json", "--env-file", path.name)
        open_file = found(sides.run(*flags))["DOC_008"]
        assert open_file["level"] == "warning"
        # What is safe is mended, and this is not for us to say.
        assert found(sides.run(*flags, "--fix"))["DOC_008"]["fixed"] is None
        command = ["/bin/sh", "-c", open_file["command"]]
        subprocess.run(command, cwd=tmp_path, check=True)
        assert "DOC_008" not in found(sides.run(*flags))


def test_wrong_settings_are_no_finding(tmp_path: Path) -> None:
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        outcome = sides.run("doctor", "--json", DB_SYNC_BATCH_SIZE="0")
        assert (outcome.status, outcome.codes) == (2, {"CFG_002"})


def test_the_text_is_short_and_says_what_was_done(tmp_path: Path) -> None:
    with two_sides(tmp_path, "MARIADB", "MARIADB2") as sides:
        sides.query_both(TABLE)
        looked = sides.run("doctor")
        assert looked.status == 0
        assert "REMOTE: MariaDB 1" in looked.out
        assert "note DOC_009 LOCAL: The sync's own tables are not on LOCAL yet" in looked.out
        assert "more lines (--json has all of them)" in looked.out
        mended = sides.run("doctor", "--fix")
        assert "    fixed: Made or brought up to date: db_sync_config," in mended.out
        assert "CREATE TABLE" not in mended.out
        assert mended.out.endswith("1 fixed\n")
        assert sides.run("doctor", "--fix").out.endswith("0 fixed\n")
