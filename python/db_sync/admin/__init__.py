"""The sync in Django's admin: the log, how tables are synced, conflicts, and a dashboard.

Django loads this where `django.contrib.admin` is installed. The pages are on the default site; for
a site of your own call `register(site)`.
"""

from django.contrib import admin
from django.contrib.admin import AdminSite

from db_sync.admin.configuration import SyncConfigAdmin
from db_sync.admin.conflicts import SyncConflictAdmin
from db_sync.admin.dashboard import DashboardAdmin
from db_sync.admin.logs import SyncLogAdmin
from db_sync.models import Dashboard, SyncConfig, SyncConflict, SyncLog

__all__ = ["register"]


def register(site: AdminSite) -> None:
    """Adds the sync's pages to a site.

    Args:
        site: Any admin site.
    """
    site.register(Dashboard, DashboardAdmin)
    site.register(SyncLog, SyncLogAdmin)
    site.register(SyncConfig, SyncConfigAdmin)
    site.register(SyncConflict, SyncConflictAdmin)


register(admin.site)
