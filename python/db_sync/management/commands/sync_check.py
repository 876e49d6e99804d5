"""`manage.py sync_check`: whether the two sides go together."""

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from db_sync.contents import ContentsReport
from db_sync.engine import check, check_schemas
from db_sync.errors import SyncError, exit_status
from db_sync.printout import Line, Tone, contents_lines, error_lines, finding_lines
from db_sync.report import ErrorReport, SchemaReport


class Command(BaseCommand):
    """Compares both sides' rows, or with `--schema` their definitions.

    Ends with 0 where both sides hold the same (with `--schema`: where every table can be synced),
    and otherwise with 1. Nothing is written but by `--repair`, which ends as its sync does where
    that leaves something open.
    """

    help = _("Compare both sides' rows, or the tables' definitions, and tell what differs.")
    # The engine says by itself what it misses.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the flags.

        Args:
            parser: Takes them.
        """
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--schema",
            action="store_true",
            help=_("compare the tables' definitions, and show SQL that mends what differs"),
        )
        what.add_argument(
            "--repair",
            action="store_true",
            help=_("sync the tables that differ, all their rows, and compare them again"),
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
            CommandError: Something differs, a table cannot be synced, or the sides cannot be
                compared; `returncode` says which.
        """
        try:
            report, lines = self._compare(options)
        except SyncError as error:
            known = ErrorReport.from_exception(error)
            if options["json"]:
                answer = {"error": known.as_dict()}
                self.stdout.write(json.dumps(answer, ensure_ascii=False))
            told = "\n".join(line.text for line in error_lines(known))
            raise CommandError(told, returncode=exit_status(known.code)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict(), ensure_ascii=False))
        else:
            styles = {
                Tone.GOOD: self.style.SUCCESS,
                Tone.WARNING: self.style.WARNING,
                Tone.BAD: self.style.ERROR,
            }
            for line in lines:
                self.stdout.write(line.text, styles.get(line.tone))
        if report.exit_code:
            schema = _("Not every table can be synced.")
            words = schema if options["schema"] else _("Not everything is the same on both sides.")
            raise CommandError(words, returncode=report.exit_code)

    def _compare(
        self, options: dict[str, Any]
    ) -> tuple[ContentsReport | SchemaReport, Iterator[Line]]:
        tables, env_file = options["tables"], options["env_file"]
        if options["schema"]:
            schemas = check_schemas(tables=tables, env_file=env_file)
            return schemas, finding_lines(schemas)
        contents = check(tables=tables, repair=options["repair"], env_file=env_file)
        return contents, contents_lines(contents)
