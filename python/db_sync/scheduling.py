"""The schedule on Django Q2: one row, by which a cluster runs the sync every so many minutes.

Django Q2 does not keep names of schedules apart, and an older installation may have left a row of
another name that calls our task: whatever calls it every so many minutes counts as the schedule,
and enabling leaves one of it. Schedules of other kinds (daily, cron), which somebody made by hand
for the same task, are none of our business.

Importing this module needs no Django Q2; using it does.
"""

import ast
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, router
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from db_sync import _native
from db_sync.conf import settings_file

NAME = "db_sync"
TASK = "db_sync.tasks.run_scheduled_sync"
TABLE_TASK = "db_sync.tasks.sync_table"
DECISION_TASK = "db_sync.tasks.decide_conflicts"
# A task shall end well within a cluster's timeout, and each decision may take a second.
_DECISIONS = 50
# So many of the tasks that decided are asked what they have left.
_LATEST = 20
# A cluster looks for what is due about every half minute.
_OVERDUE = timedelta(minutes=2)
# A failed run is not queued again: the next slot is its repetition. Without this, Django Q2 would
# repeat every failed run for ever, beside the schedule.
_OPTIONS = {"ack_failure": True}
# What Django Q2 writes between what a failed task said and where it failed.
_TRACEBACK = " : Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """What the settings say of automatic runs.

    Attributes:
        enabled: `DB_SYNC_ENABLED`; where it is False the schedule fires and the task does nothing.
        interval: Minutes between two runs.
        direction: The direction of tables that a run registers.
        sync_type: Their sync type.
    """

    enabled: bool
    interval: int
    direction: str
    sync_type: str


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """How the schedule stands.

    Attributes:
        enabled: Whether there is a schedule that fires.
        kind: Its type as Django Q2 names it, usually `MINUTES`; empty without a schedule.
        minutes: Its interval; None without a schedule, and for one that is no longer `MINUTES`.
        next_run: When it fires next, or None.
        last_run: When the latest run that has ended was started, or None.
        successes: Runs that ended well, as far as Django Q2 keeps them (its `save_limit`).
        failures: Runs that failed.
        latest_failure: When the latest of them was started, and the first line of what it said;
            None without one.
        settings: What the settings say now.
    """

    enabled: bool
    kind: str
    minutes: int | None
    next_run: datetime | None
    last_run: datetime | None
    successes: int
    failures: int
    latest_failure: tuple[datetime, str] | None
    settings: ScheduleSettings

    @property
    def is_overdue(self) -> bool:
        """Whether it should have fired by now, and no cluster has seen to that."""
        late = self.next_run is not None and self.next_run < timezone.now() - _OVERDUE
        return self.enabled and late


def read_settings(env_file: str | os.PathLike[str] | None = None) -> ScheduleSettings:
    """Reads what concerns automatic runs.

    Args:
        env_file: Where the settings are, instead of the file that the project has.

    Returns:
        The settings as they are now.

    Raises:
        ConfigError: Keys are missing or hold values that are not allowed.
    """
    told = json.loads(_native.settings(settings_file(env_file)))
    return ScheduleSettings(
        enabled=told["enabled"],
        interval=told["interval"],
        direction=told["direction"],
        sync_type=told["sync_type"],
    )


def enable(env_file: str | os.PathLike[str] | None = None) -> ScheduleSettings:
    """Makes the schedule, or brings it up to date; doing so again changes nothing.

    A schedule that is new or changed fires as soon as a cluster looks.

    Args:
        env_file: The settings' file that the task shall read too; without it the one that the
            schedule has. Where neither names one, the task finds the project's by itself: in a
            cluster that may be another path than here.

    Returns:
        The settings that were taken.

    Raises:
        ConfigError: The settings are wrong; nothing is changed.
        ImproperlyConfigured: Django Q2 is not there.
        DatabaseError: Its tables are not.
    """
    return _establish(env_file, anew=False)


def restart(env_file: str | os.PathLike[str] | None = None) -> ScheduleSettings:
    """Reads the settings again and begins anew: the schedule fires as soon as a cluster looks.

    Args:
        env_file: As for `enable`.

    Returns:
        The settings that were taken.

    Raises:
        ConfigError, ImproperlyConfigured, DatabaseError: As for `enable`.
    """
    return _establish(env_file, anew=True)


def disable() -> None:
    """Removes the schedule. What Django Q2 remembers of past runs stays.

    Raises:
        ImproperlyConfigured: Django Q2 is not there.
        DatabaseError: Its tables are not.
    """
    for row in _rows():
        row.delete()


def status(env_file: str | os.PathLike[str] | None = None) -> ScheduleStatus:
    """Tells how the schedule stands.

    Args:
        env_file: Where the settings are, unless the schedule names a file itself; without either,
            the file that the project has.

    Returns:
        The schedule, the runs that Django Q2 remembers, and the settings.

    Raises:
        ConfigError: The settings are wrong.
        ImproperlyConfigured: Django Q2 is not there.
        DatabaseError: Its tables are not.
    """
    models = queue()
    row = next(iter(_rows()), None)
    names = vars(models.Schedule).items()
    kinds = {code: name for name, code in names if name.isupper() and isinstance(code, str)}
    runs = models.Task.objects.filter(func=TASK)
    return ScheduleStatus(
        enabled=row is not None and row.repeats != 0,
        kind="" if row is None else kinds.get(row.schedule_type, row.schedule_type),
        minutes=row.minutes if row and row.schedule_type == models.Schedule.MINUTES else None,
        next_run=None if row is None else row.next_run,
        last_run=runs.order_by("-started").values_list("started", flat=True).first(),
        successes=runs.filter(success=True).count(),
        failures=runs.filter(success=False).count(),
        latest_failure=_latest_failure(runs),
        settings=read_settings(_env_file(row) or env_file),
    )


def trouble(error: Error) -> str:
    """Says why Django Q2's tables cannot be used, and what to do.

    Args:
        error: What a statement on them ended with.

    Returns:
        One sentence.
    """
    if is_reachable():
        words = _(
            "The tables of Django Q2 cannot be used (%(reason)s): run python manage.py migrate "
            "first."
        )
    else:
        words = _(
            "The database that has the tables of Django Q2 cannot be reached, or refuses us "
            "(%(reason)s): python manage.py db_env status says more."
        )
    return words % {"reason": error}


def is_reachable() -> bool:
    """Says whether the database answers that has Django Q2's tables, or should.

    Raises:
        ImproperlyConfigured: Django Q2 is not there.
    """
    alias = router.db_for_read(queue().Schedule)
    try:
        connections[alias].introspection.table_names()
    except Error:
        return False
    return True


def enqueue_table(name: str, **options: Any) -> str:
    """Has a cluster sync one table, soon.

    Args:
        name: The table.
        options: As for `db_sync.tasks.sync_table`.

    Returns:
        The task's id in Django Q2.

    Raises:
        ImproperlyConfigured: Django Q2 is not there.
    """
    queue()
    from django_q.tasks import async_task

    queued: str = async_task(TABLE_TASK, name, **options, q_options={**_OPTIONS, "group": NAME})
    return queued


def enqueue_decisions(chosen: Sequence[tuple[int, str]], **options: Any) -> int:
    """Has a cluster decide conflicts, soon.

    Args:
        chosen: As for `db_sync.tasks.decide_conflicts`.
        options: As for it.

    Returns:
        The number of tasks.

    Raises:
        ImproperlyConfigured: Django Q2 is not there.
    """
    queue()
    from django_q.tasks import async_task

    parcels = [list(chosen[at : at + _DECISIONS]) for at in range(0, len(chosen), _DECISIONS)]
    for parcel in parcels:
        async_task(DECISION_TASK, parcel, **options, q_options={**_OPTIONS, "group": NAME})
    return len(parcels)


def left_conflicts() -> dict[int, str]:
    """Gives the conflicts that the latest tasks of `enqueue_decisions` have left as they were.

    Returns:
        Each one's id, with the versions that the decision was about.

    Raises:
        ImproperlyConfigured: Django Q2 is not there.
        DatabaseError: Its tables are not.
    """
    ended = queue().Task.objects.filter(func=DECISION_TASK, success=True)
    left: dict[int, str] = {}
    for task in reversed(ended.order_by("-stopped")[:_LATEST]):
        [chosen] = task.args
        left |= {number: seen for number, seen in chosen if number in task.result["left"]}
    return left


def _establish(env_file: str | os.PathLike[str] | None, *, anew: bool) -> ScheduleSettings:
    schedule = queue().Schedule
    row = next(iter(_rows()), None)
    path = _env_file(row) if env_file is None else os.path.abspath(env_file)
    settings = read_settings(path)
    arguments = {"q_options": _OPTIONS, **({} if path is None else {"env_file": path})}
    wanted = {
        "name": NAME,
        "func": TASK,
        "args": None,
        "kwargs": repr(arguments),
        "schedule_type": schedule.MINUTES,
        "minutes": settings.interval,
        "repeats": -1,
    }
    if anew or row is None or any(getattr(row, key) != wanted[key] for key in wanted):
        wanted["next_run"] = timezone.now()
        # A cluster may be writing the row's other columns right now, and the row may be gone.
        if row is None or not schedule.objects.filter(pk=row.pk).update(**wanted):
            schedule.objects.create(**wanted)
    # Whoever enabled it at the same time looks after having written too, so one row stays.
    for other in _rows()[1:]:
        other.delete()
    return settings


def _rows() -> list[Any]:
    """Finds the schedule, the row that counts first."""
    schedule = queue().Schedule
    ours = Q(name=NAME) | Q(func=TASK, schedule_type=schedule.MINUTES)
    return sorted(schedule.objects.filter(ours), key=lambda row: (row.name != NAME, row.pk))


def _latest_failure(runs: Any) -> tuple[datetime, str] | None:
    failed = runs.filter(success=False).order_by("-started")
    for started, result in failed.values_list("started", "result")[:1]:
        said, _mark, _traceback = str(result or "").partition(_TRACEBACK)
        return started, said.strip().partition("\n")[0]
    return None


def _env_file(row: Any) -> str | None:
    """Names the settings' file that the row hands to the task, where there is a row."""
    try:
        path: str | None = ast.literal_eval(row.kwargs).get("env_file")
    except (SyntaxError, ValueError, TypeError, AttributeError):
        # No row, no arguments, or in one of the other notations that Django Q2 knows.
        return None
    return path


def queue() -> Any:
    """Gives Django Q2's models.

    Raises:
        ImproperlyConfigured: Django Q2 is not there.
    """
    if not apps.is_installed("django_q"):
        raise ImproperlyConfigured(
            _(
                "Scheduling needs Django Q2: pip install 'django-db-sync[scheduler]', add "
                "'django_q' to INSTALLED_APPS, and run migrate."
            )
        )
    from django_q import models

    return models
