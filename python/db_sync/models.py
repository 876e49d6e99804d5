"""The engine's tables, for Django to look at.

The engine owns them and defines them; these models are unmanaged and name the columns that people
use. Words of a fixed set (`FULL`, `SUCCESS`, …) are the engine's own and are not translated.
"""

import json
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from db_sync.cells import key_text


class SyncType(models.TextChoices):
    """Which rows a run looks at."""

    FULL = "FULL", "FULL"
    INCREMENTAL = "INCREMENTAL", "INCREMENTAL"


class Direction(models.TextChoices):
    """Which sides a run may write."""

    BOTH = "BOTH", "BOTH"
    REMOTE_TO_LOCAL = "REMOTE_TO_LOCAL", "REMOTE_TO_LOCAL"
    LOCAL_TO_REMOTE = "LOCAL_TO_REMOTE", "LOCAL_TO_REMOTE"


class Strategy(models.TextChoices):
    """Who wins a conflict."""

    REMOTE_WINS = "REMOTE_WINS", "REMOTE_WINS"
    LOCAL_WINS = "LOCAL_WINS", "LOCAL_WINS"
    SKIP = "SKIP", "SKIP"
    MANUAL = "MANUAL", "MANUAL"


class Status(models.TextChoices):
    """How one pass of a run stands."""

    RUNNING = "RUNNING", "RUNNING"
    SUCCESS = "SUCCESS", "SUCCESS"
    PARTIAL = "PARTIAL", "PARTIAL"
    FAILED = "FAILED", "FAILED"
    INTERRUPTED = "INTERRUPTED", "INTERRUPTED"


class Trigger(models.TextChoices):
    """Who started a run."""

    MANUAL = "MANUAL", "MANUAL"
    SCHEDULED = "SCHEDULED", "SCHEDULED"
    REALTIME = "REALTIME", "REALTIME"
    TEST = "TEST", "TEST"


class Side(models.TextChoices):
    """One of the two databases."""

    REMOTE = "REMOTE", "REMOTE"
    LOCAL = "LOCAL", "LOCAL"


class State(models.TextChoices):
    """Whether a conflict still waits for a person."""

    PENDING = "PENDING", "PENDING"
    RESOLVED = "RESOLVED", "RESOLVED"


class Action(models.TextChoices):
    """What a run did to a row."""

    INSERT = "INSERT", "INSERT"
    UPDATE = "UPDATE", "UPDATE"
    DELETE = "DELETE", "DELETE"


class ExactNumbers(json.JSONDecoder):
    """Reads fractions as decimals: a float would round them."""

    def __init__(self, **options: Any) -> None:
        """Takes what `json.loads` hands on."""
        super().__init__(**{**options, "parse_float": Decimal})


class SyncConfig(models.Model):
    """How one table is synced. A row here goes before the environment."""

    id = models.AutoField(primary_key=True)
    table_name = models.CharField(_("table"), max_length=100, unique=True)
    sync_enabled = models.BooleanField(_("enabled"), default=True)
    sync_type = models.CharField(
        _("sync type"), max_length=20, choices=SyncType, default=SyncType.INCREMENTAL
    )
    sync_direction = models.CharField(
        _("direction"), max_length=20, choices=Direction, default=Direction.BOTH
    )
    last_sync_time = models.DateTimeField(_("last sync"), null=True, editable=False)
    last_sync_position = models.CharField(
        _("last position"), max_length=255, null=True, editable=False
    )
    priority = models.IntegerField(_("priority"), default=0)
    conflict_resolution = models.CharField(
        _("conflict strategy"), max_length=20, choices=Strategy, default=Strategy.REMOTE_WINS
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    column_rules = models.JSONField(_("column rules"), null=True, blank=True)

    class Meta:
        """Greater priority first, as the engine takes the tables."""

        managed = False
        db_table = "db_sync_config"
        ordering = ("-priority", "table_name")
        verbose_name = _("table configuration")
        verbose_name_plural = _("table configurations")

    def __str__(self) -> str:
        """Names the table and how it is synced."""
        return f"{self.table_name} ({self.sync_type}, {self.sync_direction})"


class SyncLog(models.Model):
    """One pass of a run: one table in one direction."""

    run_id = models.CharField(_("run"), max_length=36, null=True)
    table_name = models.CharField(_("table"), max_length=100)
    sync_type = models.CharField(_("sync type"), max_length=20, choices=SyncType, null=True)
    sync_direction = models.CharField(_("direction"), max_length=20, choices=Direction, null=True)
    status = models.CharField(_("status"), max_length=20, choices=Status)
    start_time = models.DateTimeField(_("start"))
    end_time = models.DateTimeField(_("end"), null=True)
    duration = models.DecimalField(_("seconds"), max_digits=12, decimal_places=3, null=True)
    triggered_by = models.CharField(
        _("started by"), max_length=20, choices=Trigger, default=Trigger.MANUAL
    )
    rows_scanned = models.BigIntegerField(_("rows scanned"), default=0)
    rows_inserted = models.BigIntegerField(_("rows inserted"), default=0)
    rows_updated = models.BigIntegerField(_("rows updated"), default=0)
    rows_deleted = models.BigIntegerField(_("rows deleted"), default=0)
    rows_skipped = models.BigIntegerField(_("rows skipped"), default=0)
    conflicts = models.BigIntegerField(_("conflicts"), default=0)
    error_code = models.CharField(_("error code"), max_length=20, null=True)
    error_message = models.TextField(_("error message"), null=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        """Newest first."""

        managed = False
        db_table = "db_sync_log"
        ordering = ("-id",)
        verbose_name = _("database sync log")
        verbose_name_plural = _("Database Sync Logs")

    def __str__(self) -> str:
        """Names the table, the direction, how it went and when."""
        return f"{self.table_name} {self.sync_direction}: {self.status} ({self.start_time})"


class Dashboard(SyncLog):
    """The passes as the admin's dashboard adds them up: a page, not a table."""

    class Meta:
        """Who may see the log may see it."""

        proxy = True
        default_permissions = ()
        verbose_name = _("dashboard")
        verbose_name_plural = _("Dashboard")


class SyncConflict(models.Model):
    """One row that both sides changed, with both versions, whoever won.

    The table has one more column, by which the engine finds a row again; it means nothing to a
    person.
    """

    run_id = models.CharField(_("run"), max_length=36)
    table_name = models.CharField(_("table"), max_length=100)
    row_key = models.JSONField(_("row key"), decoder=ExactNumbers)
    kind = models.CharField(_("kind"), max_length=20)
    remote_row = models.JSONField(_("row on REMOTE"), null=True, decoder=ExactNumbers)
    local_row = models.JSONField(_("row on LOCAL"), null=True, decoder=ExactNumbers)
    strategy = models.CharField(_("conflict strategy"), max_length=20, choices=Strategy)
    state = models.CharField(_("state"), max_length=10, choices=State)
    winner = models.CharField(_("winner"), max_length=10, choices=Side, null=True)
    resolved_by = models.CharField(_("resolved by"), max_length=150, null=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # Names both versions: who decides says by it which ones were looked at.
    seen = models.CharField(_("versions"), max_length=40, editable=False)

    class Meta:
        """Newest first."""

        managed = False
        db_table = "db_sync_conflict"
        ordering = ("-id",)
        verbose_name = _("conflict")
        verbose_name_plural = _("conflicts")

    def __str__(self) -> str:
        """Names the row, what happened to it and whether that is settled."""
        return f"{self.table_name}, {key_text(self.row_key)}: {self.kind}, {self.state}"


class SyncUndo(models.Model):
    """What a run overwrote, deleted or inserted on one side.

    An inserted batch is one row here, with an array of keys and nothing before.
    """

    run_id = models.CharField(_("run"), max_length=36)
    table_name = models.CharField(_("table"), max_length=100)
    side = models.CharField(_("side"), max_length=6, choices=Side)
    action = models.CharField(_("action"), max_length=6, choices=Action)
    row_key = models.JSONField(_("row key"), decoder=ExactNumbers)
    row_before = models.JSONField(_("row before"), null=True, decoder=ExactNumbers)
    part = models.IntegerField(_("part"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        """Newest first, the order in which a run is taken back."""

        managed = False
        db_table = "db_sync_undo"
        ordering = ("-id",)
        verbose_name = _("pre-image")
        verbose_name_plural = _("pre-images")

    def __str__(self) -> str:
        """Names the row, the side and what was done there."""
        return f"{self.table_name} {self.row_key}: {self.action} on {self.side}"


class SyncState(models.Model):
    """How far both sides had come with a table at the end of its last sync.

    `seen` has a `rows` for each of `remote` and `local`. The table has one more column, by which
    the engine knows what its base was made from.
    """

    id = models.AutoField(primary_key=True)
    table_name = models.CharField(_("table"), max_length=100, unique=True)
    seen = models.JSONField(_("seen"), null=True)

    class Meta:
        """Nobody changes it but the engine."""

        managed = False
        db_table = "db_sync_state"
        default_permissions = ()
        verbose_name = _("table state")
        verbose_name_plural = _("table states")

    def __str__(self) -> str:
        """Names the table."""
        return self.table_name
