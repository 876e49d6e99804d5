"""`manage.py sync_config`: which tables are synced, and how."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from db_sync import _native
from db_sync.engine import export_tables, import_tables, list_tables, set_table
from db_sync.errors import SyncError
from db_sync.management.engine_command import EngineCommand
from db_sync.printout import failure, sentence, words_of
from db_sync.report import ErrorReport, known

_RULES = ("ignore", "no_conflict")
_KEYS = ("enabled", "type", "direction", "conflict", "priority", *_RULES)


class Command(EngineCommand):
    """Lists and changes the rows of `db_sync_config`.

    Ends with 2 for an unknown table (`CFG_003`), key or value (`CFG_002`, `CFG_004`); then nothing
    is changed.
    """

    help = _("List the tables that are synced, and change how they are.")

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the actions.

        Args:
            parser: Takes them.
        """
        actions = parser.add_subparsers(dest="action", required=True)
        self.add_action(actions, "list", _("list all tables with their settings"))
        enabling = self.add_action(actions, "enable", _("sync a table from now on"))
        disabling = self.add_action(actions, "disable", _("leave a table out from now on"))
        change = self.add_action(actions, "set", _("change a table's settings"))
        for of_one in (enabling, disabling, change):
            of_one.add_argument("table", metavar="TABLE")
        change.add_argument("pairs", nargs="+", metavar="KEY=VALUE", help="|".join(_KEYS))
        taking = self.add_action(
            actions, "import", _("take all settings from a YAML file, or none")
        )
        taking.add_argument("file", metavar="FILE", help=_("the file; - is stdin"))
        taking.add_argument(
            "--dry-run", action="store_true", help=_("show what would change and write nothing")
        )
        self.add_action(actions, "export", _("print the settings as import takes them"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Carries out the action.

        Args:
            args: Unused.
            options: The action with its arguments.

        Raises:
            CommandError: Nothing was changed; `returncode` is 2, or 1 where a side cannot be
                reached or has no tables of ours yet.
        """
        try:
            answer = self._ask(options)
        except SyncError as error:
            raise failure(error, self.stdout, as_json=options["json"]) from error
        if options["json"]:
            self.write_json(answer)
        else:
            self._print(answer, options)
        if answer.get("errors"):
            words = [words_of(known(ErrorReport, error)) for error in answer["errors"]]
            raise CommandError("\n".join(words), returncode=answer["exit_code"])

    def _ask(self, options: dict[str, Any]) -> dict[str, Any]:
        env_file = options["env_file"]
        match options["action"]:
            case "list":
                return list_tables(env_file=env_file)
            case "export":
                return export_tables(env_file=env_file)
            case "import":
                dry_run = options["dry_run"]
                return import_tables(options["file"], dry_run=dry_run, env_file=env_file)
            case "enable" | "disable" as action:
                pairs = [f"enabled={'true' if action == 'enable' else 'false'}"]
                return set_table(options["table"], pairs, env_file=env_file)
            case _:
                return set_table(options["table"], options["pairs"], env_file=env_file)

    def _print(self, answer: dict[str, Any], options: dict[str, Any]) -> None:
        match options["action"]:
            case "list":
                self._print_list(answer)
            case "export":
                self.stdout.write(_native.config_document(json.dumps(answer)), ending="")
            case "import":
                self._print_import(answer)
            case action if not answer["errors"]:
                said = {
                    "enable": _("%(table)s is enabled."),
                    "disable": _("%(table)s is disabled."),
                }
                words = said.get(action, _("%(table)s is changed."))
                self.stdout.write(words % {"table": options["table"]})

    def _print_list(self, answer: dict[str, Any]) -> None:
        if not answer["tables"] and not answer["errors"]:
            self.stderr.write(_("No table is configured yet: the first sync_db registers them."))
        for row in answer["tables"]:
            words = [
                f"{row['table']:<32}",
                _("on") if row["enabled"] else _("off"),
                row["type"],
                row["direction"],
                row["conflict"],
                f"priority={row['priority']}",
            ]
            words += [f"{key}={_text(row[key])}" for key in _RULES if row[key]]
            self.stdout.write("  ".join(words))

    def _print_import(self, answer: dict[str, Any]) -> None:
        for change in answer["tables"]:
            words = [_("registered")] if change["registered"] else []
            # A new table's lists are worth a word where something is in them.
            words += [
                _altered(key, values)
                for key, values in change["settings"].items()
                if values["from"] is not None or values["to"] != []
            ]
            self.stdout.write(f"{change['table']}: {', '.join(words)}")
        for note in answer["notes"]:
            line = sentence(note["template"], note["names"], note["message"])
            self.stdout.write(line, self.style.WARNING)
        if answer["errors"]:
            return
        if answer["dry_run"]:
            totals = _("%(tables)d table(s) would be changed, %(unchanged)d as they were")
        else:
            totals = _("%(tables)d table(s) changed, %(unchanged)d as they were")
        counts = {"tables": len(answer["tables"]), "unchanged": answer["unchanged"]}
        self.stdout.write(totals % counts)


def _altered(key: str, values: Mapping[str, Any]) -> str:
    before = "" if values["from"] is None else f"{_text(values['from'])} → "
    return f"{key} {before}{_text(values['to'])}"


def _text(value: Any) -> str:
    """Spells a setting's value as `set` takes it."""
    if isinstance(value, list):
        return ",".join(value) or "-"
    return value if isinstance(value, str) else json.dumps(value)
