"""What the doctor found, as frozen dataclasses over the engine's JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from db_sync.report import Note, known, plain

# The worst first.
_LEVELS = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Symptom:
    """One finding of the doctor.

    Attributes:
        code: The code with which a sync would tell of it, the doctor's own (`DOC_…`), or a system
            check's id.
        level: `error` (a sync fails of it), `warning` (something is left, slow or unsafe) or
            `note`.
        message: What it means for the sync, in English.
        side: `REMOTE` or `LOCAL`; None where it is about both, or about neither.
        table: The table that it is about, or None.
        column: The column, or columns, that it is about, or None.
        template: The message with its `{name}` places, for translation.
        names: What stands in the places.
        hint: What to do, where no statement or command says so.
        sql: The statements that would mend it, each with its semicolon, or None.
        command: The command that would mend it or look closer, or None.
        fixed: What was done about it; None where nothing was.
    """

    code: str
    level: str
    message: str
    side: str | None = None
    table: str | None = None
    column: str | None = None
    template: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    hint: Note | None = None
    sql: str | None = None
    command: str | None = None
    fixed: Note | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a side turned out to be.

    Attributes:
        server: Name and version.
        address: `host:port/database`, or the file's path.
        clock_ms: Milliseconds by which its clock is ahead of this machine's.
        time_zone_minutes: Minutes by which its time zone is ahead of UTC; None where it does not
            know.
        free_bytes: Bytes of room on its disk; None where it does not tell.
    """

    server: str
    address: str
    clock_ms: int
    time_zone_minutes: int | None = None
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """Both sides, as far as they were reached.

    Attributes:
        remote: REMOTE, or None.
        local: LOCAL, or None.
    """

    remote: Vitals | None
    local: Vitals | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        sides: What each side turned out to be.
        findings: Every finding, the worst first.
        exit_code: The status with which `sync_doctor` ends: 1 where something stops a sync and was
            not mended.
    """

    sides: Reached
    findings: tuple[Symptom, ...]
    exit_code: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Diagnosis":
        """Builds the diagnosis from the decoded JSON.

        Args:
            data: The keys of `as_dict`.

        Returns:
            The diagnosis.

        Raises:
            KeyError, TypeError: A key is missing.
        """
        sides = {
            side: None if vitals is None else known(Vitals, vitals)
            for side, vitals in data["sides"].items()
        }
        findings = tuple(_symptom(finding) for finding in data["findings"])
        return known(cls, {**data, "sides": known(Reached, sides), "findings": findings})

    def with_findings(self, more: Iterable[Symptom]) -> "Diagnosis":
        """Adds what somebody else has found.

        Args:
            more: Further findings.

        Returns:
            All of them, the worst first, and the exit code that belongs to them.
        """
        findings = sorted((*self.findings, *more), key=lambda finding: _LEVELS.index(finding.level))
        stops = any(finding.level == "error" and finding.fixed is None for finding in findings)
        return Diagnosis(self.sides, tuple(findings), int(stops))

    def as_dict(self) -> dict[str, Any]:
        """Gives the diagnosis back as what `json.dumps` takes."""
        data: dict[str, Any] = plain(self)
        return data


def _symptom(data: Mapping[str, Any]) -> Symptom:
    notes = {
        name: None if data.get(name) is None else known(Note, data[name])
        for name in ("hint", "fixed")
    }
    return known(Symptom, {**data, **notes})
