"""The admin over two SQLite files: people who look at it, and rows as the engine writes them."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from html import unescape
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connections
from django.test import Client

# The files of both sides, migrated once.
_MIGRATED: dict[str, bytes] = {}
_ON_DEFAULT = ("contenttypes", "auth", "admin", "django_q", "db_sync")


def migrate(folder: Path) -> None:
    """Gives both sides their tables; the aliases must point into the folder already."""
    if not _MIGRATED:
        for app in _ON_DEFAULT:
            call_command("migrate", app, database="default", verbosity=0)
        call_command("migrate", "db_sync", database="local", verbosity=0)
        for alias in ("default", "local"):
            connections[alias].close()
        _MIGRATED.update({path.name: path.read_bytes() for path in folder.iterdir()})
    for name, content in _MIGRATED.items():
        (folder / name).write_bytes(content)


def insert(table: str, **cells: Any) -> int:
    """Writes a row on LOCAL as the engine does; gives its id."""
    columns = ", ".join(cells)
    places = ", ".join("%s" for _ in cells)
    with connections["local"].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608
            list(cells.values()),
        )
        return int(cursor.lastrowid)


def ago(**span: float) -> str:
    """Spells a moment that lies so far back, in UTC, as the columns hold it."""
    moment = datetime.now(timezone.utc) - timedelta(**span)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def log(table: str = "shop_product", **cells: Any) -> int:
    """Writes a pass."""
    row = {
        "run_id": "5f3a",
        "table_name": table,
        "sync_type": "INCREMENTAL",
        "sync_direction": "REMOTE_TO_LOCAL",
        "status": "SUCCESS",
        "start_time": ago(minutes=5),
        "end_time": ago(minutes=4),
        "duration": "0.250",
        "created_at": ago(minutes=5),
    }
    return insert("db_sync_log", **{**row, **cells})


def conflict(
    key: Mapping[str, Any],
    remote: str | Mapping[str, Any] | None,
    local: str | Mapping[str, Any] | None,
    **cells: Any,
) -> int:
    """Writes a conflict; a row may be given as the JSON text itself."""
    row = {
        "run_id": "5f3a",
        "table_name": "shop_product",
        "row_key": json.dumps(key),
        "kind": "update/update",
        "remote_row": _spelled(remote),
        "local_row": _spelled(local),
        "strategy": "MANUAL",
        "state": "PENDING",
        "created_at": ago(minutes=5),
        "key_ordinal": b"12345678",
        "seen": "00000000000000aa|00000000000000bb",
    }
    return insert("db_sync_conflict", **{**row, **cells})


def configure(*tables: str, **cells: Any) -> None:
    """Registers tables."""
    for table in tables:
        insert("db_sync_config", table_name=table, **cells)


def _spelled(row: str | Mapping[str, Any] | None) -> str | None:
    return row if row is None or isinstance(row, str) else json.dumps(row)


def words(html: str) -> str:
    """What a person reads of a page's piece: no tags, no scripts, no words under the mouse."""
    seen = re.sub(r"(?s)<(script|style|title).*?</\1>|<[^>]*>", " ", html)
    return " ".join(unescape(seen).split())


@dataclass(frozen=True)
class Page:
    """What the site has answered."""

    response: Any
    url: str

    @property
    def html(self) -> str:
        """The page as it was sent."""
        return str(self.response.content, "utf-8")

    @property
    def text(self) -> str:
        """The words that a person reads, spaces put together."""
        return words(self.html.partition("<main")[2])

    @property
    def messages(self) -> list[tuple[str, str]]:
        """What the site has told, with its level."""
        found = re.findall(r'(?s)<li class="(\w+)">(.*?)</li>', self.html)
        return [
            (level, unescape(words))
            for level, words in found
            if level in ("success", "warning", "error")
        ]

    def inputs(self, name: str) -> list[str]:
        """The values of the form's fields of that name."""
        tags = re.findall(rf'<(?:input|button)[^>]*name="{name}"[^>]*>', self.html)
        return [unescape(value[1]) for tag in tags if (value := re.search(r'value="([^"]*)"', tag))]


class Pages:
    """One person in front of the admin."""

    def __init__(self, *permissions: str, root: bool = False) -> None:
        """Makes a member of the staff who has these permissions of ours, or may do everything."""
        create = User.objects.create_superuser if root else User.objects.create_user
        self.user = create(f"person{User.objects.count()}", is_staff=True)
        known = Permission.objects.filter(codename__in=permissions)
        assert len(known) == len(permissions)
        self.user.user_permissions.set(known)
        self.client = Client()
        self.client.force_login(self.user)

    def get(self, path: str, **query: str) -> Page:
        """Looks at a page below `/admin/db_sync/`."""
        response = self.client.get(_address(path), query, follow=True)
        return Page(response, path)

    def post(self, path: str, **form: str | Iterable[str]) -> Page:
        """Sends a form, and goes where that leads."""
        return Page(self.client.post(_address(path), form, follow=True), path)

    def act(self, path: str, action: str, chosen: Iterable[int]) -> Page:
        """Chooses rows of a list and an action."""
        keys = [str(key) for key in chosen]
        return self.post(path, action=action, _selected_action=keys)


def _address(path: str) -> str:
    return path if path.startswith("/") else f"/admin/db_sync/{path}"
