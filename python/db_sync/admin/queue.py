"""What the admin leaves to Django Q2, and what it says where there is none."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from django.apps import apps
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.db import Error
from django.http import HttpRequest
from django.utils.translation import gettext as _

from db_sync import scheduling
from db_sync.errors import SyncError
from db_sync.printout import error_lines
from db_sync.report import ErrorReport

_log = logging.getLogger("db_sync")


def is_there() -> bool:
    """Says whether the project has Django Q2."""
    return apps.is_installed("django_q")


def sync_tables(request: HttpRequest, tables: Sequence[str], **options: Any) -> None:
    """Puts a task for each table into the queue, and tells the user.

    Args:
        request: The user's.
        tables: Their names.
        options: Further ones as for `db_sync.tasks.sync_table`.
    """
    _tell(request, lambda: _sync_tables(request, tables, options))


def decide(request: HttpRequest, chosen: Sequence[tuple[int, str]], *, keep: str, by: str) -> None:
    """Puts decisions into the queue, and tells the user.

    Args:
        request: The user's.
        chosen: As for `db_sync.tasks.decide_conflicts`.
        keep: `remote` or `local`.
        by: Who decides.
    """

    def ask() -> None:
        scheduling.enqueue_decisions(chosen, keep=keep, by=by)
        words = _(
            "%(count)d decision(s) are in the queue. A worker (manage.py qcluster) writes the "
            "rows; what was changed since stays open."
        )
        messages.success(request, words % {"count": len(chosen)})

    _tell(request, ask)


def left() -> dict[int, str]:
    """Gives the conflicts that workers have left, as `scheduling.left_conflicts` does.

    Returns:
        The same, and nothing where there is no Django Q2 or where its tables cannot be read.
    """
    try:
        return scheduling.left_conflicts() if is_there() else {}
    except Error:
        return {}


def failed(request: HttpRequest, error: ErrorReport, start: str = "") -> None:
    """Tells the user of a failure: its code, what happened and what to do."""
    lines = " ".join(line.text.strip() for line in error_lines(error))
    messages.error(request, f"{start}{lines}")


def _sync_tables(request: HttpRequest, tables: Sequence[str], options: dict[str, Any]) -> None:
    # What is wrong with the settings is told here rather than by a task that fails.
    scheduling.read_settings()
    for table in tables:
        scheduling.enqueue_table(table, triggered_by="MANUAL", **options)
    words = _("In the queue: %(tables)s. A worker (manage.py qcluster) syncs them soon.")
    messages.success(request, words % {"tables": ", ".join(tables)})


def _tell(request: HttpRequest, ask: Callable[[], None]) -> None:
    try:
        ask()
    except SyncError as error:
        failed(request, ErrorReport.from_exception(error))
    except ImproperlyConfigured as error:
        words = _("Without it, run manage.py sync_db --table NAME.")
        messages.error(request, f"{error} {words}")
    except Exception as error:
        # Every broker has failures of its own, and what they say may hold its address.
        _log.exception("The queue takes no task.")
        words = _(
            "The queue takes no task (%(kind)s): is its broker running, are its tables there?"
        )
        messages.error(request, words % {"kind": type(error).__name__})
