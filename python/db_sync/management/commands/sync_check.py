"""`manage.py sync_check`: whether the two sides go together."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from db_sync.contents import ContentsReport
from db_sync.engine import check, check_schemas
from db_sync.errors import SyncError
from db_sync.management.engine_command import EngineCommand
from db_sync.printout import Line, contents_lines, failure, finding_lines
from db_sync.report import SchemaReport


class Command(EngineCommand):
    """Compares both sides' rows, or with `--schema` their definitions.

    Ends with 0 where both sides hold the same (with `--schema`: where every table can be synced),
    and otherwise with 1. Nothing is written but by `--repair`, which ends as its sync does where
    that leaves something open.
    """

    help = _("Compare both sides' rows, or the tables' definitions, and tell what differs.")

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
        self.add_output_flags(parser)

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
            raise failure(error, self.stdout, as_json=options["json"]) from error
        if options["json"]:
            self.write_json(report.as_dict())
        else:
            self.write_lines(lines)
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
