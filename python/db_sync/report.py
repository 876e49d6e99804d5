"""What a run did, as frozen dataclasses over the engine's JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

from db_sync.errors import SyncError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PassCounts:
    """Rows that one direction of a run wrote."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def __add__(self, other: "PassCounts") -> "PassCounts":
        """Adds up two passes."""
        return PassCounts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.deleted + other.deleted,
        )


@dataclass(frozen=True, slots=True)
class ConflictCounts:
    """Conflicts that a run met in a table, and how they ended."""

    detected: int = 0
    remote_wins: int = 0
    local_wins: int = 0
    skipped: int = 0
    manual: int = 0


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows of a table on each side after the run."""

    remote: int = 0
    local: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence that a person should read, and that is no failure.

    Attributes:
        message: The sentence, in English.
        template: The sentence with its `{name}` places, for translation.
        names: What stands in the places.
    """

    message: str
    template: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between the two sides' definitions of a table.

    Attributes:
        table: The table; `*` for the servers as a whole.
        column: The column that it is about, or None.
        level: `error` (the table cannot be synced), `warning` (some rows may be left) or `note`.
        code: The code with which a sync would tell of it, or None.
        message: What it means for the sync, in English.
        template: The message with its `{name}` places, for translation.
        names: What stands in the places.
        sql: The SQL that would mend it, or None.
    """

    table: str
    column: str | None
    level: str
    code: str | None
    message: str
    template: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    sql: str | None = None


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """What a check of both sides' definitions found.

    Attributes:
        tables: How many tables were compared.
        findings: Every difference.
        exit_code: The status with which `sync_check` ends.
    """

    tables: int
    findings: tuple[Finding, ...]
    exit_code: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "SchemaReport":
        """Builds the report from the decoded JSON.

        Args:
            data: The keys of `as_dict`.

        Returns:
            The report.

        Raises:
            KeyError, TypeError: A key is missing.
        """
        findings = tuple(known(Finding, finding) for finding in data["findings"])
        return known(cls, {**data, "findings": findings})

    def as_dict(self) -> dict[str, Any]:
        """Gives the report back as what `json.dumps` takes."""
        told: dict[str, Any] = plain(self)
        return told


@dataclass(frozen=True, slots=True)
class PlannedConflict:
    """A conflict that a dry run meets.

    Attributes:
        kind: As in `db_sync_conflict.kind`.
        winner: `REMOTE` or `LOCAL`; None where nobody would win.
    """

    kind: str
    winner: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One row that a dry run would write.

    Attributes:
        key: The key's columns and their values.
        action: `INSERT`, `UPDATE` or `DELETE`; `KEEP` for a conflict of which both versions stay.
        to: The side that would be written, `REMOTE` or `LOCAL`; `BOTH` for a row that stays.
        columns: The columns that would change.
        conflict: The conflict that would be decided so, or None.
    """

    key: Mapping[str, Any]
    action: str
    to: str
    columns: tuple[str, ...] = ()
    conflict: PlannedConflict | None = None


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """A failure that the rest of the run survived.

    Attributes:
        code: The stable code, for example `SYNC_002`.
        message: What happened, in English.
        hint: What to do, in English.
        table: The table it belongs to, or None.
        template: The message with its `{name}` places, for translation.
        hint_template: The hint with its places.
        names: What stands in the places.
    """

    code: str
    message: str
    hint: str = ""
    table: str | None = None
    template: str = ""
    hint_template: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_exception(cls, error: SyncError) -> "ErrorReport":
        """Takes a failure of a whole run for what a report would say of it."""
        return cls(
            code=error.code,
            message=str(error).removeprefix(f"{error.code}: "),
            hint=error.hint,
            table=error.table,
            template=error.template,
            hint_template=error.hint_template,
            names=error.names,
        )

    def as_dict(self) -> dict[str, Any]:
        """Gives the failure back as what `json.dumps` takes."""
        told: dict[str, Any] = plain(self)
        return told


@dataclass(frozen=True, slots=True)
class TableReport:
    """What a run did to one table.

    Attributes:
        table: The table's name.
        status: `SUCCESS`, `PARTIAL`, `FAILED` or `INTERRUPTED`.
        capture: How candidates were found.
        strategy: Who wins a conflict.
        remote_to_local: What was written to LOCAL.
        local_to_remote: What was written to REMOTE.
        conflicts: Conflicts met.
        rows: Rows on each side.
        verified: Whether both sides were found as the policy wants them.
        duration_ms: Milliseconds.
        error: Why the table failed, or None.
        notes: Sentences that a person should read, none of them a failure.
        create: The statements that made the table on the side that lacked it, or would make it.
        changes: The first rows that a dry run would write; None for a real run.
        changes_truncated: Whether there are more of them.
        changes_total: How many there are.
        plan: All of them, as `sync(apply=…)` takes them; None for a real run, and where they are
            more than 50,000.
    """

    table: str
    status: str
    capture: str
    strategy: str
    remote_to_local: PassCounts
    local_to_remote: PassCounts
    conflicts: ConflictCounts
    rows: RowCounts
    verified: bool
    duration_ms: int
    error: ErrorReport | None = None
    notes: tuple[Note, ...] = ()
    create: tuple[str, ...] = ()
    changes: tuple[Change, ...] | None = None
    changes_truncated: bool = False
    changes_total: int = 0
    plan: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a run did.

    Attributes:
        run_id: The run's name in `db_sync_log`.
        sync_type: `FULL` or `INCREMENTAL`.
        sync_direction: `BOTH`, `REMOTE_TO_LOCAL` or `LOCAL_TO_REMOTE`.
        dry_run: Whether nothing was written.
        status: `SUCCESS`, `PARTIAL`, `FAILED` or `INTERRUPTED`.
        started_at: When it began, ISO 8601 in UTC.
        duration_ms: Milliseconds.
        tables: Each table's part.
        notes: What is worth knowing of the run as a whole.
        errors: Every failure met.
        exit_code: The status with which `sync_db` ends.
    """

    run_id: str
    sync_type: str
    sync_direction: str
    dry_run: bool
    status: str
    started_at: str
    duration_ms: int
    tables: tuple[TableReport, ...]
    errors: tuple[ErrorReport, ...]
    exit_code: int
    notes: tuple[Note, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> "SyncReport":
        """Reads the engine's JSON.

        Args:
            text: One JSON object, as `sync_db --json` prints it.

        Returns:
            The report.

        Raises:
            ValueError: It is no JSON.
            KeyError, TypeError: A key is missing.
        """
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "SyncReport":
        """Builds the report from the decoded JSON.

        Args:
            data: The keys of `as_dict`.

        Returns:
            The report.

        Raises:
            KeyError, TypeError: A key is missing.
        """
        tables = tuple(_table(table) for table in data["tables"])
        errors = tuple(known(ErrorReport, error) for error in data["errors"])
        notes = tuple(known(Note, note) for note in data.get("notes", ()))
        return known(cls, {**data, "tables": tables, "errors": errors, "notes": notes})

    @property
    def ok(self) -> bool:
        """Whether everything is done and nothing waits for a person."""
        return self.exit_code == 0

    def as_dict(self) -> dict[str, Any]:
        """Gives the report back as what `json.dumps` takes, in the shape it was read from."""
        told: dict[str, Any] = plain(self)
        return told


def _table(data: Mapping[str, Any]) -> TableReport:
    error, changes = data.get("error"), data.get("changes")
    nested = {
        "remote_to_local": known(PassCounts, data["remote_to_local"]),
        "local_to_remote": known(PassCounts, data["local_to_remote"]),
        "conflicts": known(ConflictCounts, data["conflicts"]),
        "rows": known(RowCounts, data["rows"]),
        "error": None if error is None else known(ErrorReport, error),
        "notes": tuple(known(Note, note) for note in data.get("notes", ())),
        "create": tuple(data.get("create", ())),
        "changes": None if changes is None else tuple(_change(change) for change in changes),
    }
    return known(TableReport, {**data, **nested})


def _change(data: Mapping[str, Any]) -> Change:
    conflict = data.get("conflict")
    nested = {
        "columns": tuple(data.get("columns", ())),
        "conflict": None if conflict is None else known(PlannedConflict, conflict),
    }
    return known(Change, {**data, **nested})


def known(cls: type[T], data: Mapping[str, Any]) -> T:
    """Builds a dataclass from the keys it knows: a newer engine may say more.

    Args:
        cls: The dataclass.
        data: Its fields, and others.

    Returns:
        The dataclass.

    Raises:
        TypeError: A field without a default is missing.
    """
    names = [each.name for each in fields(cls)]  # type: ignore[arg-type]
    return cls(**{name: data[name] for name in names if name in data})


def plain(value: Any) -> Any:
    """Takes dataclasses apart into what `json.dumps` takes, without what a report leaves out.

    Args:
        value: A dataclass of this package, or what its fields hold.

    Returns:
        Dictionaries, lists, text, numbers, booleans and None.
    """
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if not is_dataclass(value):
        return value
    told = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, TableReport) and value.changes is None:
        del told["changes"], told["changes_truncated"], told["changes_total"]
    if isinstance(value, TableReport) and value.plan is None:
        del told["plan"]
    if isinstance(value, TableReport) and not value.create:
        del told["create"]
    if isinstance(value, Change) and value.conflict is None:
        del told["conflict"]
    return told
