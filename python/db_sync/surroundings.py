"""What only Django knows of what a sync depends on: its checks, the schedule, the queue, clusters.

The engine's doctor looks at the databases. What is found here joins its findings; the sentences are
templates as the engine's are, so that they can be told in any language.
"""

import os
import socket
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.core import checks
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import Error as DatabaseError
from django.utils.translation import gettext_noop as _

from db_sync import other_schedules, scheduling
from db_sync.diagnosis import Symptom
from db_sync.errors import SyncError, fill
from db_sync.report import ErrorReport, Note
from db_sync.scheduling import ScheduleStatus

# What the engine finds for itself, and better: it reads the very file, and asks the servers.
_TOLD_BY_THE_ENGINE = {"db_sync.W008": "DOC_008", "db_sync.E002": "CFG_002"}
# Seconds until a queue's server must answer.
_PATIENCE = 5
_REDIS_PORT = 6379


def symptoms(
    known: Iterable[Symptom] = (), env_file: str | os.PathLike[str] | None = None
) -> Iterator[Symptom]:
    """Finds what stands in the way of a sync in the project and its queue. Writes nothing.

    Args:
        known: What the engine has found; nothing of it is told again.
        env_file: Where the settings are, instead of the file that the project has.

    Yields:
        The system checks of this app that are not silenced, and what is wrong with the schedule,
        the queue and its clusters. Where automatic syncs are off, nothing of the latter but
        schedules that fire all the same.

    Raises:
        ConfigError: The settings are wrong.
    """
    yield from _checks({finding.code for finding in known})
    if not apps.is_installed("django_q"):
        # Whether anybody misses it is told by a check.
        return
    enabled = scheduling.read_settings(env_file).enabled
    try:
        status = scheduling.status(env_file)
    except SyncError as error:
        # The settings' file that the schedule hands to its task.
        yield _failure(error)
    except DatabaseError as error:
        if enabled:
            yield _unusable(str(error))
    else:
        yield from _schedule(status, enabled=enabled)
        yield from _others()


def _found(
    code: str, level: str, template: str, command: str | None = None, **names: str
) -> Symptom:
    message = fill(template, names)
    return Symptom(code, level, message, template=template, names=names, command=command)


def _failure(error: SyncError) -> Symptom:
    known = ErrorReport.from_exception(error)
    hint = Note(known.hint, known.hint_template, known.names)
    names, template = known.names, known.template
    return Symptom(known.code, "error", known.message, template=template, names=names, hint=hint)


def _checks(known: set[str]) -> Iterator[Symptom]:
    for message in checks.run_checks():
        code = str(message.id)
        if not code.startswith("db_sync.") or message.is_silenced():
            continue
        if _TOLD_BY_THE_ENGINE.get(code) in known:
            continue
        level = "error" if message.is_serious() else "warning"
        hint = Note(message.hint) if message.hint else None
        yield Symptom(code, level, str(message.msg), hint=hint)


def _unusable(reason: str) -> Symptom:
    if scheduling.is_reachable():
        template = _("The tables of Django Q2 cannot be used: {reason}.")
        return _found("DOC_101", "error", template, "python manage.py migrate", reason=reason)
    template = _("The database with the tables of Django Q2 cannot be reached: {reason}.")
    return _found("DOC_101", "error", template, "python manage.py db_env status", reason=reason)


def _others() -> Iterator[Symptom]:
    for other in other_schedules.find():
        names = {"name": other.name, "id": str(other.number), "function": other.calls}
        if other.is_dead:
            template = _(
                "The schedule {name} (id {id}) calls {function} of an older version, which is no "
                "longer there: it fails every time."
            )
            yield _found("DOC_110", "warning", template, other.removal, **names)
        else:
            template = _(
                "The schedule {name} (id {id}) of Django Q2 syncs too: it calls {function}, at "
                "times of its own and whatever DB_SYNC_ENABLED says."
            )
            yield _found("DOC_109", "warning", template, other.removal, **names)


def _schedule(status: ScheduleStatus, *, enabled: bool) -> Iterator[Symptom]:
    scheduler = "python manage.py sync_scheduler"
    if not status.enabled:
        if enabled:
            template = _("DB_SYNC_ENABLED is True, but there is no schedule: nothing runs.")
            yield _found("DOC_102", "warning", template, f"{scheduler} enable")
        return
    if not status.settings.enabled:
        template = _("There is a schedule, but DB_SYNC_ENABLED is False: its task syncs nothing.")
        yield _found("DOC_103", "note", template, f"{scheduler} disable")
        return
    minutes = status.settings.interval
    if status.minutes != minutes:
        names = {"minutes": str(minutes), "scheduled": str(status.minutes or status.kind)}
        template = _("DB_SYNC_INTERVAL is {minutes}, but the schedule still has {scheduled}.")
        yield _found("DOC_104", "note", template, f"{scheduler} restart", **names)
    if status.is_overdue:
        template = _("The next run should have begun at {time} and has not: no cluster looked.")
        command = "python manage.py qcluster"
        yield _found("DOC_105", "warning", template, command, time=str(status.next_run))
    yield from _queue()


def _queue() -> Iterator[Symptom]:
    """Asks the queue's server whether it answers, and then, which clusters have told it so."""
    from django_q.brokers import Broker, get_broker
    from django_q.status import Stat

    name, command = _address()
    try:
        _knock()
        broker = get_broker()
        broker.ping()
        broker.queue_size()
        clusters = Stat.get_all(broker)
    except Exception as error:  # Each kind of queue has failures of its own.
        template = _("The queue of Django Q2, {queue}, does not answer ({reason}).")
        reason = type(error).__name__
        yield _found("DOC_106", "error", template, command, queue=name, reason=reason)
        return
    if clusters:
        return
    own_memory = isinstance(broker.cache, LocMemCache | DummyCache) or broker.cache is None
    if own_memory and type(broker).get_stats is Broker.get_stats:
        template = _(
            "Whether a cluster is running cannot be seen: clusters tell by Django's cache, and "
            "this one is each process's own. A schedule that is overdue would show it."
        )
        yield _found("DOC_108", "note", template)
    else:
        template = _("No cluster of Django Q2 is running, so nothing is synced by itself.")
        yield _found("DOC_107", "warning", template, "python manage.py qcluster")


def _redis() -> tuple[str, int] | None:
    """Names the host and the port of a queue in Redis, never a password."""
    from django_q.conf import Conf

    settings: Any = Conf.REDIS
    if Conf.ORM or Conf.BROKER_CLASS or not settings:
        return None
    if isinstance(settings, str):
        parts = urlsplit(settings)
        return (parts.hostname, parts.port or _REDIS_PORT) if parts.hostname else None
    if "unix_socket_path" in settings:
        return None
    return settings.get("host", "localhost"), int(settings.get("port", _REDIS_PORT))


def _address() -> tuple[str, str | None]:
    """Says where the queue is, and what asks it by hand."""
    from django_q.conf import Conf

    redis = _redis()
    if redis is not None:
        host, port = redis
        return f"Redis {host}:{port}", f"redis-cli -h {host} -p {port} ping"
    if Conf.ORM:
        return f"ORM {Conf.ORM}", f"python manage.py migrate django_q --database {Conf.ORM}"
    return str(Conf.BROKER_CLASS or "Redis"), None


def _knock() -> None:
    """Connects to a queue's server and no more: its client may wait for minutes."""
    redis = _redis()
    if redis is not None:
        socket.create_connection(redis, timeout=_PATIENCE).close()
