"""Schedules of Django Q2 that sync too, beside ours: what older installations have left there.

Importing this module needs no Django Q2; using it does.
"""

import ast
import pydoc
from dataclasses import dataclass
from typing import Any

from db_sync import scheduling

_COMMAND = "sync_db"
_OURS = (scheduling.TASK, scheduling.TABLE_TASK, scheduling.DECISION_TASK)


@dataclass(frozen=True, slots=True)
class OtherSchedule:
    """A schedule that fires beside ours.

    Attributes:
        number: Its id in Django Q2.
        name: Its name; its id where it has none.
        calls: The function that it calls, and of `call_command` the command.
        is_dead: Whether that is a function of an older version, which is no longer there: then it
            fails every time.
    """

    number: int
    name: str
    calls: str
    is_dead: bool

    @property
    def removal(self) -> str:
        """The command that removes it."""
        code = f"from django_q.models import Schedule; Schedule.objects.filter(pk={self.number})"
        return f'python manage.py shell -c "{code}.delete()"'


def find() -> list[OtherSchedule]:
    """Finds the schedules that sync too and still fire.

    Returns:
        Those that have `call_command` run `sync_db`, and those that call anything of this package
        that is no task of ours, in the order of their ids.

    Raises:
        ImproperlyConfigured: Django Q2 is not there.
        DatabaseError: Its tables are not.
    """
    rows = scheduling.queue().Schedule.objects.exclude(name=scheduling.NAME).exclude(repeats=0)
    return [
        OtherSchedule(row.pk, row.name or str(row.pk), calls, is_dead=_is_dead(row.func))
        for row in rows.exclude(func__in=_OURS).order_by("pk")
        if (calls := _calls(row))
    ]


def remove_dead() -> list[OtherSchedule]:
    """Removes those that fail every time.

    Returns:
        What was removed.

    Raises:
        ImproperlyConfigured, DatabaseError: As for `find`.
    """
    dead = [other for other in find() if other.is_dead]
    rows = scheduling.queue().Schedule.objects
    rows.filter(pk__in=[other.number for other in dead]).delete()
    return dead


def _calls(row: Any) -> str | None:
    """Says what a row has run, where that syncs."""
    if row.func.startswith("db_sync."):
        return str(row.func)
    if row.func.rpartition(".")[2] != "call_command":
        return None
    try:
        words = ast.literal_eval(row.args or "()")
    except (SyntaxError, ValueError):
        # Django Q2 cannot read it either.
        return None
    first = words[:1] if isinstance(words, tuple | list) else (words,)
    return f"{row.func} {_COMMAND}" if tuple(first) == (_COMMAND,) else None


def _is_dead(function: str) -> bool:
    """Says whether Django Q2 would not find a function of this package."""
    try:
        return function.startswith("db_sync.") and pydoc.locate(function) is None
    except pydoc.ErrorDuringImport:
        return True
