"""System checks: what is wrong with a project before anything is synced. Their ids are stable.

`manage.py check` looks at settings and files alone and reaches no server. What only matters to a
site that others use is told by `check --deploy`, and what a database must be asked for by
`check --database`. docs/checks.md explains every id.
"""

from django.core.checks import Tags, register

from db_sync.checks import deployment, environment, queue, tables
from db_sync.checks.environment import settings_are_complete
from db_sync.checks.queue import queue_is_configured

__all__ = ["queue_is_configured", "register_all", "settings_are_complete"]

# `manage.py check --tag db_sync` runs the checks that reach no database.
_TAG = "db_sync"


def register_all() -> None:
    """Has Django run every check."""
    register(environment.settings_are_complete, _TAG)
    register(environment.sides_differ, _TAG)
    register(environment.aliases_fit, _TAG)
    register(environment.env_file_is_private, _TAG, Tags.security)
    register(queue.queue_is_configured, _TAG)
    register(queue.somebody_runs_the_schedule, _TAG)
    register(queue.queue_is_local, _TAG, deploy=True)
    register(tables.local_has_tables, Tags.database)
    register(tables.queue_is_not_synced, Tags.database)
    register(deployment.default_takes_turns, _TAG, deploy=True)
    register(deployment.files_are_absolute, _TAG, deploy=True)
    register(deployment.remote_is_encrypted, _TAG, Tags.security, deploy=True)
