"""How the sides stand: when they were last synced, and which of them answers."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from db_sync import standing
from db_sync.conf import databases
from db_sync.switching import not_yet
from example_shop import Site
from fault_proxy import FaultProxy
from faults import HalfOpen, Rule
from queued_shop import QueuedShop
from sides import Outcome, Sides, two_sides
from switching_shop import db_env, manage

PASSWORD = "s3cret-0kapi"  # noqa: S105


class TestLag:
    """When a direction was last synced: as long ago as its table that has waited longest."""

    def sync_times(self, site: Site) -> dict[str, Any]:
        told: dict[str, Any] = db_env(site, "status", "--json").answer["last_syncs"]
        return told

    def synced_at(self, site: Site, table: str, at: str, way: str | None = None) -> None:
        """Has a table's last sync be at another time, in one direction or as a whole."""
        if way is None:
            site.query(
                "local",
                "UPDATE db_sync_config SET last_sync_time = ? WHERE table_name = ?",
                at,
                table,
            )
        else:
            site.query(
                "local",
                "UPDATE db_sync_log SET start_time = ? WHERE table_name = ? AND sync_direction = ?",
                at,
                table,
                way,
            )

    def test_the_table_that_waits_longest_counts(self, site: Site) -> None:
        self.synced_at(site, "shop_tag", "2026-01-06 14:30:00.5", "REMOTE_TO_LOCAL")
        self.synced_at(site, "shop_order", "2026-01-07 14:30:00", "REMOTE_TO_LOCAL")
        last = self.sync_times(site)
        assert last["REMOTE_TO_LOCAL"]["at"] == "2026-01-06T14:30:00.500000+00:00"
        assert last["REMOTE_TO_LOCAL"]["table"] == "shop_tag"
        assert last["LOCAL_TO_REMOTE"]["table"] != "shop_tag"
        waited = datetime.now(timezone.utc) - datetime(2026, 1, 6, 14, 30, tzinfo=timezone.utc)
        minutes = last["REMOTE_TO_LOCAL"]["lag_minutes"]
        assert 0 <= waited // timedelta(minutes=1) - minutes <= 1

    def test_a_pass_that_was_no_sync_does_not_count(self, site: Site) -> None:
        # Undoing and deciding leave passes in the log, but the table counts as synced as before.
        self.synced_at(site, "shop_tag", "2026-01-06 14:30:00")
        for direction in self.sync_times(site).values():
            assert direction["at"] == "2026-01-06T14:30:00+00:00"

    def test_a_failed_pass_does_not_count(self, site: Site) -> None:
        failed = "UPDATE db_sync_log SET status = 'FAILED' WHERE table_name = 'shop_tag'"
        site.query("local", failed)
        last = self.sync_times(site)["LOCAL_TO_REMOTE"]
        assert last == {"at": None, "lag_minutes": None, "table": "shop_tag"}
        assert "Synced LOCAL_TO_REMOTE: never (shop_tag)\n" in db_env(site, "status").out

    def test_a_table_counts_only_where_it_is_synced(self, site: Site) -> None:
        self.synced_at(site, "shop_tag", "2026-01-06 14:30:00")
        change = "UPDATE db_sync_config SET sync_direction = 'REMOTE_TO_LOCAL' WHERE table_name = ?"
        site.query("local", change, "shop_tag")
        last = self.sync_times(site)
        assert last["REMOTE_TO_LOCAL"]["table"] == "shop_tag"
        assert last["LOCAL_TO_REMOTE"]["table"] != "shop_tag"
        off = "UPDATE db_sync_config SET sync_enabled = 0 WHERE table_name = 'shop_tag'"
        site.query("local", off)
        assert self.sync_times(site)["REMOTE_TO_LOCAL"]["table"] != "shop_tag"

    @pytest.mark.parametrize(
        ("enabled", "interval", "late"),
        [("True", "10080", False), ("True", "1", True), ("False", "1", False)],
    )
    def test_an_automatic_sync_that_does_not_keep_up(
        self, site: Site, enabled: str, interval: str, late: bool
    ) -> None:
        hour_ago = datetime.now(timezone.utc) - timedelta(hours=1)
        self.synced_at(site, "shop_tag", hour_ago.strftime("%Y-%m-%d %H:%M:%S"))
        more = {"DB_SYNC_ENABLED": enabled, "DB_SYNC_INTERVAL": interval}
        shop = QueuedShop(site.folder, {"orm": "default"}, more)
        shop.manage("migrate", "django_q", "--verbosity=0")
        shop.manage("sync_scheduler", "enable")
        told = shop.manage("db_env", "status")
        assert ("The automatic sync is late" in told.stderr) is late
        rhythm = f"every {interval} min" if enabled == "True" else "off"
        assert f"Automatic sync: {rhythm}\n" in told.stdout


class TestServers:
    """Both sides on servers, and every way in which one of them may not answer."""

    @pytest.fixture
    def sides(self, tmp_path: Path) -> Iterator[Sides]:
        """Two equal sides that were synced once."""
        with two_sides(tmp_path, "MYSQL", "MARIADB") as sides:
            sides.query_both("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
            sides.remote.query("INSERT INTO t VALUES (1, 1), (2, 2)")
            sides.settings |= {"DB_CONNECT_TIMEOUT": "1", "DB_READ_TIMEOUT": "2"}
            assert sides.sync().status == 0
            yield sides

    def db_env(
        self, sides: Sides, *words: str, status: int = 0, more: Mapping[str, str] | None = None
    ) -> Outcome:
        """Writes the settings into the file, and runs the command beside it."""
        settings = {"DB_ENV": "remote", **sides.settings, **(more or {})}
        lines = [f"{name}='{value}'\n" for name, value in settings.items()]
        (sides.folder / ".env").write_text("".join(lines))
        outcome = manage(sides.folder, "db_env", *words)
        assert outcome.status == status, outcome.out + outcome.err
        for password in (PASSWORD, sides.remote.server.password, sides.local.server.password):
            assert password not in outcome.out + outcome.err
        return outcome

    def test_both_answer(self, sides: Sides) -> None:
        told = self.db_env(sides, "status").out
        for side, database in sides.both.items():
            place = f"{side}: 127.0.0.1:{database.server.port}/{database.name}: reachable, "
            [line] = [line for line in told.splitlines() if line.startswith(place)]
            assert float(line.removeprefix(place).removesuffix(" ms")) >= 0
        assert "Synced LOCAL_TO_REMOTE: 20" in told
        assert "Rows that a sync would write: 0 on LOCAL, 0 on REMOTE." in told

    def test_there_once_everything_is_synced(self, sides: Sides) -> None:
        sides.local.query("UPDATE t SET v = 3 WHERE id = 1")
        assert "0 on LOCAL, 1 on REMOTE" in self.db_env(sides, "local", status=3).err
        assert sides.sync().status == 0
        self.db_env(sides, "local")
        assert "DB_ENV='local'\n" in (sides.folder / ".env").read_text()

    @pytest.mark.parametrize("side", ["REMOTE", "LOCAL"])
    @pytest.mark.parametrize(
        ("setting", "value", "code"),
        [
            ("PORT", "1", "DB_CONN_001"),
            ("PASSWORD", PASSWORD, "DB_CONN_003"),
            ("NAME", "no_such_database", "DB_CONN_004"),
        ],
    )
    def test_one_does_not_answer(
        self, sides: Sides, side: str, setting: str, value: str, code: str
    ) -> None:
        more = {f"DB_{side}_{setting}": value}
        told = self.db_env(sides, "status", "--json", status=1, more=more).answer
        other = {"REMOTE": "LOCAL", "LOCAL": "REMOTE"}[side]
        assert told["sides"][side]["reachable"] is False
        assert told["sides"][side]["error"]["code"] == code
        assert told["sides"][other]["reachable"] is True
        assert told["unsynced"] is None
        told = self.db_env(sides, "local", "--json", status=1, more=more).answer
        assert [refusal["status"] for refusal in told["refused"]] == [1]

    def test_neither_answers(self, sides: Sides) -> None:
        more = {"DB_REMOTE_PORT": "1", "DB_LOCAL_PASSWORD": PASSWORD}
        told = self.db_env(sides, "status", "--json", status=1, more=more).answer
        codes = {side: one["error"]["code"] for side, one in told["sides"].items()}
        assert codes == {"REMOTE": "DB_CONN_001", "LOCAL": "DB_CONN_003"}

    def test_one_is_silent(self, sides: Sides) -> None:
        with FaultProxy(sides.remote.server.port, Rule(HalfOpen(), times=None)) as proxy:
            more = {"DB_REMOTE_PORT": str(proxy.port)}
            told = self.db_env(sides, "local", "--json", status=1, more=more).answer
            assert told["sides"]["REMOTE"]["error"]["code"] == "DB_CONN_002"
            self.db_env(sides, "local", "--force", more=more)

    def test_only_the_site_cannot_connect(
        self, sides: Sides, files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in sides.settings.items():
            monkeypatch.setenv(name, value)
        aliases = databases()
        aliases["remote"]["PORT"] = "1"
        monkeypatch.setattr(standing, "databases", lambda _env_file: aliases)
        known = standing.look()
        error = known.sides["REMOTE"].error
        assert error is not None
        assert error.message.startswith("Django cannot connect to REMOTE: ")
        assert known.sides["LOCAL"].error is None
        assert known.report is not None
        [refusal] = not_yet(known, "local", "remote")
        assert refusal.status == 1
