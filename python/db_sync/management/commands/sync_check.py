"""`manage.py sync_check`: whether the two sides go together."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from db_sync.engine import check_schemas
from db_sync.errors import SyncError, exit_status
from db_sync.printout import Tone, error_lines, finding_lines
from db_sync.report import ErrorReport


class Command(BaseCommand):
    """Compares both sides and writes nothing.

    Ends with 0 where every table can be synced, and with 1 where one cannot.
    """

    help = _("Compare both sides' definitions: what differs, what it means, and SQL that mends it.")
    # The engine says by itself what it misses.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the flags.

        Args:
            parser: Takes them.
        """
        parser.add_argument(
            "--schema",
            action="store_true",
            required=True,
            help=_("compare the tables' definitions"),
        )
        parser.add_argument(
            "--table",
            dest="tables",
            action="append",
            default=[],
            metavar="NAME",
            help=_("check only this table; may be given again"),
        )
        parser.add_argument(
            "--json", action="store_true", help=_("print one JSON object and nothing else")
        )
        parser.add_argument(
            "--env-file", metavar="FILE", help=_("read the settings from here instead of .env")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Compares and prints what was found.

        Args:
            args: Unused.
            options: The flags.

        Raises:
            CommandError: A table cannot be synced, or the sides cannot be compared; `returncode`
                says which.
        """
        try:
            report = check_schemas(tables=options["tables"], env_file=options["env_file"])
        except SyncError as error:
            known = ErrorReport.from_exception(error)
            if options["json"]:
                told = {"error": known.as_dict()}
                self.stdout.write(json.dumps(told, ensure_ascii=False))
            lines = "\n".join(line.text for line in error_lines(known))
            raise CommandError(lines, returncode=exit_status(known.code)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict(), ensure_ascii=False))
        else:
            styles = {Tone.WARNING: self.style.WARNING, Tone.BAD: self.style.ERROR}
            for line in finding_lines(report):
                self.stdout.write(line.text, styles.get(line.tone))
        if report.exit_code:
            raise CommandError(_("Not every table can be synced."), returncode=report.exit_code)
