"""The log: every pass of every run, to be looked at."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from db_sync.admin.advice import ADVICE
from db_sync.admin.badges import arrow, badge
from db_sync.admin.clock import written
from db_sync.admin.filters import NewestRows, StartedFilter, TableFilter
from db_sync.admin.local import LocalAdmin
from db_sync.models import SyncLog

_SHORT = 80


class SyncLogAdmin(LocalAdmin):
    """Lists passes, newest first."""

    paginator = NewestRows
    list_display = (
        "started",
        "coloured_status",
        "table",
        "seconds",
        "rows",
    )
    list_display_links = ("started",)
    list_filter = (
        "status",
        StartedFilter,
        TableFilter,
        "sync_direction",
        "triggered_by",
    )
    # Only what has an index is searched.
    search_fields = ("run_id__exact", "table_name__exact")
    search_help_text = gettext_lazy("A table's or a run's whole name")
    sortable_by = ("started",)
    readonly_fields = ("coloured_status", "started", "ended", "run", "advice")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "table_name",
                    "coloured_status",
                    "sync_direction",
                    "sync_type",
                    "triggered_by",
                    "run",
                )
            },
        ),
        (gettext_lazy("Time"), {"fields": ("started", "ended", "duration")}),
        (
            gettext_lazy("Rows"),
            {
                "fields": (
                    "rows_scanned",
                    "rows_inserted",
                    "rows_updated",
                    "rows_deleted",
                    "rows_skipped",
                    "conflicts",
                )
            },
        ),
        (gettext_lazy("What happened"), {"fields": ("error_code", "error_message", "advice")}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Says no: what has happened stays."""
        return False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Names the pass in short above its figures."""
        log: SyncLog | None = context.get("original")
        if log is not None:
            words = f"{log.table_name} {arrow(log.sync_direction)} {written(log.start_time)}"
            context["subtitle"] = words
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("start"), ordering="id")
    def started(self, log: SyncLog) -> str:
        """Spells when the pass began."""
        return written(log.start_time)

    @admin.display(description=gettext_lazy("end"))
    def ended(self, log: SyncLog) -> str:
        """Spells when the pass ended."""
        return written(log.end_time)

    @admin.display(description=gettext_lazy("status"))
    def coloured_status(self, log: SyncLog) -> SafeString:
        """Marks how the pass stands."""
        return badge(log.status)

    @admin.display(description=gettext_lazy("table"))
    def table(self, log: SyncLog) -> SafeString:
        """Names the table and the side that was written; what happened stands below, shortened."""
        words = Truncator(log.error_message or "").chars(_SHORT)
        more = format_html(
            '<small class="db-sync-more" title="{}"><strong>{}</strong> {}</small>',
            advice(log),
            log.error_code or "",
            words,
        )
        return format_html(
            '{} <small class="db-sync-arrow">{}</small>{}',
            log.table_name,
            arrow(log.sync_direction),
            more if words or log.error_code else "",
        )

    @admin.display(description=gettext_lazy("duration"))
    def seconds(self, log: SyncLog) -> str:
        """Spells how long the pass took."""
        if log.duration is None:
            return "–"
        return _("%(seconds)s s") % {"seconds": number_format(log.duration, 3)}

    @admin.display(description=gettext_lazy("rows"))
    def rows(self, log: SyncLog) -> SafeString:
        """Counts the rows that were written, as `sync_db` prints them, and those that were not."""
        counts = (log.rows_inserted, log.rows_updated, log.rows_deleted)
        more = (
            (_("skipped %(count)s"), log.rows_skipped),
            (_("conflicts %(count)s"), log.conflicts),
        )
        return format_html(
            '<span class="db-sync-rows" title="{}">+{} ~{} −{}</span>{}',
            _("inserted, updated, deleted"),
            *map(_grouped, counts),
            format_html_join(
                "",
                ' <span class="db-sync-rows db-sync-more">{}</span>',
                ((words % {"count": _grouped(count)},) for words, count in more if count),
            ),
        )

    @admin.display(description=gettext_lazy("run"))
    def run(self, log: SyncLog) -> SafeString | str:
        """Links to all passes of the run."""
        if not log.run_id:
            return "–"
        passes = reverse("admin:db_sync_synclog_changelist", current_app=self.admin_site.name)
        query = urlencode({"run_id": log.run_id})
        return format_html('<a href="{}?{}">{}</a>', passes, query, log.run_id)

    @admin.display(description=gettext_lazy("what to do"))
    def advice(self, log: SyncLog) -> str:
        """Says what to do about the error's code."""
        return advice(log)


def _grouped(count: int | None) -> str:
    return number_format(count or 0, force_grouping=True)


def advice(log: SyncLog) -> str:
    """Says what to do about a pass's error code; a dash where there is nothing to do."""
    return str(ADVICE.get(log.error_code or "", "–"))
