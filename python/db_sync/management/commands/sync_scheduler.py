"""`manage.py sync_scheduler`: whether the sync runs by itself, and how often."""

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from django.utils import timezone as clock
from django.utils.translation import gettext as _

from db_sync import other_schedules, scheduling
from db_sync.checks import settings_are_complete
from db_sync.errors import SyncError
from db_sync.printout import failure
from db_sync.scheduling import ScheduleSettings, ScheduleStatus

_RULE = "=" * 50


class Command(BaseCommand):
    """Enables, disables, shows and restarts the schedule on Django Q2.

    What stands on stdout is for scripts as well; what a person should know besides is on stderr.
    Ends with 2 for wrong settings and where Django Q2 is not there, with 1 where its tables are
    not, or cannot be reached.
    """

    help = _("Run the sync every so many minutes, by Django Q2.")
    # The schedule can be looked at and switched off whatever else is wrong.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the actions.

        Args:
            parser: Takes them.
        """
        parser.add_argument(
            "action",
            choices=("enable", "disable", "status", "restart"),
            help=_("restart reads the interval, the direction and the type again"),
        )
        parser.add_argument(
            "--env-file",
            metavar="FILE",
            help=_("enable, restart: the settings' file that the task shall read"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Carries out the action.

        Args:
            args: Unused.
            options: The action.

        Raises:
            CommandError: It cannot be done, and nothing is changed; `returncode` says why.
        """
        try:
            match options["action"]:
                case "enable":
                    self._enable(options["env_file"])
                case "disable":
                    scheduling.disable()
                    self.stdout.write(_("The scheduled database sync is disabled"))
                case "restart":
                    self._restart(options["env_file"])
                case _:
                    self._status()
        except SyncError as error:
            raise failure(error, self.stdout, as_json=False) from error
        except ImproperlyConfigured as error:
            # Without sound settings there is no database, of which Django says less than we can.
            wrong = [f"{found.msg}\n  {found.hint}" for found in settings_are_complete(None)]
            raise CommandError("\n".join(wrong) or str(error), returncode=2) from error
        except Error as error:
            raise CommandError(scheduling.trouble(error), returncode=1) from error

    def _enable(self, env_file: str | None) -> None:
        settings = scheduling.enable(env_file)
        minutes = {"minutes": settings.interval}
        self.stdout.write(_("Configuration:"))
        self.stdout.write(_("  - interval: %(minutes)d min") % minutes)
        self.stdout.write(_("  - direction: %(direction)s") % {"direction": settings.direction})
        self.stdout.write(_("  - type: %(type)s") % {"type": settings.sync_type})
        self.stdout.write(_("The scheduled database sync is enabled"))
        self.stdout.write(_("The task will run every %(minutes)d min") % minutes)
        self._take_over()
        self._warn_disabled(settings)

    def _restart(self, env_file: str | None) -> None:
        self.stdout.write(_("Restarting the scheduled database sync..."))
        settings = scheduling.restart(env_file)
        self.stdout.write(_("The scheduled database sync is restarted"))
        self._take_over()
        self._warn_disabled(settings)

    def _status(self) -> None:
        status = scheduling.status()
        for line in _status_lines(status):
            self.stdout.write(line)
        if status.enabled:
            self._warn_disabled(status.settings)
            if status.is_overdue:
                self._warn(_("The next run is overdue: is `python manage.py qcluster` running?"))
        if status.latest_failure is not None:
            started, words = status.latest_failure
            names = {"time": _time(started), "words": words}
            self._warn(_("The latest failure, at %(time)s: %(words)s") % names)
        self._warn_of_others()

    def _take_over(self) -> None:
        for dead in other_schedules.remove_dead():
            words = _(
                "Removed the schedule %(name)s (id %(id)d): it called %(function)s of an older "
                "version, which is no longer there, and failed every time."
            )
            names = {"name": dead.name, "id": dead.number, "function": dead.calls}
            self._warn(words % names)
        self._warn_of_others()

    def _warn_of_others(self) -> None:
        for other in other_schedules.find():
            if other.is_dead:
                words = _(
                    "The schedule %(name)s (id %(id)d) calls %(function)s of an older version, "
                    "which is no longer there, and fails every time: python manage.py "
                    "sync_scheduler enable removes it."
                )
            else:
                words = _(
                    "The schedule %(name)s (id %(id)d) syncs too: it calls %(function)s. To remove "
                    "it: %(command)s"
                )
            names = {"name": other.name, "id": other.number, "function": other.calls}
            self._warn(words % {**names, "command": other.removal})

    def _warn_disabled(self, settings: ScheduleSettings) -> None:
        if not settings.enabled:
            self._warn(
                _(
                    "DB_SYNC_ENABLED is False: the task comes at its time and syncs nothing until "
                    "it is True. sync_db works all the same."
                )
            )

    def _warn(self, words: str) -> None:
        self.stderr.write(words, self.style.WARNING)


def _status_lines(status: ScheduleStatus) -> Iterator[str]:
    yield _("Scheduled database sync:")
    yield _RULE
    yield _("State: %(state)s") % {"state": _("enabled") if status.enabled else _("disabled")}
    if status.kind:
        yield _("Schedule type: %(type)s") % {"type": status.kind}
    if status.minutes is not None:
        yield _("Interval: %(minutes)d min") % {"minutes": status.minutes}
    if status.enabled:
        yield _("Next run: %(time)s") % {"time": _time(status.next_run)}
    yield _("Last run: %(time)s") % {"time": _time(status.last_run)}
    yield _("Successes: %(count)d") % {"count": status.successes}
    yield _("Failures: %(count)d") % {"count": status.failures}
    yield _RULE


def _time(value: datetime | None) -> str:
    """Writes a time in UTC, to the second; without a time zone where the project has none."""
    if value is None:
        return _("none")
    if clock.is_aware(value):
        value = value.astimezone(timezone.utc)
    return str(value.replace(microsecond=0))
