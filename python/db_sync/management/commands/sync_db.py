"""`manage.py sync_db`: one sync, now."""

import signal
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from db_sync.engine import interrupted_report, sync
from db_sync.errors import SyncError, error_from
from db_sync.management.engine_command import EngineCommand
from db_sync.printout import failure, failure_lines, report_lines
from db_sync.report import SyncReport

_INTERRUPTED = {
    "code": "SYNC_005",
    "message": "The run was interrupted.",
    "hint": "Everything applied so far is consistent; run the sync again to continue.",
    "template": "The run was interrupted.",
    "hint_template": "Everything applied so far is consistent; run the sync again to continue.",
}


class Command(EngineCommand):
    """Syncs the two databases once and tells what was done.

    A run that is not wholly done ends in a `CommandError` with a `returncode`: 1 a table failed, 2
    wrong usage or settings, 3 conflicts wait for a person or rows were skipped, 4 another run holds
    a lock, 130 interrupted. From the command line that is the exit status; `call_command` raises
    it, after the report was printed.
    """

    def run_from_argv(self, argv: list[str]) -> None:
        """Runs as this process's own command.

        Args:
            argv: The command line.
        """
        # Here, and only here, the process is ours: let what stops a service end a run as Ctrl-C
        # does, at a batch's edge and together with the engine's own process.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        super().run_from_argv(argv)

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the flags. The engine checks their values, so that every door agrees.

        Args:
            parser: Takes the flags.
        """
        parser.description = _("Syncs the remote and the local database once.")
        parser.add_argument(
            "--type", dest="sync_type", metavar="FULL|INCREMENTAL", help=_("which rows to look at")
        )
        parser.add_argument(
            "--direction",
            metavar="BOTH|REMOTE_TO_LOCAL|LOCAL_TO_REMOTE",
            help=_("which sides may be written"),
        )
        parser.add_argument(
            "--table",
            dest="tables",
            action="append",
            default=[],
            metavar="NAME",
            help=_("sync only this table; may be given again"),
        )
        parser.add_argument(
            "--verbose",
            dest="verbosity",
            action="store_const",
            const=2,
            help=_("tell more; the same as -v 2"),
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help=_("write nothing and list what would be written"),
        )
        parser.add_argument(
            "--conflict",
            metavar="REMOTE_WINS|LOCAL_WINS|SKIP|MANUAL",
            help=_("who wins where both sides changed a row"),
        )
        parser.add_argument(
            "--capture",
            metavar="auto|binlog|digest|watermark",
            help=_("how an INCREMENTAL run finds changed rows"),
        )
        parser.add_argument(
            "--create-tables",
            action="store_true",
            help=_("make tables that one side lacks there, from the other side's definition"),
        )
        parser.add_argument(
            "--wait",
            type=int,
            default=0,
            metavar="SECONDS",
            help=_("wait so long for a table that another run is at work on"),
        )
        parser.add_argument(
            "--apply",
            metavar="PLAN",
            help=_("write what this output of --dry-run --json says, and nothing else"),
        )
        parser.add_argument(
            "--undo",
            metavar="RUN_ID",
            help=_("take back what a run did, instead of syncing"),
        )
        parser.add_argument("--force", action="store_true", help=_("do what a guard would refuse"))
        parser.add_argument(
            "--progress",
            default="auto",
            metavar="auto|always|never",
            help=_("show progress on stderr"),
        )
        self.add_output_flags(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the sync and prints its report.

        Args:
            args: Unused.
            options: The flags.

        Raises:
            CommandError: Not everything is done; `returncode` says why.
        """
        quiet = options["verbosity"] == 0
        try:
            report = sync(
                sync_type=options["sync_type"],
                direction=options["direction"],
                tables=options["tables"],
                conflict=options["conflict"],
                capture=options["capture"],
                force=options["force"],
                dry_run=options["dry_run"],
                create_tables=options["create_tables"],
                wait=options["wait"],
                apply=options["apply"],
                undo=options["undo"],
                env_file=options["env_file"],
                progress="never" if quiet else options["progress"],
            )
        except SyncError as error:
            raise failure(error, self.stdout, as_json=options["json"]) from error
        except KeyboardInterrupt as interrupt:
            done = interrupted_report(interrupt)
            if done is not None:
                self._tell(done, options)
                raise CommandError(_unfinished(done), returncode=done.exit_code) from interrupt
            told = failure(error_from(_INTERRUPTED), self.stdout, as_json=options["json"])
            raise told from interrupt
        self._tell(report, options)
        if not report.ok:
            raise CommandError(_unfinished(report), returncode=report.exit_code)

    def _tell(self, report: SyncReport, options: dict[str, Any]) -> None:
        if options["json"]:
            self.write_json(report.as_dict())
        elif options["verbosity"] > 0:
            self.write_lines(report_lines(report, detailed=options["verbosity"] > 1))
        else:
            # Whoever wants no words wants those of failures all the same.
            self.write_lines(failure_lines(report))


def _unfinished(report: SyncReport) -> str:
    match report.exit_code:
        case 3 if report.dry_run:
            return _("The run would leave conflicts for a person, or rows as they are.")
        case 3 if {table.capture for table in report.tables} == {"undo"}:
            return _(
                "Done, but rows that were changed since stay as they are; they are named above."
            )
        case 3:
            return _(
                "Done, but conflicts wait for a person or rows were skipped. Look at them with "
                "`python manage.py sync_conflicts list` (with `--all` at those that were skipped "
                "too)."
            )
        case 4:
            return _("Another run holds the lock of a table.")
        case 130:
            return _("Interrupted; run the sync again to continue.")
        case _:
            return _("Not every table could be synced.")
