"""The dashboard: how every table stands, how the last weeks went, and whether syncs come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from db_sync import scheduling
from db_sync.admin import charts, figures
from db_sync.admin.badges import arrow, badge, tone
from db_sync.admin.charts import Column, Part, Point
from db_sync.admin.clock import now, spelled, written
from db_sync.admin.figures import Figures, Passes, TableFigures
from db_sync.admin.local import LocalAdmin
from db_sync.errors import SyncError
from db_sync.printout import error_lines
from db_sync.report import ErrorReport
from db_sync.scheduling import ScheduleStatus

# A scheduled run takes its time too.
_GRACE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class TableLine:
    """What the page says of one table."""

    name: str
    enabled: bool
    passes: Sequence[tuple[int, str, SafeString, str]]
    last_sync: str
    lag: str
    is_late: bool
    rows: tuple[str, str] | None
    rows_differ: bool
    success: str
    success_chart: SafeString
    mean: str
    seconds_chart: SafeString
    open_conflicts: int


class DashboardAdmin(LocalAdmin):
    """One page, for whoever may see the log."""

    def get_urls(self) -> list[URLPattern]:
        """Gives the page's address, by the name under which the admin's index looks for it."""
        page = self.admin_site.admin_view(require_GET(self.changelist_view))
        return [path("", page, name="db_sync_dashboard_changelist")]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Says whether the user may see the log: the page adds nothing to it."""
        return request.user.has_perm("db_sync.view_synclog")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Says no: there is nothing to change."""
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Shows the page, or why LOCAL cannot be read."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.answered(request, self._show)

    def _show(self, request: HttpRequest) -> HttpResponse:
        found = figures.read()
        schedule, trouble = _schedule()
        interval = _interval(schedule)
        total = Passes()
        for day in found.days:
            total.add(found.of_day(day))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Database sync"),
            "opts": self.opts,
            "media": self.media,
            "days": len(found.days),
            "is_cut": found.is_cut,
            "open_conflicts": found.open_conflicts,
            "last_sync": written(found.last_sync),
            "last_sync_ago": _ago(found.lag),
            "unreached": found.unreached,
            "success": _percent(total),
            "ended": number_format(total.ended.total(), force_grouping=True),
            "mean": _seconds(total.mean),
            "outcomes": charts.bars(_columns(found, found.of_day), _("Passes per day")),
            "durations": charts.line(
                _points(found, found.of_day), _("Mean seconds per pass"), _("s")
            ),
            "legend": [(status, tone(status)) for status, _count in figures.columns_of(total)],
            "tables": [_line(found, table, interval) for table in found.tables],
            "schedule": schedule,
            "schedule_trouble": trouble,
            "next_run": spelled(schedule.next_run if schedule else None),
            "last_run": spelled(schedule.last_run if schedule else None),
            "is_overdue": schedule is not None and schedule.is_overdue,
            "may_see_conflicts": request.user.has_perm("db_sync.view_syncconflict"),
        }
        return TemplateResponse(request, "admin/db_sync/dashboard.html", context)


def _schedule() -> tuple[ScheduleStatus | None, str]:
    """Asks how the schedule stands; otherwise says in a sentence why that cannot be known."""
    try:
        return scheduling.status(), ""
    except ImproperlyConfigured as error:
        return None, str(error)
    except SyncError as error:
        lines = error_lines(ErrorReport.from_exception(error))
        return None, " ".join(line.text.strip() for line in lines)
    except Error as error:
        return None, scheduling.trouble(error)


def _interval(schedule: ScheduleStatus | None) -> timedelta | None:
    """Gives the time between two runs; None where none come by themselves."""
    if schedule is None or not schedule.enabled or not schedule.settings.enabled:
        return None
    return timedelta(minutes=schedule.minutes or schedule.settings.interval)


def _line(found: Figures, table: TableFigures, interval: timedelta | None) -> TableLine:
    lag, total = table.lag, table.total
    is_late = interval is not None and table.enabled and (lag is None or lag > interval + _GRACE)

    def of_day(day: date) -> Passes:
        return table.days.get(day, Passes())

    return TableLine(
        name=table.name,
        enabled=table.enabled,
        passes=[
            (last.number, arrow(last.direction), badge(last.status), last.error_code)
            for last in table.last
        ],
        last_sync=written(table.last_sync),
        lag=_ago(lag),
        is_late=is_late,
        rows=_grouped(table.rows),
        rows_differ=table.rows is not None and table.rows[0] != table.rows[1],
        success=_percent(total),
        success_chart=charts.bars(_columns(found, of_day), _("Passes per day"), charts.SMALL),
        mean=_seconds(total.mean),
        seconds_chart=charts.line(
            _points(found, of_day), _("Mean seconds per pass"), _("s"), charts.SMALL
        ),
        open_conflicts=table.open_conflicts,
    )


def _columns(found: Figures, of_day: Any) -> list[Column]:
    return [
        Column(
            day.isoformat(),
            [
                Part(count, tone(status), status)
                for status, count in figures.columns_of(of_day(day))
            ],
        )
        for day in found.days
    ]


def _points(found: Figures, of_day: Any) -> list[Point]:
    return [Point(day.isoformat(), of_day(day).mean) for day in found.days]


def _grouped(rows: tuple[int, int] | None) -> tuple[str, str] | None:
    if rows is None:
        return None
    remote, local = (number_format(count, force_grouping=True) for count in rows)
    return remote, local


def _percent(passes: Passes) -> str:
    if passes.success is None:
        return "–"
    # What has failed once is never rounded up to everything.
    percent = int(passes.success * 1000) / 10
    return f"{number_format(percent, 0 if percent == 100 else 1)} %"


def _seconds(mean: float | None) -> str:
    return "–" if mean is None else _("%(seconds)s s") % {"seconds": number_format(mean, 2)}


def _ago(span: timedelta | None) -> str:
    """Spells a span in Django's words, for example `12 minutes`; a dash for None."""
    if span is None:
        return "–"
    moment = now()
    return timesince(moment - span, moment, depth=1)
