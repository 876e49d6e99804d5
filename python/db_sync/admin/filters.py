"""Filters and pages of lists that may be very long: none of them reads the whole table."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.core import paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from db_sync.admin.clock import since
from db_sync.admin.local import ModelAdmin
from db_sync.models import SyncConfig

if TYPE_CHECKING:
    Paginator = paginator.Paginator[Any]
else:
    Paginator = paginator.Paginator

DEFAULTS = "*"


class NewestRows(Paginator):
    """Pages of the newest rows; older ones are found by filters."""

    limit = 10_000

    @cached_property
    def count(self) -> int:
        """Counts no further than the limit: a whole table may have millions."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        counted: int = rows[: self.limit].count()
        return counted


class TableFilter(SimpleListFilter):
    """The tables that are configured: asking the log itself would read all of it."""

    title = _("table")
    parameter_name = "table"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> Iterable[tuple[str, Any]]:
        """Lists the tables, and the one that is chosen, should it be configured no more."""
        tables = SyncConfig.objects.exclude(table_name=DEFAULTS).order_by("table_name")
        names = dict.fromkeys(tables.values_list("table_name", flat=True))
        chosen = self.value()
        return [(name, name) for name in {**names, **({chosen: None} if chosen else {})}]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keeps the table's rows."""
        name = self.value()
        return queryset.filter(table_name=name) if name else queryset


class RecentFilter(SimpleListFilter):
    """How far back. A subclass names the column."""

    title = _("time")
    parameter_name = "time"
    column: str
    spans = {
        "hour": (_("Last hour"), timedelta(hours=1)),
        "day": (_("Last 24 hours"), timedelta(days=1)),
        "week": (_("Last 7 days"), timedelta(days=7)),
        "month": (_("Last 30 days"), timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> Iterable[tuple[str, Any]]:
        """Lists the spans."""
        return [(name, label) for name, (label, _span) in self.spans.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keeps what is not older."""
        chosen = self.spans.get(self.value() or "")
        return queryset.filter(**{f"{self.column}__gte": since(chosen[1])}) if chosen else queryset


class StartedFilter(RecentFilter):
    """When a pass began."""

    column = "start_time"


class MetFilter(RecentFilter):
    """When a conflict was met."""

    column = "created_at"


class StateFilter(SimpleListFilter):
    """What waits for a person, unless something else is asked for."""

    title = _("state")
    parameter_name = "state"
    waiting, decided, everything = "PENDING", "RESOLVED", "all"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> Iterable[tuple[str, Any]]:
        """Lists the states."""
        return [
            (self.waiting, _("Waiting for a decision")),
            (self.decided, _("Decided")),
            (self.everything, _("All")),
        ]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Gives the states without Django's own `All`, which would mean the default."""
        chosen = self.value() or self.waiting
        for value, label in self.lookup_choices:
            yield {
                "selected": value == chosen,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keeps the state's rows."""
        chosen = self.value() or self.waiting
        return queryset if chosen == self.everything else queryset.filter(state=chosen)


class KindFilter(SimpleListFilter):
    """What both sides did."""

    title = _("kind")
    parameter_name = "kind"
    kinds = (
        "update/update",
        "delete/update",
        "update/delete",
        "insert/insert",
        "drift",
        "unique",
        "parent",
    )

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> Iterable[tuple[str, Any]]:
        """Lists the kinds."""
        return [(kind, kind) for kind in self.kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keeps the kind's rows."""
        kind = self.value()
        return queryset.filter(kind=kind) if kind else queryset
