"""What the pages have in common: their rows live on LOCAL, which may be away."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import Error, OperationalError, connections
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from db_sync.models import SyncConfig, SyncConflict, SyncLog, SyncState

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class LocalAdmin(ModelAdmin):
    """Rows that the engine writes: looked at here, never added or deleted.

    Where LOCAL cannot be read, every page says why and what to do.
    """

    # Both would count every row of a table that may have millions.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    class Media:
        """Colours of states and charts."""

        css = {"all": ("db_sync/admin.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Says no: the engine adds rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Says no: the engine prunes by its own rules."""
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Shows the list, or why it cannot be read."""
        context = {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})}
        return self.answered(request, super().changelist_view, context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Shows one row, or why it cannot be read."""
        view = super().changeform_view
        return self.answered(request, view, object_id, form_url, extra_context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Shows what people have done to a row, or why it cannot be read."""
        return self.answered(request, super().history_view, object_id, extra_context)

    def answered(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *arguments: Any
    ) -> HttpResponse:
        """Calls a view; where LOCAL fails it, answers with a page that says so.

        Args:
            request: Handed on first.
            view: What makes the page.
            arguments: Handed on after the request.

        Returns:
            The rendered page, or one with status 503.
        """
        try:
            response = view(request, *arguments)
            # Rows are still fetched while the page is rendered.
            if isinstance(response, SimpleTemplateResponse):
                response.render()
        except Error as error:
            trouble = trouble_with_local(error)
            if trouble is None:
                raise
            what, hint = trouble
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": _("LOCAL cannot be read"),
                "what": what,
                "hint": hint,
                "media": self.media,
            }
            page = "admin/db_sync/unreadable.html"
            return TemplateResponse(request, page, context, status=503).render()
        return response


def trouble_with_local(error: Error) -> tuple[str, str] | None:
    """Finds out what a failed statement has to do with LOCAL.

    Args:
        error: How the statement failed.

    Returns:
        What is the matter and what to do; None where LOCAL and our tables are in order, so that
        the failure is another one's.
    """
    alias = SyncConfig.objects.db
    try:
        connections[alias].ensure_connection()
    except Error as refused:
        return (
            _("LOCAL cannot be reached: %(reason)s") % {"reason": refused},
            _("Check that the server runs and that the DB_LOCAL_… keys in .env are right."),
        )
    try:
        for model in (SyncConfig, SyncLog, SyncConflict, SyncState):
            model._default_manager.using(alias).first()
    except Error as missing:
        return (
            _("The sync's own tables cannot be read on LOCAL: %(reason)s") % {"reason": missing},
            _(
                "Run python manage.py migrate --database %(alias)s; DATABASE_ROUTERS needs "
                "db_sync.routers.SyncRouter."
            )
            % {"alias": alias},
        )
    if isinstance(error, OperationalError):
        return (
            _("LOCAL did not answer: %(reason)s") % {"reason": error},
            _("Try again in a moment. A sync that writes much may keep a SQLite file locked."),
        )
    return None
