"""How each table is synced: the rows of `db_sync_config`, edited one by one or many at once."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from db_sync.admin import queue
from db_sync.admin.badges import arrow
from db_sync.admin.clock import in_column, in_two_lines, now
from db_sync.admin.filters import DEFAULTS
from db_sync.admin.local import LocalAdmin
from db_sync.errors import fill
from db_sync.models import SyncConfig
from db_sync.printout import error_lines
from db_sync.report import ErrorReport

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[SyncConfig]
else:
    ModelForm = forms.ModelForm

_RULES = ("ignore", "no_conflict")
# What the engine says of the same, in its own words.
_KEY_NEEDED = "Table {table}: without {columns} nothing identifies its rows."
_KEEP_THE_KEY = (
    "Leave out of ignore what the key consists of, or give the table a unique key of other columns "
    "first; nothing was changed."
)


class ConfigurationForm(ModelForm):
    """One table's settings; its column rules are ticked rather than written as JSON."""

    ignore = forms.MultipleChoiceField(
        label=gettext_lazy("Columns that are never synced"),
        help_text=gettext_lazy("Each side keeps its own; a new row gets the column's default."),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    no_conflict = forms.MultipleChoiceField(
        label=gettext_lazy("Columns that make no conflict"),
        help_text=gettext_lazy(
            "They are synced, but a row that differs in them alone is no one's question."
        ),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        """What a person may change."""

        model = SyncConfig
        fields = (
            "sync_enabled",
            "sync_type",
            "sync_direction",
            "conflict_resolution",
            "priority",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offers the columns that the table has on LOCAL, and those that a rule names already.

        What every key has is not offered: nothing else identifies the rows.
        """
        super().__init__(*args, **kwargs)
        rules = self.instance.column_rules or {}
        columns, self.keys = defined(self.instance.table_name) if self.instance.pk else ([], [])
        needed = set.intersection(*map(set, self.keys)) if self.keys else set()
        there = [column for column in columns if column not in needed]
        for name in _RULES:
            ruled = rules.get(name, [])
            field = self.fields[name]
            field.initial = ruled
            choices = [(column, column) for column in dict.fromkeys([*there, *ruled])]
            field.choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any] | None:
        """Puts the rules together as the engine reads them, and refuses what it would refuse."""
        cleaned = super().clean()
        ignored = set(self.cleaned_data.get("ignore", ()))
        keyless = bool(self.keys) and all(ignored.intersection(key) for key in self.keys)
        if keyless and "ignore" in self.changed_data:
            names = {"table": self.instance.table_name, "columns": ", ".join(self.keys[0])}
            error = ErrorReport(
                code="CFG_002",
                message=fill(_KEY_NEEDED, names),
                hint=_KEEP_THE_KEY,
                template=_KEY_NEEDED,
                hint_template=_KEEP_THE_KEY,
                names=names,
            )
            self.add_error("ignore", " ".join(line.text.strip() for line in error_lines(error)))
        if self.instance.table_name != DEFAULTS:
            rules = {name: self.cleaned_data.get(name) for name in _RULES}
            ruled = {name: columns for name, columns in rules.items() if columns}
            self.instance.column_rules = ruled or None
        return cleaned


class SyncConfigAdmin(LocalAdmin):
    """Lists tables in the order in which a run takes them."""

    form = ConfigurationForm
    list_display = ("table", "enabled", "direction", "strategy", "priority", "last_sync")
    list_filter = ("sync_enabled", "sync_direction", "sync_type", "conflict_resolution")
    search_fields = ("table_name",)
    readonly_fields = ("name", "last_sync", "rules")
    actions = ("enable_tables", "disable_tables", "sync_now")

    def get_fieldsets(self, request: HttpRequest, obj: SyncConfig | None = None) -> Any:
        """Leaves out of the defaults' row what means nothing there."""
        policy = ("sync_direction", "sync_type", "conflict_resolution")
        if obj is not None and obj.table_name == DEFAULTS:
            about = _("The settings that newly registered tables take. This is no table.")
            return ((None, {"fields": ("name", *policy), "description": about}),)
        # Who may only look has no boxes to tick.
        rules = _RULES if self.has_change_permission(request, obj) else ("rules",)
        return (
            (None, {"fields": ("name", "sync_enabled", *policy, "priority", "last_sync")}),
            (_("Columns"), {"fields": rules}),
        )

    @admin.display(description=gettext_lazy("table"), ordering="table_name")
    def name(self, row: SyncConfig) -> str:
        """Names the table; the defaults' row says what it is."""
        return _("* (defaults of new tables)") if row.table_name == DEFAULTS else row.table_name

    @admin.display(description=gettext_lazy("table"), ordering="table_name")
    def table(self, row: SyncConfig) -> SafeString | str:
        """Names the table; its column rules stand below."""
        name, rules = self.name(row), self.rules(row)
        small = '{}<small class="db-sync-more">{}</small>'
        return format_html(small, name, rules) if rules else name

    @admin.display(description=gettext_lazy("on"), ordering="sync_enabled", boolean=True)
    def enabled(self, row: SyncConfig) -> bool | None:
        """Says whether the table is synced; the defaults are no table."""
        return None if row.table_name == DEFAULTS else row.sync_enabled

    @admin.display(description=gettext_lazy("direction"), ordering="sync_direction")
    def direction(self, row: SyncConfig) -> SafeString:
        """Names the sides that may be written; which rows are looked at stands below."""
        return format_html(
            '<span class="db-sync-arrow">{}</span> <small class="db-sync-more">{}</small>',
            arrow(row.sync_direction),
            row.sync_type,
        )

    @admin.display(description=gettext_lazy("strategy"), ordering="conflict_resolution")
    def strategy(self, row: SyncConfig) -> str:
        """Says who wins a conflict."""
        return row.conflict_resolution

    @admin.display(description=gettext_lazy("last sync"), ordering="last_sync_time")
    def last_sync(self, row: SyncConfig) -> SafeString:
        """Spells when a run last came to its end with the table."""
        return in_two_lines(row.last_sync_time)

    @admin.display(description=gettext_lazy("column rules"), empty_value="")
    def rules(self, row: SyncConfig) -> str:
        """Sums the column rules up."""
        rules = row.column_rules or {}
        return "; ".join(f"{name}: {', '.join(rules[name])}" for name in _RULES if rules.get(name))

    @admin.action(description=gettext_lazy("Enable the chosen tables"), permissions=["change"])
    def enable_tables(self, request: HttpRequest, queryset: QuerySet[SyncConfig]) -> None:
        """Has the tables synced from now on."""
        self._switch(request, queryset, on=True)

    @admin.action(description=gettext_lazy("Disable the chosen tables"), permissions=["change"])
    def disable_tables(self, request: HttpRequest, queryset: QuerySet[SyncConfig]) -> None:
        """Has the tables left out from now on."""
        self._switch(request, queryset, on=False)

    @admin.action(description=gettext_lazy("Sync the chosen tables now"), permissions=["change"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[SyncConfig]) -> None:
        """Puts a task for each table into the queue."""
        tables = [row.table_name for row in self._tables(request, queryset)]
        if tables:
            queue.sync_tables(request, tables)

    def _switch(self, request: HttpRequest, queryset: QuerySet[SyncConfig], *, on: bool) -> None:
        changed = [row for row in self._tables(request, queryset) if row.sync_enabled is not on]
        keys = [row.pk for row in changed]
        rows = SyncConfig.objects.filter(pk__in=keys)
        rows.update(sync_enabled=on, updated_at=in_column(now()))
        for row in changed:
            self.log_change(request, row, [{"changed": {"fields": ["enabled"]}}])
        words = _("%(count)d table(s) enabled.") if on else _("%(count)d table(s) disabled.")
        self.message_user(request, words % {"count": len(changed)}, messages.SUCCESS)

    def _tables(self, request: HttpRequest, queryset: QuerySet[SyncConfig]) -> Iterable[SyncConfig]:
        """Gives the chosen rows without the defaults, and says so where they were among them."""
        rows = list(queryset)
        tables = [row for row in rows if row.table_name != DEFAULTS]
        if len(tables) < len(rows):
            words = _(
                "The row * holds the defaults of new tables and is no table: it was left out."
            )
            self.message_user(request, words, messages.WARNING)
        return tables


def defined(table: str) -> tuple[list[str], list[list[str]]]:
    """Looks at how a table is defined on LOCAL.

    Args:
        table: Its name.

    Returns:
        Its columns, and the columns of each key that identifies its rows: the primary key first,
        then unique keys of columns that are NOT NULL. Nothing where LOCAL has no such table.
    """
    connection = connections[SyncConfig.objects.db]
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return [], []
        described = connection.introspection.get_table_description(cursor, table)
        constraints = connection.introspection.get_constraints(cursor, table).values()
    filled = {column.name for column in described if not column.null_ok}
    keys = [one["columns"] for one in constraints if one["primary_key"]]
    keys += [
        one["columns"]
        for one in constraints
        if one["unique"] and not one["primary_key"] and filled.issuperset(one["columns"])
    ]
    return [column.name for column in described], keys
