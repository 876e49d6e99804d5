"""Conflicts: listed, both rows of one side by side, and decided by whoever may."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import connections, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from db_sync.admin import queue
from db_sync.admin.badges import badge
from db_sync.admin.clock import in_two_lines, written
from db_sync.admin.filters import KindFilter, MetFilter, NewestRows, StateFilter, TableFilter
from db_sync.admin.local import LocalAdmin
from db_sync.admin.versions import side_by_side
from db_sync.cells import key_text
from db_sync.conf import settings_file
from db_sync.engine import resolve_conflict
from db_sync.errors import SyncError
from db_sync.models import Side, SyncConflict
from db_sync.report import ErrorReport

_SHORT = 60
# Each decision may take a second: more of them do not fit into one request.
_AT_ONCE = 20
# Conflicts that are named before many are decided.
_NAMED = 20
# What a conflict's id and versions are in a form, and how many of them it may hold.
Chosen = tuple[int, str]
_MOST = 10_000


class ConflictList(ChangeList):
    """A page of conflicts without their rows, which may be large."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """Leaves the rows where they are."""
        rows = super().get_queryset(*args, **kwargs)
        without: QuerySet[Any] = rows.defer("remote_row", "local_row")
        return without


class SyncConflictAdmin(LocalAdmin):
    """Lists what waits for a person; who may change conflicts may decide them."""

    paginator = NewestRows
    list_display = ("row", "table_name", "coloured_state", "met")
    list_display_links = ("row",)
    list_filter = (StateFilter, TableFilter, KindFilter, MetFilter)
    search_fields = ("table_name__exact", "run_id__exact")
    search_help_text = gettext_lazy("A table's or a run's whole name")
    sortable_by = ("met",)
    actions = ("keep_remote", "keep_local", "sync_now")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Gives the list without rows."""
        return ConflictList

    def get_urls(self) -> list[URLPattern]:
        """Adds the address to which decisions are sent."""
        decide: Callable[..., HttpResponse] = require_POST(self.decide_view)
        for alias in connections:
            # The engine is another process: it would wait for a transaction of the request's own.
            decide = transaction.non_atomic_requests(alias)(decide)
        view = self.admin_site.admin_view(decide)
        return [path("decide/", view, name="db_sync_syncconflict_decide"), *super().get_urls()]

    @admin.display(description=gettext_lazy("row"))
    def row(self, conflict: SyncConflict) -> str:
        """Names the row by its key."""
        return Truncator(key_text(conflict.row_key)).chars(_SHORT)

    @admin.display(description=gettext_lazy("state"))
    def coloured_state(self, conflict: SyncConflict) -> SafeString:
        """Marks whether the conflict waits; what happened, and who won by whom, stands below."""
        decision = ", ".join(filter(None, (conflict.winner, conflict.resolved_by)))
        more = '<small class="db-sync-more">{}</small>'
        lines = ((line,) for line in (conflict.kind, decision) if line)
        return format_html("{}{}", badge(conflict.state), format_html_join("", more, lines))

    @admin.display(description=gettext_lazy("met"), ordering="id")
    def met(self, conflict: SyncConflict) -> SafeString:
        """Spells when a run first met the conflict."""
        return in_two_lines(conflict.created_at)

    @admin.action(description=gettext_lazy("Keep REMOTE's rows"), permissions=["change"])
    def keep_remote(self, request: HttpRequest, queryset: QuerySet[SyncConflict]) -> HttpResponse:
        """Asks whether REMOTE's rows shall be written on both sides."""
        return self._ask(request, queryset, "REMOTE")

    @admin.action(description=gettext_lazy("Keep LOCAL's rows"), permissions=["change"])
    def keep_local(self, request: HttpRequest, queryset: QuerySet[SyncConflict]) -> HttpResponse:
        """Asks whether LOCAL's rows shall be written on both sides."""
        return self._ask(request, queryset, "LOCAL")

    @admin.action(description=gettext_lazy("Sync their tables now"), permissions=["sync"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[SyncConflict]) -> None:
        """Puts a task for each conflict's table into the queue.

        Its run writes down what both sides hold, and decides nothing: that is the user's question.
        """
        tables = queryset.order_by("table_name").values_list("table_name", flat=True).distinct()
        queue.sync_tables(request, list(tables), conflict="MANUAL")

    def has_sync_permission(self, request: HttpRequest) -> bool:
        """Says whether the user may sync tables, as in their configuration."""
        return request.user.has_perm("db_sync.change_syncconfig")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Shows the list, and above it what workers have left undecided."""
        return self.answered(request, self._list, extra_context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Shows both rows of one conflict."""
        return self.answered(request, require_GET(self._show), object_id)

    def decide_view(self, request: HttpRequest) -> HttpResponse:
        """Takes a decision: one at once, many by the queue where there is one.

        Args:
            request: Has `keep` (`REMOTE` or `LOCAL`) and `chosen`, a JSON array of conflicts' ids
                with the versions that were looked at.

        Returns:
            The way to the conflict, or to the list; messages say what came of it.

        Raises:
            PermissionDenied: The user may not decide.
            BadRequest: The form is none of ours.
        """
        return self.answered(request, self._decide)

    def _list(self, request: HttpRequest, extra_context: dict[str, Any] | None) -> HttpResponse:
        if request.method == "GET" and self.has_change_permission(request):
            self._tell_of_left(request)
        return super().changelist_view(request, extra_context)

    def _tell_of_left(self, request: HttpRequest) -> None:
        """Names the conflicts that workers have left, as long as they wait with those versions."""
        seen = queue.left()
        waiting = SyncConflict.objects.filter(pk__in=seen, state=StateFilter.waiting)
        without_rows = waiting.defer("remote_row", "local_row")
        left = [conflict for conflict in without_rows if conflict.seen == seen[conflict.pk]]
        if not left:
            return
        rows = [f"{one.table_name} {key_text(one.row_key)}" for one in left[:_NAMED]]
        if len(left) > _NAMED:
            rows.append(_("… and %(more)s more") % {"more": len(left) - _NAMED})
        words = _(
            "Not decided, because a side was changed since or another run held the table: "
            "%(rows)s. The next sync writes down what both sides hold now: sync the tables, then "
            "decide again."
        )
        messages.warning(request, words % {"rows": "; ".join(rows)})

    def _show(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        conflict: SyncConflict | None = self.get_object(request, unquote(object_id))
        if conflict is None:
            messages.warning(request, _("There is no such conflict any more."))
            return HttpResponseRedirect(self._address("changelist"))
        pairs = side_by_side(conflict.row_key, conflict.remote_row, conflict.local_row)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{conflict.table_name} {key_text(conflict.row_key)}",
            "opts": self.opts,
            "media": self.media,
            "conflict": conflict,
            "state": badge(conflict.state),
            "pairs": pairs,
            "differing": [pair.column for pair in pairs if pair.differs],
            "met": written(conflict.created_at),
            "resolved": written(conflict.resolved_at),
            "waits": conflict.state == StateFilter.waiting,
            "may_decide": self.has_change_permission(request, conflict),
            "chosen": json.dumps([(conflict.pk, conflict.seen)]),
            "decide": self._address("decide"),
            "may_sync": queue.is_there() and self.has_sync_permission(request),
            "list": self._address("changelist"),
            "meaning": _meaning(conflict.kind),
            "sides": [
                ("REMOTE", conflict.remote_row is None),
                ("LOCAL", conflict.local_row is None),
            ],
        }
        return TemplateResponse(request, "admin/db_sync/conflict.html", context)

    def _ask(
        self, request: HttpRequest, queryset: QuerySet[SyncConflict], keep: str
    ) -> HttpResponse:
        """Shows what would be decided: what is chosen now is what was looked at."""
        conflicts = list(queryset.defer("remote_row", "local_row")[: _MOST + 1])
        queued = queue.is_there()
        most = _MOST if queued else _AT_ONCE
        if len(conflicts) > most:
            words = _("At most %(count)d conflicts can be decided at once: choose fewer.")
            if not queued:
                words = _(
                    "Without Django Q2, at most %(count)d conflicts can be decided at once: choose "
                    "fewer."
                )
            messages.error(request, words % {"count": most})
            return HttpResponseRedirect(request.get_full_path())
        context = {
            **self.admin_site.each_context(request),
            "title": _("Keep %(side)s's rows?") % {"side": keep},
            "opts": self.opts,
            "media": self.media,
            "side": keep,
            "other": "LOCAL" if keep == "REMOTE" else "REMOTE",
            "count": len(conflicts),
            "named": [
                (one.table_name, key_text(one.row_key), one.kind) for one in conflicts[:_NAMED]
            ],
            "more": max(len(conflicts) - _NAMED, 0),
            "chosen": json.dumps([(conflict.pk, conflict.seen) for conflict in conflicts]),
            "decide": self._address("decide"),
            "back": request.get_full_path(),
            "queued": queued and len(conflicts) > 1,
        }
        return TemplateResponse(request, "admin/db_sync/decide.html", context)

    def _decide(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        chosen, keep = _read(request)
        by = request.user.get_username()[: _length_of("resolved_by")]
        if len(chosen) > 1 and queue.is_there():
            queue.decide(request, chosen, keep=keep.lower(), by=by)
        else:
            for one in chosen[:_AT_ONCE]:
                self._decide_one(request, one, keep, by)
        if len(chosen) == 1:
            return HttpResponseRedirect(self._address("change", chosen[0][0]))
        return HttpResponseRedirect(self._address("changelist"))

    def _decide_one(self, request: HttpRequest, chosen: Chosen, keep: str, by: str) -> None:
        number, seen = chosen
        start = _("Conflict %(number)d: ") % {"number": number}
        try:
            report = resolve_conflict(
                number, keep=keep.lower(), by=by, seen=seen, env_file=settings_file()
            )
        except SyncError as error:
            queue.failed(request, ErrorReport.from_exception(error), start)
            return
        if not report.ok:
            errors = report.errors or [table.error for table in report.tables if table.error]
            for failure in errors:
                queue.failed(request, failure, start)
            words = _(
                "The conflict is not decided. Where a side was changed since, the next sync writes "
                "down what both sides hold now: sync the table, then decide again."
            )
            messages.warning(request, f"{start}{words}")
            return
        conflict = SyncConflict.objects.defer("remote_row", "local_row").get(pk=number)
        words = _("%(side)s's row is kept.") % {"side": keep}
        self.log_change(request, conflict, words)
        messages.success(request, f"{start}{words}")

    def _address(self, page: str, *arguments: Any) -> str:
        name = f"admin:db_sync_syncconflict_{page}"
        return reverse(name, args=arguments, current_app=self.admin_site.name)


def _read(request: HttpRequest) -> tuple[Sequence[Chosen], str]:
    """Reads a decision out of a form that one of our own pages has made."""
    try:
        keep = Side(request.POST.get("keep", "")).value
        listed = json.loads(request.POST.get("chosen", ""))
        chosen = [(int(number), str(seen)) for number, seen in listed]
    except (ValueError, TypeError) as error:
        raise BadRequest("keep or chosen is not what the pages of conflicts send") from error
    if not 0 < len(chosen) <= _MOST:
        raise BadRequest("chosen names no conflict, or too many")
    return chosen, keep


def _length_of(field: str) -> int | None:
    return SyncConflict._meta.get_field(field).max_length  # type: ignore[union-attr]


def _meaning(kind: str) -> str:
    """Says in a sentence what both sides did."""
    sentences = {
        "update/update": _("Both sides changed the row since the last sync, and differently."),
        "delete/update": _("REMOTE deleted the row, LOCAL changed it."),
        "update/delete": _("REMOTE changed the row, LOCAL deleted it."),
        "insert/insert": _("Both sides hold a row with this key, and nothing says which is newer."),
        "drift": _("The side that a one-way sync writes had changed the row itself."),
        "unique": _("Another row has the same value in a unique key."),
        "parent": _("The row refers to another one that is missing, or others still refer to it."),
    }
    return sentences.get(kind, kind)
