"""A report as lines for people, in the language that Django has active."""

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from django.core.management.base import CommandError, OutputWrapper
from django.utils.translation import gettext as _

from db_sync.contents import ContentsReport, TableContents
from db_sync.diagnosis import Diagnosis, Symptom
from db_sync.errors import SyncError, exit_status, fill
from db_sync.report import (
    Change,
    ErrorReport,
    Note,
    PassCounts,
    SchemaReport,
    SyncReport,
    TableReport,
)


class Tone(Enum):
    """How a line is meant; the command chooses the colour."""

    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Line(NamedTuple):
    """One line of output."""

    text: str
    tone: Tone = Tone.PLAIN


# Failures of one kind that are told one by one.
_ONE_BY_ONE = 5
# Lines of statements that are shown of one finding.
_REMEDIES = 12
_TONES = {"SUCCESS": Tone.GOOD, "PARTIAL": Tone.WARNING}


def sentence(template: str, names: Mapping[str, str], otherwise: str) -> str:
    """Translates one of the engine's sentences.

    Args:
        template: The sentence with its `{name}` places; empty where the engine gave none.
        names: What stands in the places.
        otherwise: The English sentence, filled in.

    Returns:
        The sentence in the active language.
    """
    if not template:
        return otherwise
    # What is allowed may be said in words, which are translated too.
    allowed = names.get("allowed")
    words = {"allowed": _(allowed)} if allowed else {}
    return fill(_(template), {**names, **words})


def error_lines(error: ErrorReport, indent: str = "") -> Iterator[Line]:
    """Says what happened and what to do.

    Args:
        error: The failure.
        indent: Goes before each line.

    Yields:
        A line with the code and the message, and one with the hint.
    """
    message = sentence(error.template, error.names, error.message)
    yield Line(f"{indent}{error.code}: {message}", Tone.BAD)
    if error.hint:
        hint = sentence(error.hint_template, error.names, error.hint)
        yield Line(f"{indent}  {hint}")


def words_of(error: ErrorReport) -> str:
    """Gives `error_lines` as one text.

    Args:
        error: The failure.

    Returns:
        Two lines, or one where there is nothing to do.
    """
    return "\n".join(line.text for line in error_lines(error))


def failure(
    error: SyncError | ErrorReport, stdout: OutputWrapper, *, as_json: bool
) -> CommandError:
    """Tells of what has ended a command before it had a report.

    Args:
        error: The failure.
        stdout: The command's own; it gets one JSON object where that is asked for.
        as_json: Whether it is.

    Returns:
        What the command is to raise: what happened and what to do, with the exit status.
    """
    known = error if isinstance(error, ErrorReport) else ErrorReport.from_exception(error)
    if as_json:
        stdout.write(json.dumps({"error": known.as_dict()}, ensure_ascii=False))
    return CommandError(words_of(known), returncode=exit_status(known.code))


def report_lines(report: SyncReport, *, detailed: bool) -> Iterator[Line]:
    """Tells what a run did.

    Args:
        report: The run.
        detailed: Several lines for each table, in words, instead of one.

    Yields:
        A heading, each table, the failures that belong to none, and the totals.
    """
    yield Line(_heading(report, detailed=detailed))
    width = max((len(table.table) for table in report.tables), default=0)
    for table in report.tables:
        if detailed:
            yield from _detailed(table)
        else:
            yield Line(_compact(table, width), _TONES.get(table.status, Tone.BAD))
        for note in table.notes:
            yield _note(note, "  ")
        for statement in table.create:
            yield from (Line(f"  {line}") for line in f"{statement};".splitlines())
        yield from _failures(_errors_of(table, report.errors), "  ")
        if table.changes is not None:
            yield from (Line(_change(change)) for change in table.changes)
            more = table.changes_total - len(table.changes)
            if table.changes_truncated:
                yield Line("  " + _("… and %(count)d more rows") % {"count": more})
    for note in report.notes:
        yield _note(note)
    yield from _failures(_errors_of_none(report))
    yield Line(_totals(report), _TONES.get(report.status, Tone.BAD))


def failure_lines(report: SyncReport) -> Iterator[Line]:
    """Tells what failed in a run, and nothing else.

    Args:
        report: The run.

    Yields:
        The failures of each table, then those that belong to none, of one kind together.
    """
    for table in report.tables:
        yield from _failures(_errors_of(table, report.errors))
    yield from _failures(_errors_of_none(report))


def finding_lines(report: SchemaReport) -> Iterator[Line]:
    """Tells what a check of both sides' definitions found.

    Args:
        report: The findings.

    Yields:
        For each finding what it means and the SQL that would mend it, and the totals.
    """
    for finding in report.findings:
        level, tone = _level(finding.level)
        place = f"{finding.table}.{finding.column}" if finding.column else finding.table
        code = f" {finding.code}" if finding.code else ""
        message = sentence(finding.template, finding.names, finding.message)
        yield Line(f"{level}{code} {place}: {message}", tone)
        yield from (Line(f"    {line}") for line in (finding.sql or "").splitlines())
    yield Line(
        _("tables %(tables)d, findings %(findings)d")
        % {"tables": report.tables, "findings": len(report.findings)},
        Tone.BAD if report.exit_code else Tone.GOOD,
    )


def contents_lines(report: ContentsReport) -> Iterator[Line]:
    """Tells what a check of both sides' rows found, and what repairing them did.

    Args:
        report: The check.

    Yields:
        Each table with the first rows that differ; then the repair, and what differs after it.
    """
    for table in report.tables:
        yield from _contents(table)
    if report.repair is not None:
        yield from report_lines(report.repair, detailed=False)
    for table in report.after or ():
        yield from _contents(table)


def _contents(table: TableContents) -> Iterator[Line]:
    names = {"table": table.table, "remote": table.rows.remote, "local": table.rows.local}
    if table.equal:
        equal = _("%(table)s: equal, rows %(remote)d/%(local)d")
        yield Line(equal % names, Tone.GOOD)
        return
    if table.only_remote or table.only_local or table.differing:
        different = _(
            "%(table)s: different, rows %(remote)d/%(local)d; only on REMOTE %(only_remote)d, "
            "only on LOCAL %(only_local)d, on both but different %(differing)d"
        )
        names |= {
            "only_remote": table.only_remote,
            "only_local": table.only_local,
            "differing": table.differing,
        }
        yield Line(different % names, Tone.BAD)
    for row in table.differences:
        key = ", ".join(f"{column}={value}" for column, value in row.key.items())
        where = ", ".join(row.columns) if row.on == "BOTH" else _("only on %s") % row.on
        yield Line(f"  {key}: {where}")
    if table.differences and table.differences_truncated:
        yield Line("  …")
    yield from _failures([table.error] if table.error else [], "  ")


def diagnosis_lines(diagnosis: Diagnosis) -> Iterator[Line]:
    """Tells what the doctor found.

    Args:
        diagnosis: The findings.

    Yields:
        The sides, for each finding what it means and what would mend it or did, and the totals.
    """
    sides = {"REMOTE": diagnosis.sides.remote, "LOCAL": diagnosis.sides.local}
    for side, vitals in sides.items():
        if vitals is None:
            yield Line(_("%(side)s: not reached") % {"side": side}, Tone.BAD)
        else:
            names = {"side": side, "server": vitals.server, "address": vitals.address}
            yield Line(_("%(side)s: %(server)s at %(address)s") % names)
    for finding in diagnosis.findings:
        yield from _symptom(finding)
    counts = {
        level: sum(finding.level == level for finding in diagnosis.findings)
        for level in ("error", "warning", "note")
    }
    fixed = sum(finding.fixed is not None for finding in diagnosis.findings)
    totals = _("errors %(error)d, warnings %(warning)d, notes %(note)d, fixed %(fixed)d")
    tone = Tone.BAD if diagnosis.exit_code else Tone.GOOD
    yield Line(totals % {**counts, "fixed": fixed}, tone)


def _symptom(finding: Symptom) -> Iterator[Line]:
    level, tone = _level(finding.level)
    table = f"{finding.table}.{finding.column}" if finding.column else finding.table
    place = "".join(f" {name}" for name in (finding.side, table) if name)
    message = sentence(finding.template, finding.names, finding.message)
    yield Line(f"{level} {finding.code}{place}: {message}", tone)
    if finding.fixed is not None:
        what = sentence(finding.fixed.template, finding.fixed.names, finding.fixed.message)
        yield Line("    " + _("fixed: %(what)s") % {"what": what}, Tone.GOOD)
        return
    if finding.hint is not None:
        hint = finding.hint
        yield Line("    " + sentence(hint.template, hint.names, hint.message))
    remedies = [
        line for remedy in (finding.sql, finding.command) for line in (remedy or "").splitlines()
    ]
    yield from (Line(f"    {line}") for line in remedies[:_REMEDIES])
    if len(remedies) > _REMEDIES:
        more = _("… and %(count)d more lines (--json has all of them)")
        yield Line("    " + more % {"count": len(remedies) - _REMEDIES})


def _level(name: str) -> tuple[str, Tone]:
    levels = {"error": (_("error"), Tone.BAD), "warning": (_("warning"), Tone.WARNING)}
    return levels.get(name, (_("note"), Tone.PLAIN))


def _failures(errors: Iterable[ErrorReport], indent: str = "") -> Iterator[Line]:
    """Tells failures, those of one kind together: the first few, how many more, and what to do."""
    kinds: dict[tuple[str, str], list[ErrorReport]] = {}
    for error in errors:
        kinds.setdefault((error.code, error.template or error.message), []).append(error)
    for kind in kinds.values():
        for error in kind[:_ONE_BY_ONE]:
            message, *hint = error_lines(error, indent)
            yield message
        if len(kind) > _ONE_BY_ONE:
            more = _("… and %(count)d more of this kind (--json lists them)")
            yield Line(f"{indent}  " + more % {"count": len(kind) - _ONE_BY_ONE})
        yield from hint


def _note(note: Note, indent: str = "") -> Line:
    message = sentence(note.template, note.names, note.message)
    return Line(indent + _("note: %(note)s") % {"note": message}, Tone.WARNING)


def _heading(report: SyncReport, *, detailed: bool) -> str:
    parts = [
        _("Run %(run)s: %(type)s, %(direction)s")
        % {"run": report.run_id, "type": report.sync_type, "direction": report.sync_direction}
    ]
    if report.dry_run:
        parts.append(_("dry run, nothing is written"))
    if not detailed:
        parts.append(_("+ inserted, ~ updated, - deleted"))
    return "; ".join(parts)


def _compact(table: TableReport, width: int) -> str:
    parts = [f"{table.table:<{width}}", f"{table.status:<8}", f"{table.capture:<9}"]
    parts.append(f"REMOTE→LOCAL {_signs(table.remote_to_local)}")
    parts.append(f"LOCAL→REMOTE {_signs(table.local_to_remote)}")
    parts.append(_("conflicts %(count)d") % {"count": table.conflicts.detected})
    parts.append(
        _("rows %(remote)d/%(local)d") % {"remote": table.rows.remote, "local": table.rows.local}
    )
    # A dry run leaves nothing behind that could be verified.
    if table.changes is None:
        parts.append(_verified(table))
    parts.append(_milliseconds(table.duration_ms))
    return "  ".join(parts)


def _detailed(table: TableReport) -> Iterator[Line]:
    heading = _("%(table)s: %(status)s, found by %(capture)s, strategy %(strategy)s, %(time)s") % {
        "table": table.table,
        "status": table.status,
        "capture": table.capture,
        "strategy": table.strategy,
        "time": _milliseconds(table.duration_ms),
    }
    yield Line(heading, _TONES.get(table.status, Tone.BAD))
    for name, counts in (
        ("REMOTE→LOCAL", table.remote_to_local),
        ("LOCAL→REMOTE", table.local_to_remote),
    ):
        words = _("%(inserted)d inserted, %(updated)d updated, %(deleted)d deleted") % {
            "inserted": counts.inserted,
            "updated": counts.updated,
            "deleted": counts.deleted,
        }
        yield Line(f"  {name}: {words}")
    if table.conflicts.detected:
        conflicts = _(
            "conflicts: %(detected)d (REMOTE won %(remote)d, LOCAL won %(local)d, "
            "skipped %(skipped)d, waiting for a person %(manual)d)"
        ) % {
            "detected": table.conflicts.detected,
            "remote": table.conflicts.remote_wins,
            "local": table.conflicts.local_wins,
            "skipped": table.conflicts.skipped,
            "manual": table.conflicts.manual,
        }
        yield Line("  " + conflicts, Tone.WARNING)
    rows = _("rows: REMOTE %(remote)d, LOCAL %(local)d") % {
        "remote": table.rows.remote,
        "local": table.rows.local,
    }
    yield Line("  " + (rows if table.changes is not None else f"{rows}; {_verified(table)}"))


def _totals(report: SyncReport) -> str:
    to_local = sum((table.remote_to_local for table in report.tables), PassCounts())
    to_remote = sum((table.local_to_remote for table in report.tables), PassCounts())
    return _(
        "%(status)s: tables %(tables)d, REMOTE→LOCAL %(to_local)s, LOCAL→REMOTE %(to_remote)s, "
        "conflicts %(conflicts)d, failures %(failures)d, %(time)s"
    ) % {
        "status": report.status,
        "tables": len(report.tables),
        "to_local": _signs(to_local),
        "to_remote": _signs(to_remote),
        "conflicts": sum(table.conflicts.detected for table in report.tables),
        "failures": len(report.errors),
        "time": _milliseconds(report.duration_ms),
    }


def _errors_of(table: TableReport, errors: Iterable[ErrorReport]) -> list[ErrorReport]:
    """Collects a table's failures; the one that ended it may stand in the table itself as well."""
    found = [error for error in errors if error.table == table.table]
    sentences = {(error.code, error.message) for error in found}
    if table.error and (table.error.code, table.error.message) not in sentences:
        found.append(table.error)
    return found


def _errors_of_none(report: SyncReport) -> list[ErrorReport]:
    names = {table.table for table in report.tables}
    return [error for error in report.errors if error.table not in names]


def _change(change: Change) -> str:
    key = ", ".join(f"{column}={value}" for column, value in change.key.items())
    columns = ", ".join(change.columns)
    line = f"  {change.action} {change.to} {key}" + (f": {columns}" if columns else "")
    if change.conflict is None:
        return line
    winner = change.conflict.winner or _("nobody")
    names = {"kind": change.conflict.kind, "winner": winner}
    return f"{line}  " + _("(conflict %(kind)s, %(winner)s wins)") % names


def _signs(counts: PassCounts) -> str:
    return f"+{counts.inserted} ~{counts.updated} -{counts.deleted}"


def _verified(table: TableReport) -> str:
    return _("verified") if table.verified else _("not verified")


def _milliseconds(duration: int) -> str:
    return _("%(duration)d ms") % {"duration": duration}
