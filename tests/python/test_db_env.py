"""`manage.py db_env`: both sides are shown, and the side is changed where nothing is lost by it."""

import errno
import os
import re
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from db_sync import default_side, standing
from db_sync.report import ErrorReport
from db_sync.standing import SideStanding, Standing
from db_sync.switching import not_yet
from example_shop import Site
from queued_shop import QueuedShop
from switching_shop import db_env, env_file, hidden, manage

LOADING = """
import os, sys
# What load_dotenv() of python-dotenv does, in a settings module of an older project.
for line in open(".env"):
    name, equals, value = line.strip().partition("=")
    if equals and not name.startswith("#"):
        os.environ.setdefault(name, value)
os.environ["DJANGO_SETTINGS_MODULE"] = "shop_site.settings"
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


class TestStatus:
    def test_two_sides_that_are_in_step(self, site: Site) -> None:
        before = site.bytes()
        told = db_env(site, "status")
        assert told.out.startswith(
            "DB_ENV: remote (.env says so)\n"
            "REMOTE: remote.sqlite3: reachable\n"
            "LOCAL: local.sqlite3: reachable\n"
            "Synced REMOTE_TO_LOCAL: 20"
        )
        assert told.out.endswith(
            " min ago\n"
            "Automatic sync: off\n"
            "Rows that a sync would write: 0 on LOCAL, 0 on REMOTE.\n"
            "Conflicts that wait for a person: 0.\n"
        )
        assert site.bytes() == before

    def test_the_json_is_the_whole_of_stdout(self, site: Site) -> None:
        told = db_env(site, "status", "--json").answer
        assert (told["db_env"], told["from"], told["file"]) == ("remote", "file", ".env")
        for side in ("REMOTE", "LOCAL"):
            assert told["sides"][side]["reachable"] is True
            assert told["sides"][side]["latency_ms"] > 0
        assert set(told["last_syncs"]) == {"REMOTE_TO_LOCAL", "LOCAL_TO_REMOTE"}
        assert told["unsynced"] == {"LOCAL": 0, "REMOTE": 0}
        assert (told["unsynced_error"], told["open_conflicts"]) == (None, 0)

    def test_what_waits_is_counted_by_side(self, site: Site) -> None:
        site.query("remote", "UPDATE shop_product SET price = 1 WHERE id IN (1, 2)")
        site.query("local", "UPDATE shop_product SET price = 1 WHERE id = 5")
        assert db_env(site, "status", "--json").answer["unsynced"] == {"LOCAL": 2, "REMOTE": 1}

    def test_where_db_env_stands(self, site: Site) -> None:
        assert (
            "local (the environment says so)"
            in db_env(site, "status", environment={"DB_ENV": "local"}).out
        )
        site.folder.joinpath(".env").write_bytes(env_file(site).replace(b"DB_ENV=remote\n", b""))
        assert "remote (nothing says otherwise)" in db_env(site, "status").out

    def test_a_side_that_is_not_there(self, site: Site) -> None:
        with hidden(site, "remote"):
            told = db_env(site, "status", status=1)
        assert "REMOTE: remote.sqlite3: not reachable\n  DB_CONN_004: " in told.out
        assert "LOCAL: local.sqlite3: reachable\n" in told.out
        assert "What a sync would write is not known.\n" in told.out

    def test_sides_that_were_never_synced(self, new: Site) -> None:
        told = db_env(new, "status", "--json").answer
        assert told["last_syncs"] == {}
        assert told["unsynced"]["LOCAL"] > 200

    def test_a_failure_of_all_is_json_too(self, site: Site) -> None:
        (site.folder / ".env").write_text("DB_ENV=remote\n")
        told = db_env(site, "status", "--json", status=2)
        assert told.codes == {"CFG_001"}
        assert "CFG_001" in told.err

    def test_django_may_look_elsewhere(self, site: Site) -> None:
        other = env_file(site).replace(b"local.sqlite3", b"other.sqlite3")
        (site.folder / "other.env").write_bytes(other)
        told = db_env(site, "status", "--env-file", "other.env", status=1)
        assert "Django's `local` is local.sqlite3, but other.env says other.sqlite3." in told.err


class TestAutomatic:
    """What `status` says of runs that come by themselves, with Django Q2 and without it."""

    def rhythm(self, shop: Site, *flags: str) -> tuple[str, str]:
        """The line of stdout, and stderr."""
        done = shop.manage("db_env", "status", *flags)
        [line] = re.findall(r"(?m)^Automatic sync: (.*)$", done.stdout)
        return line, done.stderr

    def test_the_schedule_is_looked_at(self, site: Site) -> None:
        shop = QueuedShop(site.folder, {"orm": "default"}, {"DB_SYNC_ENABLED": "True"})
        line, _err = self.rhythm(shop)
        assert line.startswith("not known (The tables of Django Q2 cannot be used (no such table:")
        shop.manage("migrate", "django_q", "--verbosity=0")
        shop.query("local", "UPDATE db_sync_config SET last_sync_time = '2026-01-06 14:30:00'")
        for _time in range(2):
            line, err = self.rhythm(shop)
            missing = "none (there is no schedule: python manage.py sync_scheduler enable)"
            assert line == missing
            # Nothing that does not come is late.
            assert "late" not in err
            shop.manage("sync_scheduler", "enable")
            # The schedule has this interval until it is restarted.
            shop.settings = {"DB_SYNC_ENABLED": "True", "DB_SYNC_INTERVAL": "5"}
            line, err = self.rhythm(shop)
            assert line == "every 60 min"
            assert "The automatic sync is late" in err
            shop.settings = {"DB_SYNC_ENABLED": "True"}
            shop.manage("sync_scheduler", "disable")

    def test_a_schedule_of_another_kind_has_no_minutes(self, site: Site) -> None:
        shop = QueuedShop(site.folder, {"orm": "default"}, {"DB_SYNC_ENABLED": "True"})
        shop.manage("migrate", "django_q", "--verbosity=0")
        shop.manage("sync_scheduler", "enable")
        shop.query("remote", "UPDATE django_q_schedule SET schedule_type = 'D'")
        assert self.rhythm(shop)[0] == "DAILY"

    def test_a_schedule_with_settings_of_its_own(self, site: Site) -> None:
        shop = QueuedShop(site.folder, {"orm": "default"}, {})
        on = env_file(site) + b"\nDB_SYNC_ENABLED=True\n"
        (site.folder / "other.env").write_bytes(env_file(site))
        (site.folder / ".env").write_bytes(on)
        shop.manage("migrate", "django_q", "--verbosity=0")
        shop.manage("sync_scheduler", "enable")
        assert self.rhythm(shop)[0] == "every 60 min"
        assert self.rhythm(shop, "--env-file", "other.env")[0] == "off"
        shop.manage("sync_scheduler", "enable", "--env-file", "other.env")
        assert self.rhythm(shop)[0] == "off"
        (site.folder / "other.env").unlink()
        assert self.rhythm(shop)[0].startswith("not known (CFG_002: ")
        shop.manage("sync_scheduler", "disable")
        shop.manage("sync_scheduler", "enable")
        (site.folder / ".env").rename(site.folder / "on.env")
        (site.folder / ".env").write_bytes(on.replace(b"ENABLED=True", b"ENABLED=False"))
        assert self.rhythm(shop)[0] == "off"
        assert self.rhythm(shop, "--env-file", "on.env")[0] == "every 60 min"

    def test_without_django_q2_none_come(self, site: Site) -> None:
        with (site.folder / ".env").open("a") as file:
            file.write("\nDB_SYNC_ENABLED=True\n")
        assert self.rhythm(site)[0] == "none (Django Q2 is not installed)"


class TestChanging:
    def test_there_and_back(self, site: Site) -> None:
        before = env_file(site)
        told = db_env(site, "local")
        assert told.out == (
            "DB_ENV is local now: Django's `default` is LOCAL, local.sqlite3.\n"
            "Restart what is running (web server, qcluster): until then it writes to REMOTE. "
            "Then run python manage.py sync_db once more.\n"
        )
        assert env_file(site) == before.replace(b"DB_ENV=remote", b"DB_ENV=local")
        code = "from django.db import connection; print(connection.settings_dict['NAME'])"
        assert site.manage("shell", "-v0", "-c", code).stdout == "local.sqlite3\n"
        assert "is REMOTE, remote.sqlite3" in db_env(site, "remote").out
        assert env_file(site) == before

    def test_again_changes_nothing(self, site: Site) -> None:
        before = (site.folder / ".env").stat()
        assert db_env(site, "remote").out == "DB_ENV is remote already (.env says so).\n"
        after = (site.folder / ".env").stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        told = db_env(site, "remote", "--json").answer
        assert (told["db_env"], told["switched"], told["refused"]) == ("remote", False, [])

    def test_a_missing_line_is_added(self, site: Site) -> None:
        before = env_file(site).replace(b"DB_ENV=remote\n", b"")
        (site.folder / ".env").write_bytes(before)
        assert "already (nothing says otherwise)" in db_env(site, "remote").out
        told = db_env(site, "local", "--json").answer
        assert (told["db_env"], told["from"], told["switched"]) == ("local", "file", True)
        assert env_file(site) == before + b"DB_ENV=local\n"

    @pytest.mark.parametrize("side", ["remote", "local"])
    def test_changes_that_wait_are_synced_first(self, site: Site, side: str) -> None:
        before = env_file(site)
        site.query(side, "UPDATE shop_product SET price = 1 WHERE id = 1")
        told = db_env(site, "local", status=3)
        counts = {"remote": "1 on LOCAL, 0 on REMOTE", "local": "0 on LOCAL, 1 on REMOTE"}
        assert f"Rows that a sync would write: {counts[side]}.\n" in told.err
        assert "First: python manage.py sync_db." in told.err
        assert told.err.endswith("DB_ENV stays remote.\n")
        assert env_file(site) == before
        site.sync()
        db_env(site, "local")

    def test_rows_that_a_sync_would_leave_wait_too(self, site: Site) -> None:
        strategy = "UPDATE db_sync_config SET conflict_resolution = 'MANUAL'"
        site.query("local", strategy)
        for side, price in (("remote", 1), ("local", 2)):
            site.query(side, "UPDATE shop_product SET price = ? WHERE id = 1", price)
        told = db_env(site, "local", status=3)
        assert "0 on LOCAL, 0 on REMOTE. It would leave others for a person" in told.err

    def test_open_conflicts_are_decided_first(self, site: Site) -> None:
        for side, price in (("remote", 1), ("local", 2)):
            site.query(side, "UPDATE shop_product SET price = ? WHERE id = 1", price)
        site.sync("--conflict", "manual", status=3)
        # Somebody makes both rows alike, and the decision is still to be made.
        site.query("local", "UPDATE shop_product SET price = 1 WHERE id = 1")
        told = db_env(site, "local", "--json", status=3)
        answer = told.answer
        assert (answer["db_env"], answer["switched"]) == ("remote", False)
        assert (answer["open_conflicts"], answer["unsynced"]) == (1, {"LOCAL": 0, "REMOTE": 0})
        [refusal] = answer["refused"]
        assert refusal["status"] == 3
        assert "sync_conflicts list" in refusal["hint"]
        assert refusal["message"] in told.err

    def test_a_side_that_is_away_is_left_by_force_alone(self, site: Site) -> None:
        before = env_file(site)
        with hidden(site, "remote"):
            told = db_env(site, "local", status=1)
            assert "DB_CONN_004" in told.err
            assert "What REMOTE has and LOCAL lacks cannot be known." in told.err
            assert "python manage.py db_env local --force" in told.err
            assert env_file(site) == before
            told = db_env(site, "local", "--force")
        assert "Nobody looked whether changes wait." in told.err
        assert "Looking" not in told.err
        assert b"DB_ENV=local\n" in env_file(site)

    @pytest.mark.parametrize("away", [["local"], ["local", "remote"]])
    def test_a_side_that_is_away_is_not_gone_over_to(self, site: Site, away: list[str]) -> None:
        with ExitStack() as stack:
            for side in away:
                stack.enter_context(hidden(site, side))
            told = db_env(site, "local", status=1)
        assert "DB_CONN_004" in told.err
        assert "The SQLite file of LOCAL" in told.err
        assert "Mend that first: on LOCAL the site would have no database." in told.err
        assert "--force" not in told.err
        assert "cannot be known" not in told.err
        assert b"DB_ENV=remote\n" in env_file(site)

    def test_tables_that_cannot_be_compared(self, site: Site) -> None:
        site.query("local", "DROP TABLE shop_product_tags")
        told = db_env(site, "local", "--json", status=1)
        [refusal] = told.answer["refused"]
        assert refusal["message"].startswith("SYNC_001: ")
        assert "nobody knows what waits" in refusal["hint"]
        assert told.answer["unsynced"] is None
        assert told.answer["unsynced_error"]["code"] == "SYNC_001"


class TestWithoutEffect:
    @pytest.mark.parametrize("force", [[], ["--force"]])
    def test_the_environment_goes_before_the_file(self, site: Site, force: list[str]) -> None:
        before = env_file(site)
        told = db_env(site, "local", *force, status=2, environment={"DB_ENV": "remote"})
        assert "DB_ENV=remote is set in the environment, which goes before .env" in told.err
        assert env_file(site) == before

    def test_the_environment_may_say_so_already(self, site: Site) -> None:
        told = db_env(site, "local", environment={"DB_ENV": "local"})
        assert told.out == "DB_ENV is local already (the environment says so).\n"
        assert b"DB_ENV=remote\n" in env_file(site)

    def test_a_settings_module_that_loads_the_file_is_no_environment(self, site: Site) -> None:
        told = manage(site.folder, "db_env", "local", script=LOADING)
        assert told.status == 0, told.err
        assert b"DB_ENV=local\n" in env_file(site)
        assert "(.env says so)" in manage(site.folder, "db_env", "local", script=LOADING).out

    def test_without_a_file_there_is_nothing_to_change(self, site: Site) -> None:
        lines = env_file(site).decode().splitlines()
        pairs = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
        del pairs["DB_ENV"]
        (site.folder / ".env").unlink()
        told = db_env(site, "local", status=2, environment=pairs)
        assert "There is no .env in this directory" in told.err
        assert not (site.folder / ".env").exists()
        assert "already" in db_env(site, "remote", environment=pairs).out

    def test_a_file_that_django_does_not_read(self, site: Site) -> None:
        other = env_file(site).replace(b"DB_ENV=remote", b"DB_ENV=local")
        (site.folder / "other.env").write_bytes(other)
        told = db_env(site, "remote", "--env-file", "other.env", status=2)
        assert "Django's `default` is remote.sqlite3, but other.env says local.sqlite3" in told.err
        assert "name that one with --env-file" in told.err
        assert (site.folder / "other.env").read_bytes() == other
        db_env(site, "remote", "--env-file", "other.env", "--force")
        assert b"DB_ENV=remote\n" in (site.folder / "other.env").read_bytes()
        assert b"DB_ENV=remote\n" in env_file(site)

    def test_a_line_that_others_depend_on(self, site: Site) -> None:
        text = env_file(site).replace(b"DB_LOCAL_NAME=local", b"DB_LOCAL_NAME=${DB_ENV}")
        (site.folder / ".env").write_bytes(text.replace(b"DB_ENV=remote", b"DB_ENV=local"))
        told = db_env(site, "remote", status=2)
        assert "Write DB_ENV=remote there by hand." in told.err
        assert b"DB_ENV=local\n" in env_file(site)


def test_the_documentation_shows_what_is_said(site: Site) -> None:
    docs = (Path(__file__).parents[2] / "docs/switching.md").read_text()
    [session] = re.findall(r"^```\n(\$ .*?)^```", docs, re.DOTALL | re.MULTILINE)
    said = ""
    for command in re.findall(r"^\$ python manage.py (.*)$", session, re.MULTILINE):
        outcome = manage(site.folder, *command.split())
        said += f"$ python manage.py {command}\n{outcome.out}"
    times = re.compile(r"\d{4}-.*ago")
    assert times.sub("", said) == times.sub("", session)


FINE = SideStanding(None, 1.0)


def standing_with(**changes: Any) -> Standing:
    return Standing(**{"sides": {"REMOTE": FINE, "LOCAL": FINE}, "conflicts": 0, **changes})


def failure(code: str) -> ErrorReport:
    return ErrorReport(code, "It failed.", "Mend it.")


def failed(code: str) -> SideStanding:
    return SideStanding(failure(code))


@pytest.mark.parametrize(
    ("known", "statuses"),
    [
        (standing_with(), []),
        (standing_with(trouble=failure("SYNC_009")), [4]),
        (standing_with(trouble=failure("CFG_003")), [2]),
        (standing_with(trouble=failure("SYS_004"), conflicts=2), [1, 3]),
        (
            standing_with(
                sides={"REMOTE": failed("DB_CONN_001"), "LOCAL": failed("DB_CONN_002")},
                trouble=failure("DB_CONN_001"),
                conflicts=None,
            ),
            [1],
        ),
        (
            standing_with(
                sides={"REMOTE": failed("DB_CONN_001"), "LOCAL": FINE},
                trouble=failure("DB_CONN_001"),
                conflicts=2,
            ),
            [1, 3],
        ),
        (
            standing_with(
                sides={"REMOTE": FINE, "LOCAL": failed("DB_CONN_001")},
                trouble=failure("DB_CONN_001"),
                conflicts=2,
            ),
            [1],
        ),
    ],
)
def test_the_worst_comes_first(known: Standing, statuses: list[int]) -> None:
    refusals = list(not_yet(known, "remote", "local"))
    assert [refusal.status for refusal in refusals] == statuses
    # Nobody is led to a side that is away.
    offered = known.sides["LOCAL"].error is None
    assert all(("db_env local --force" in refusal.hint) == offered for refusal in refusals)


class TestInProcess:
    """The command where Django Q2 is installed and in another language, and where files fail."""

    @pytest.fixture(autouse=True)
    def _folder(self, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(files)
        for name in [name for name in os.environ if name.startswith("DB_")]:
            if not name.startswith("DB_SYNC_TEST_"):
                monkeypatch.delenv(name)
        (files / ".env").write_text(
            "DB_REMOTE_ENGINE=sqlite\nDB_REMOTE_NAME=remote.sqlite3\n"
            "DB_LOCAL_ENGINE=sqlite\nDB_LOCAL_NAME=local.sqlite3\n"
        )

    def told(self, *words: str) -> tuple[str, str]:
        out, err = StringIO(), StringIO()
        call_command("db_env", *words, stdout=out, stderr=err, no_color=True)
        return out.getvalue(), err.getvalue()

    def test_a_schedule_that_goes_with_default_is_told_of(self) -> None:
        _out, err = self.told("local", "--force")
        assert "python manage.py sync_scheduler enable" in err

    def test_chinese(self) -> None:
        with translation.override("zh-hans"):
            out, err = self.told("local", "--force")
            assert out.startswith("DB_ENV 现在是 local")
            assert "没有人检查过" in err
            assert self.told("local")[0].startswith("DB_ENV 已经是 local")

    @pytest.mark.parametrize(
        ("number", "code"), [(errno.EBUSY, "SYS_004"), (errno.ENOSPC, "SYS_001")]
    )
    def test_a_file_that_cannot_be_replaced(
        self, monkeypatch: pytest.MonkeyPatch, number: int, code: str
    ) -> None:
        def fail(*_arguments: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(CommandError, match=code) as raised:
            self.told("local", "--force")
        assert raised.value.returncode == 1
        assert os.strerror(number) in str(raised.value)
        assert "DB_ENV=local" in str(raised.value)
        assert b"DB_ENV" not in Path(".env").read_bytes()

    def test_an_interruption_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_arguments: object, **_more: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(standing, "look", interrupt)
        with pytest.raises(CommandError, match="nothing is changed") as raised:
            self.told("local")
        assert raised.value.returncode == 130
        assert default_side.read().side == "remote"
