"""The default admin site, and one that a project has made itself."""

from django.contrib import admin
from django.urls import path

from db_sync.admin import register

own_site = admin.AdminSite(name="own")
register(own_site)

urlpatterns = [path("admin/", admin.site.urls), path("own/", own_site.urls)]
