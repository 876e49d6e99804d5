"""`manage.py db_env`: which side the site works with, how both stand, and changing the side."""

import errno
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, Error, router
from django.utils.translation import gettext as _

from db_sync import default_side, scheduling, standing, switching
from db_sync.addresses import of_side
from db_sync.default_side import DefaultSide, NotTaken
from db_sync.errors import SyncError
from db_sync.management.engine_command import EngineCommand
from db_sync.printout import Line, Tone, error_lines, failure
from db_sync.report import ErrorReport
from db_sync.standing import LastSync, Standing
from db_sync.switching import Refusal, waiting_conflicts, waiting_rows

# A scheduled run takes its time too.
_GRACE = timedelta(minutes=2)


class Rhythm(NamedTuple):
    """How syncs come by themselves: in words, and with what time between two where one is known."""

    words: str
    interval: timedelta | None = None


class Command(EngineCommand):
    """Shows both sides, and changes `DB_ENV` in `.env`.

    Ends with 1 where a side cannot be reached or a table not be compared, with 2 for wrong settings
    and where the file does not decide, with 3 where changes or conflicts wait, and with 4 where
    another run is at work. Then nothing is changed.
    """

    help = _("Show both sides, and choose which of them the site works with (DB_ENV).")

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the action and its flags.

        Args:
            parser: Takes them.
        """
        parser.add_argument("action", choices=("status", "remote", "local"))
        parser.add_argument(
            "--force", action="store_true", help=_("change the side without a look at either")
        )
        self.add_output_flags(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Shows or changes the side.

        Args:
            args: Unused.
            options: The action and its flags.

        Raises:
            CommandError: A side cannot be reached, or the side is not changed; `returncode` says
                why.
        """
        try:
            now = default_side.read(options["env_file"])
            if options["action"] == "status":
                self._status(now, options)
            else:
                self._change(now, options)
        except SyncError as error:
            raise failure(error, self.stdout, as_json=options["json"]) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError(_("Interrupted; nothing is changed."), returncode=130) from interrupt

    def _status(self, now: DefaultSide, options: dict[str, Any]) -> None:
        known = self._look(options)
        automatic = _automatic(now, options["env_file"])
        if options["json"]:
            self.write_json({**_now(now), **_found(known)})
        else:
            self.write_lines((*_side_lines(now, known), *_sync_lines(known, automatic)))
        self._warn((*switching.elsewhere(now), *_late(known, automatic)))
        if any(side.error for side in known.sides.values()):
            raise CommandError(_("Not every side can be reached."), returncode=1)

    def _change(self, now: DefaultSide, options: dict[str, Any]) -> None:
        side, known = options["action"], None
        if now.side == side:
            self._tell(now, options, _already(now))
            return
        refusals = [*switching.without_effect(now, side)]
        if not refusals and not options["force"]:
            refusals = [*switching.astray(now, side)]
        if not refusals and not options["force"]:
            known = self._look(options)
            refusals = [*switching.not_yet(known, now.side, side)]
        if now.path is None or refusals:
            raise self._refused(now, known, refusals, options)
        try:
            default_side.write(now.path, side)
        except NotTaken as error:
            by_hand = [switching.by_hand(now.path, side)]
            raise self._refused(now, known, by_hand, options) from error
        except OSError as error:
            problem = _unwritable(error, now.path, side)
            raise failure(problem, self.stdout, as_json=options["json"]) from error
        new = replace(now, side=side, origin="file", told={**now.told, "default": side})
        self._tell(new, options, _changed(new), switched=True)
        self._warn(_afterwards(forced=options["force"]))

    def _look(self, options: dict[str, Any]) -> Standing:
        quiet = options["json"] or options["verbosity"] == 0
        if not quiet:
            self.stderr.write(_("Looking at both sides; large tables take their time …"))
        progress = "never" if quiet else "auto"
        return standing.look(options["env_file"], progress=progress)

    def _tell(
        self, now: DefaultSide, options: dict[str, Any], words: str, *, switched: bool = False
    ) -> None:
        if options["json"]:
            self.write_json({**_now(now), "switched": switched, "refused": []})
        else:
            self.stdout.write(words)

    def _refused(
        self,
        now: DefaultSide,
        known: Standing | None,
        refusals: Sequence[Refusal],
        options: dict[str, Any],
    ) -> CommandError:
        if options["json"]:
            found = {} if known is None else _found(known)
            told = [asdict(refusal) for refusal in refusals]
            self.write_json({**_now(now), **found, "switched": False, "refused": told})
        lines = [f"{refusal.message}\n  {refusal.hint}" for refusal in refusals]
        lines.append(_("DB_ENV stays %(side)s.") % {"side": now.side})
        return CommandError("\n".join(lines), returncode=refusals[0].status)

    def _warn(self, lines: Iterable[str]) -> None:
        for words in lines:
            self.stderr.write(words, self.style.WARNING)


def _afterwards(*, forced: bool) -> Iterator[str]:
    """Says what is still to do."""
    if forced:
        yield _(
            "Nobody looked whether changes wait. What is not synced yet is missing on this side "
            "until python manage.py sync_db has run; rows that both sides change until then are "
            "conflicts."
        )
    if apps.is_installed("django_q"):
        from django_q.models import Schedule

        if router.db_for_write(Schedule) == DEFAULT_DB_ALIAS:
            yield _(
                "Django Q2's schedule is in `default`, and so on the other side: python manage.py "
                "migrate, then python manage.py sync_scheduler enable."
            )


def _already(now: DefaultSide) -> str:
    return _("DB_ENV is %(side)s already (%(origin)s).") % {
        "side": now.side,
        "origin": _origin(now),
    }


def _changed(now: DefaultSide) -> str:
    other = {"remote": "LOCAL", "local": "REMOTE"}[now.side]
    default = _("DB_ENV is %(side)s now: Django's `default` is %(name)s, %(address)s.") % {
        "side": now.side,
        "name": now.side.upper(),
        "address": of_side(now.told[now.side]),
    }
    restart = _(
        "Restart what is running (web server, qcluster): until then it writes to %(other)s. Then "
        "run python manage.py sync_db once more."
    )
    return f"{default}\n{restart % {'other': other}}"


def _unwritable(error: OSError, path: str, side: str) -> ErrorReport:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ErrorReport(
        "SYS_001" if full else "SYS_004",
        _("%(path)s cannot be replaced: %(reason)s.") % {"path": path, "reason": error.strerror},
        _(
            "It is as it was. Write DB_ENV=%(side)s there as somebody who may write the file and "
            "its folder; a file that is mounted into a container is changed outside of it."
        )
        % {"side": side},
    )


def _origin(now: DefaultSide) -> str:
    match now.origin:
        case "environment":
            return _("the environment says so")
        case "file":
            return _("%(path)s says so") % {"path": now.path}
        case _:
            return _("nothing says otherwise")


def _side_lines(now: DefaultSide, known: Standing) -> Iterator[Line]:
    yield Line(f"DB_ENV: {now.side} ({_origin(now)})")
    for name, side in known.sides.items():
        place = f"{name}: {of_side(now.told[name.lower()])}"
        if side.error is None:
            words = _("reachable, %(duration)s ms") % {"duration": f"{side.latency_ms:.1f}"}
            in_file = now.told[name.lower()]["engine"] == "sqlite"
            yield Line(f"{place}: " + (_("reachable") if in_file else words))
        else:
            yield Line(f"{place}: " + _("not reachable"), Tone.BAD)
            yield from error_lines(side.error, "  ")


def _sync_lines(known: Standing, automatic: Rhythm) -> Iterator[Line]:
    for direction, last in known.last_syncs.items():
        words = _("never (%(table)s)") % {"table": last.table}
        if last.at is not None:
            names = {"time": last.at.replace(microsecond=0), "minutes": _lag(last)}
            words = _("%(time)s, %(minutes)d min ago") % names
        yield Line(_("Synced %(way)s: %(when)s") % {"way": direction, "when": words})
    yield Line(_("Automatic sync: %(rhythm)s") % {"rhythm": automatic.words})
    if known.trouble is not None:
        yield Line(_("What a sync would write is not known."), Tone.WARNING)
        if not any(side.error for side in known.sides.values()):
            yield from error_lines(known.trouble, "  ")
    else:
        yield Line(waiting_rows(known), Tone.WARNING if known.rows_wait else Tone.PLAIN)
    if known.conflicts is not None:
        yield Line(waiting_conflicts(known), Tone.WARNING if known.conflicts else Tone.PLAIN)


def _automatic(now: DefaultSide, env_file: str | None) -> Rhythm:
    """Finds out whether syncs come by themselves, and how often."""
    if not now.told["enabled"]:
        return Rhythm(_("off"))
    if not apps.is_installed("django_q"):
        return Rhythm(_("none (Django Q2 is not installed)"))
    try:
        schedule = scheduling.status(env_file)
    except (SyncError, ImproperlyConfigured) as error:
        return Rhythm(_("not known (%(reason)s)") % {"reason": error})
    except Error as error:
        return Rhythm(_("not known (%(reason)s)") % {"reason": scheduling.trouble(error)})
    if not schedule.enabled:
        return Rhythm(_("none (there is no schedule: python manage.py sync_scheduler enable)"))
    if not schedule.settings.enabled:
        return Rhythm(_("off"))
    if schedule.minutes is None:
        return Rhythm(schedule.kind)
    words = _("every %(minutes)d min") % {"minutes": schedule.minutes}
    return Rhythm(words, timedelta(minutes=schedule.minutes))


def _late(known: Standing, automatic: Rhythm) -> Iterator[str]:
    """Says that the automatic sync does not keep up."""
    if automatic.interval is None:
        return
    limit = automatic.interval + _GRACE
    if any(last.lag is None or last.lag > limit for last in known.last_syncs.values()):
        yield _("The automatic sync is late: python manage.py sync_scheduler status says more.")


def _lag(last: LastSync) -> int | None:
    """Whole minutes; no less than none, whatever the clocks say."""
    return None if last.lag is None else max(0, int(last.lag.total_seconds() // 60))


def _now(now: DefaultSide) -> dict[str, Any]:
    return {"db_env": now.side, "from": now.origin, "file": now.path}


def _found(known: Standing) -> dict[str, Any]:
    return {
        "sides": {
            name: {
                "reachable": side.error is None,
                "latency_ms": side.latency_ms,
                "error": side.error and side.error.as_dict(),
            }
            for name, side in known.sides.items()
        },
        "last_syncs": {
            way: {
                "at": last.at and last.at.isoformat(),
                "lag_minutes": _lag(last),
                "table": last.table,
            }
            for way, last in known.last_syncs.items()
        },
        "unsynced": None
        if known.report is None
        else {"LOCAL": known.rows_for_local, "REMOTE": known.rows_for_remote},
        "unsynced_error": known.trouble and known.trouble.as_dict(),
        "open_conflicts": known.conflicts,
    }
