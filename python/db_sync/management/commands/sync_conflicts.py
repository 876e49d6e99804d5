"""`manage.py sync_conflicts`: what both sides changed, and whose version is kept."""

import getpass
import json
import unicodedata
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from db_sync.cells import mean_the_same
from db_sync.engine import list_conflicts, resolve_conflict, show_conflict
from db_sync.errors import SyncError
from db_sync.management.engine_command import EngineCommand
from db_sync.printout import failure, report_lines


class Command(EngineCommand):
    """Lists, shows and decides conflicts.

    `list` and `show` end with 0. `resolve` writes one version on both sides at once, and ends with
    3 where a side was changed since, so that nothing was written.
    """

    help = _("List, show and decide conflicts.")

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the actions and their flags.

        Args:
            parser: Takes them.
        """
        actions = parser.add_subparsers(dest="action", required=True)
        listing = self.add_action(actions, "list", _("the conflicts that wait for a person"))
        listing.add_argument("--all", action="store_true", help=_("those that are decided too"))
        listing.add_argument(
            "--table",
            dest="tables",
            action="append",
            default=[],
            metavar="NAME",
            help=_("of this table only; may be given again"),
        )
        showing = self.add_action(actions, "show", _("both rows of one conflict, side by side"))
        resolving = self.add_action(
            actions, "resolve", _("write one of the two rows on both sides")
        )
        resolving.add_argument("--keep", required=True, metavar="remote|local")
        resolving.add_argument(
            "--seen",
            metavar="VERSIONS",
            help=_("the versions that you looked at, as `show --json` names them"),
        )
        for parser_of_one in (showing, resolving):
            parser_of_one.add_argument("id", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        """Does what is asked and prints what came of it.

        Args:
            args: Unused.
            options: The action and its flags.

        Raises:
            CommandError: The conflict is not there or was not decided; `returncode` says which.
        """
        try:
            match options["action"]:
                case "list":
                    self._list(options)
                case "show":
                    self._show(options)
                case _:
                    self._resolve(options)
        except SyncError as error:
            raise failure(error, self.stdout, as_json=options["json"]) from error

    def _list(self, options: dict[str, Any]) -> None:
        found = list_conflicts(
            tables=options["tables"], decided=options["all"], env_file=options["env_file"]
        )
        if options["json"]:
            self.write_json({"conflicts": found})
            return
        for conflict in found:
            self.stdout.write(_summary(conflict))
        self.stdout.write(_("{count} conflict(s)").format(count=len(found)))

    def _show(self, options: dict[str, Any]) -> None:
        conflict = show_conflict(options["id"], env_file=options["env_file"])
        if options["json"]:
            self.write_json(conflict)
            return
        self.stdout.write(_summary(conflict))
        for differs, line in _side_by_side(conflict):
            self.stdout.write(line, self.style.WARNING if differs else None)

    def _resolve(self, options: dict[str, Any]) -> None:
        report = resolve_conflict(
            options["id"],
            keep=options["keep"],
            by=getpass.getuser(),
            seen=options["seen"],
            env_file=options["env_file"],
        )
        if options["json"]:
            self.write_json(report.as_dict())
        else:
            for line in report_lines(report, detailed=False):
                self.stdout.write(line.text)
        if not report.ok:
            raise CommandError(_("The conflict is not decided."), returncode=report.exit_code)


def _summary(conflict: dict[str, Any]) -> str:
    key = json.dumps(conflict["key"], ensure_ascii=False)
    parts = [str(conflict["id"]), conflict["table"], key, conflict["kind"], conflict["state"]]
    return "  ".join(part for part in (*parts, conflict["winner"]) if part)


def _side_by_side(conflict: dict[str, Any]) -> Iterator[tuple[bool, str]]:
    """Gives a line for each column, and whether the two sides differ in it."""
    remote, local = conflict["remote"], conflict["local"]
    names = dict.fromkeys([*(remote or {}), *(local or {})])
    cells = [("", "REMOTE", "LOCAL")]
    cells += [(name, _cell(remote, name), _cell(local, name)) for name in names]
    name_width, width = (max(_width(row[at]) for row in cells) for at in (0, 1))
    for at, (name, there, here) in enumerate(cells):
        differs = at > 0 and not _same(remote, local, name)
        mark = "*" if differs else " "
        columns = (_padded(name, name_width), _padded(there, width), here)
        yield differs, f"{mark} {'  '.join(columns)}".rstrip()


def _same(remote: dict[str, Any] | None, local: dict[str, Any] | None, name: str) -> bool:
    if remote is None or local is None:
        return remote is local
    return mean_the_same(remote.get(name), local.get(name))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Counts the places that a text takes on a terminal: a Chinese character takes two."""
    return sum(_places(character) for character in text)


def _places(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _cell(row: dict[str, Any] | None, name: str) -> str:
    return _("(gone)") if row is None else json.dumps(row.get(name), ensure_ascii=False)
