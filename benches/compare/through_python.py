"""`sync_db` in a process of its own, by the Python that has the package: to see what that takes.

With `FULL` or `INCREMENTAL` it syncs; without a word it only gets ready, and says so.
"""

import sys

import django
from django.conf import settings
from django.core.management import call_command, load_command_class

from db_sync.conf import databases


def main() -> None:
    """Gets Django ready, and syncs if told to."""
    settings.configure(INSTALLED_APPS=["db_sync"], DATABASES=databases(), USE_TZ=True)
    django.setup()
    command = load_command_class("db_sync", "sync_db")
    if sys.argv[1:]:
        call_command(command, sync_type=sys.argv[1], progress="never")
    else:
        print("ready")  # noqa: T201


if __name__ == "__main__":
    main()
