"""`manage.py sync_config`: which tables are synced, and how."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections
from django.utils.translation import gettext as _

from db_sync import _native
from db_sync.models import SyncConfig


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _switch(text: str) -> bool:
    switches = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    return switches[text.strip().lower()]


def _upper(text: str) -> str:
    return text.strip().upper()


# What a key is called, the model's field, and how its text is read.
_KEYS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "enabled": ("sync_enabled", _switch),
    "type": ("sync_type", _upper),
    "direction": ("sync_direction", _upper),
    "conflict": ("conflict_resolution", _upper),
    "priority": ("priority", int),
}
_RULES = ("ignore", "no_conflict")


# The row whose settings new tables take.
_DEFAULTS = "*"


def _allowed(key: str) -> str:
    """Says what may be written for a key, or which keys there are."""
    if key not in _KEYS:
        return ", ".join(f"{name}=" for name in (*_KEYS, *_RULES))
    field, read = _KEYS[key]
    choices = getattr(SyncConfig._meta.get_field(field), "choices", None)
    if choices:
        return "|".join(str(value) for value, _label in choices)
    return "true|false" if read is _switch else "…, -1, 0, 1, …"


def _columns(table: str) -> set[str]:
    """Names the columns that a table has on either side, in lower case; none where no side says."""
    found: set[str] = set()
    for alias in {"local", "remote"} & set(connections):
        try:
            with connections[alias].cursor() as cursor:
                # Only the name of a table that exists goes into the statement.
                if table in connections[alias].introspection.table_names(cursor):
                    quoted = connections[alias].ops.quote_name(table)
                    cursor.execute(f"SELECT * FROM {quoted} WHERE 1=0")  # noqa: S608
                    found |= {str(column[0]).lower() for column in cursor.description}
        except DatabaseError:
            continue
    return found


def _registered(table: str) -> SyncConfig:
    """Makes the row of a table that has none yet, as the first run would.

    Args:
        table: A table of either side, or `*` for the settings that new tables take.

    Returns:
        The row, not yet saved.

    Raises:
        CommandError: No side has such a table.
    """
    if table != _DEFAULTS and not _columns(table):
        problem = _("CFG_003: There is no table %(table)s, on either side.")
        raise CommandError(problem % {"table": table}, returncode=2)
    row = SyncConfig(table_name=table)
    defaults = SyncConfig.objects.filter(table_name=_DEFAULTS).first()
    if defaults is not None:
        row.sync_type = defaults.sync_type
        row.sync_direction = defaults.sync_direction
        row.conflict_resolution = defaults.conflict_resolution
    else:
        told = json.loads(_native.settings(None))
        row.sync_type, row.sync_direction = told["sync_type"], told["direction"]
        row.conflict_resolution = told["conflict"]
    return row


def _unreadable(error: DatabaseError) -> str:
    """Says why `db_sync_config` cannot be read: it is not there, or its database is not."""
    alias = SyncConfig.objects.db
    try:
        connections[alias].ensure_connection()
    except DatabaseError:
        problem = _("LOCAL cannot be reached: %(reason)s. sync_db says more.")
        return problem % {"reason": str(error)}
    return _("db_sync_config cannot be read: run migrate --database local first.")


class Command(BaseCommand):
    """Lists and changes the rows of `db_sync_config`.

    Ends with 2 for an unknown table (`CFG_003`), key or value (`CFG_002`, `CFG_004`); then nothing
    is changed.
    """

    help = _("List the tables that are synced, and change how they are.")
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the actions.

        Args:
            parser: Takes them.
        """
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help=_("list all tables with their settings"))
        for name, text in (
            ("enable", _("sync a table from now on")),
            ("disable", _("leave a table out from now on")),
        ):
            actions.add_parser(name, help=text).add_argument("table", metavar="TABLE")
        change = actions.add_parser("set", help=_("change a table's settings"))
        change.add_argument("table", metavar="TABLE")
        keys = "|".join((*_KEYS, *_RULES))
        change.add_argument("pairs", nargs="+", metavar="KEY=VALUE", help=keys)

    def handle(self, *args: Any, **options: Any) -> None:
        """Carries out the action.

        Args:
            args: Unused.
            options: The action with its arguments.

        Raises:
            CommandError: Nothing was changed; `returncode` is 2, or 1 where the tables cannot be
                read.
        """
        try:
            match options["action"]:
                case "list":
                    self._list()
                case "enable" | "disable" as action:
                    self._change(options["table"], [f"enabled={action == 'enable'}"])
                case _:
                    self._change(options["table"], options["pairs"])
        except DatabaseError as error:
            raise CommandError(_unreadable(error), returncode=1) from error

    def _list(self) -> None:
        rows = SyncConfig.objects.all()
        if not rows:
            self.stderr.write(_("No table is configured yet: the first sync_db registers them."))
        for row in rows:
            words = [
                f"{row.table_name:<32}",
                _("on") if row.sync_enabled else _("off"),
                row.sync_type,
                row.sync_direction,
                row.conflict_resolution,
                f"priority={row.priority}",
            ]
            rules = row.column_rules or {}
            words += [f"{key}={','.join(rules[key])}" for key in _RULES if rules.get(key)]
            self.stdout.write("  ".join(words))

    def _change(self, table: str, pairs: Sequence[str]) -> None:
        row = SyncConfig.objects.filter(table_name=table).first() or _registered(table)
        columns = _columns(table)
        for pair in pairs:
            key, _equals, text = pair.partition("=")
            if key in _RULES:
                unknown = [name for name in _names(text) if columns and name.lower() not in columns]
                if unknown:
                    problem = _("CFG_002: table %(table)s has no column %(column)s.")
                    names = {"table": table, "column": ", ".join(unknown)}
                    raise CommandError(problem % names, returncode=2)
                rules = {**(row.column_rules or {}), key: _names(text)}
                row.column_rules = {name: names for name, names in rules.items() if names} or None
                continue
            try:
                field, read = _KEYS[key]
                setattr(row, field, read(text))
                row.clean_fields(exclude=[f.name for f in row._meta.fields if f.name != field])
            except (KeyError, ValueError, ValidationError) as error:
                code = "CFG_004" if key == "direction" else "CFG_002"
                problem = _("%(code)s: %(pair)s is not allowed; %(allowed)s is.")
                names = {"code": code, "pair": pair, "allowed": _allowed(key)}
                raise CommandError(problem % names, returncode=2) from error
        row.save()
        self._list_one(row)

    def _list_one(self, row: SyncConfig) -> None:
        self.stdout.write(_("%(table)s is changed.") % {"table": row.table_name})
