"""The engine writes its moments in UTC; people read them in the site's time zone."""

from datetime import datetime, timedelta, timezone

from django.conf import settings
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime


def now() -> datetime:
    """Gives the moment in UTC, aware."""
    return datetime.now(timezone.utc)


def utc(moment: datetime) -> datetime:
    """Makes a moment out of the engine's tables aware.

    Args:
        moment: As Django read it: without a time zone where `USE_TZ` is off.

    Returns:
        The moment in UTC.
    """
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def in_column(moment: datetime) -> datetime:
    """Turns an aware moment into what a column of the engine's is compared with.

    Args:
        moment: Aware.

    Returns:
        The same, without its time zone where `USE_TZ` is off: Django would refuse it, and take the
        site's own time for UTC.
    """
    return moment if settings.USE_TZ else moment.astimezone(timezone.utc).replace(tzinfo=None)


def since(span: timedelta) -> datetime:
    """Gives the moment that lies so far back, for comparing with a column of the engine's."""
    return in_column(now() - span)


def written(moment: datetime | None) -> str:
    """Spells a moment out of the engine's tables, to the second, in the site's time zone.

    Args:
        moment: As Django read it, or None.

    Returns:
        For example `2026-01-06 14:30:00`; a dash for None.
    """
    return spelled(None if moment is None else utc(moment))


def in_two_lines(moment: datetime | None) -> SafeString:
    """Spells a moment as `written` does; in a narrow column its time stands below its date."""
    parts = ((part,) for part in written(moment).split())
    return format_html_join(" ", '<span class="db-sync-moment">{}</span>', parts)


def spelled(moment: datetime | None) -> str:
    """Spells a moment of another app's, which is the site's own time where `USE_TZ` is off."""
    if moment is None:
        return "–"
    return date_format(localtime(moment) if moment.tzinfo else moment, "Y-m-d H:i:s")
