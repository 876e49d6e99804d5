"""What the admin leaves to Django Q2, and what it says where there is none."""

import logging
from collections.abc import Callable, Sequence

from django.apps import apps
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.translation import gettext as _

from db_sync import scheduling
from db_sync.admin.local import env_file
from db_sync.errors import SyncError
from db_sync.printout import error_lines
from db_sync.report import ErrorReport

_log = logging.getLogger("db_sync")


def is_there() -> bool:
    """Says whether the project has Django Q2."""
    return apps.is_installed("django_q")


def sync_tables(request: HttpRequest, tables: Sequence[str]) -> None:
    """Puts a task for each table into the queue, and tells the user.

    Args:
        request: The user's.
        tables: Their names.
    """
    _tell(request, lambda: _sync_tables(request, tables))


def decide(request: HttpRequest, chosen: Sequence[tuple[int, str]], *, keep: str, by: str) -> None:
    """Puts decisions into the queue, and tells the user.

    Args:
        request: The user's.
        chosen: As for `db_sync.tasks.decide_conflicts`.
        keep: `remote` or `local`.
        by: Who decides.
    """

    def ask() -> None:
        options = {"keep": keep, "by": by, "env_file": env_file()}
        scheduling.enqueue_decisions(chosen, **options)
        words = _(
            "%(count)d decision(s) are in the queue. A worker (manage.py qcluster) writes the "
            "rows; what was changed since stays open."
        )
        messages.success(request, words % {"count": len(chosen)})

    _tell(request, ask)


def failed(request: HttpRequest, error: ErrorReport, start: str = "") -> None:
    """Tells the user of a failure: its code, what happened and what to do."""
    lines = " ".join(line.text.strip() for line in error_lines(error))
    messages.error(request, f"{start}{lines}")


def _sync_tables(request: HttpRequest, tables: Sequence[str]) -> None:
    path = env_file()
    if not scheduling.read_settings(path).enabled:
        words = _(
            "Nothing was queued: DB_SYNC_ENABLED is False, so a worker would sync nothing. Set it "
            "to True, or run manage.py sync_db --table NAME."
        )
        messages.warning(request, words)
        return
    for table in tables:
        scheduling.enqueue_table(table, env_file=path)
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
