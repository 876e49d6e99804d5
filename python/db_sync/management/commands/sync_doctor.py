"""`manage.py sync_doctor`: what stands in the way of a sync, and what to do about it."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from db_sync import surroundings
from db_sync.diagnosis import Diagnosis
from db_sync.engine import diagnose
from db_sync.errors import SyncError
from db_sync.management.engine_command import EngineCommand
from db_sync.printout import diagnosis_lines, failure


class Command(EngineCommand):
    """Looks at both sides, this machine, our own tables, the schedule and the queue.

    Writes nothing without `--fix`. Ends with 0 where nothing stops a sync, with 1 where something
    does, and with 2 where the settings are wrong.
    """

    help = _("Look for whatever stands in the way of a sync, and say what to do about it.")

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the flags.

        Args:
            parser: Takes them.
        """
        parser.add_argument(
            "--fix",
            action="store_true",
            help=_("make our own tables, and put in order what dead runs have left"),
        )
        self.add_output_flags(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Looks, mends where that is asked for, and prints what was found.

        Args:
            args: Unused.
            options: The flags.

        Raises:
            CommandError: Something stops a sync, or the settings are wrong; `returncode` says
                which.
        """
        try:
            report = _diagnose(options)
        except SyncError as error:
            raise failure(error, self.stdout, as_json=options["json"]) from error
        if options["json"]:
            self.write_json(report.as_dict())
        else:
            self.write_lines(diagnosis_lines(report))
        if report.exit_code:
            raise CommandError(_("Something stops a sync."), returncode=report.exit_code)


def _diagnose(options: dict[str, Any]) -> Diagnosis:
    env_file = options["env_file"]
    report = diagnose(fix=options["fix"], env_file=env_file)
    return report.with_findings(surroundings.symptoms(report.findings, env_file))
