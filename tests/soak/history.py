"""Plays one history by its script, brings everybody to rest, and has the rest judged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from soak import kept
from soak.ledger import Ledger
from soak.lines import Database, ServerLine
from soak.mischief import Mischief
from soak.script import Kind, Script, Step, Trouble
from soak.syncs import DONE, LEFT, LOCKED, Ran, sync
from soak.tables import TABLES, Row, Side
from soak.verdict import Evidence, Finding, judge
from soak.writers import Application, Fate

# How long the locks of a killed run may outlive it.
_REST_SECONDS = 30.0
_RUNS_TO_REST = 8
_EMPTY_SIDE = "SYNC_008"


@dataclass(frozen=True)
class Played:
    """A history that is over.

    Attributes:
        number: Its number.
        pairing: Between what it was.
        findings: What is wrong.
        story: What happened, for people; empty where nothing is wrong.
        syncs: How many runs there were.
        struck: How often each fault struck, by its name.
        fate: What became of the applications' transactions.
        versions: Versions that they committed.
        deletions: Deletions that they committed.
        conflicts: Rows of `db_sync_conflict` in the end.
        undos: Pre-images in `db_sync_undo` in the end.
        exits: How often the runs ended how.
        seconds: How long it took.
    """

    number: int
    pairing: str
    findings: Sequence[Finding] = ()
    story: str = ""
    syncs: int = 0
    struck: Mapping[str, int] = field(default_factory=dict)
    fate: Fate = field(default_factory=Fate)
    versions: int = 0
    deletions: int = 0
    conflicts: int = 0
    undos: int = 0
    exits: Mapping[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def errors(self) -> list[Finding]:
        """Findings that fail the soak."""
        return [finding for finding in self.findings if finding.is_error]


class History:
    """One history at work."""

    def __init__(
        self,
        script: Script,
        sides: Mapping[Side, Database],
        folder: Path,
        restart: Callable[[bool], None],
    ) -> None:
        """Takes what it needs.

        Args:
            script: What is to happen.
            sides: Both databases, which do not exist yet.
            folder: An empty folder.
            restart: Restarts the history's own server, if it has one; told whether to kill it.
        """
        self._script, self._sides, self._folder = script, sides, folder
        self._ledger = Ledger()
        self._applications: list[Application] = []
        self._mischief = Mischief(sides, restart, self._own_lines)
        self._runs: list[Ran] = []

    def play(self, pairing: str) -> Played:
        """Plays it to its end.

        Args:
            pairing: What it is called.

        Returns:
            What happened. The databases are still there.
        """
        began = time.monotonic()
        self._make()
        sides = list(Side)
        for number in range(self._script.writers * len(sides)):
            side = sides[number % len(sides)]
            application = Application(self._script, side, number, self._sides[side], self._ledger)
            self._applications.append(application)
        try:
            for side, application in zip(sides, self._applications, strict=False):
                application.fill(self._script.filled[side])
            with ThreadPoolExecutor(len(self._applications)) as pool:
                for number, step in enumerate(self._script.steps, 1):
                    self._play(number, step, pool)
        finally:
            self._mischief.close()
            for application in self._applications:
                application.close()
        evidence = self._rest()
        return self._tell(pairing, evidence, time.monotonic() - began)

    def _make(self) -> None:
        for database in self._sides.values():
            database.create()
            line = database.connect()
            for table in TABLES:
                line.run(table.definition(self._script.reaction))
            line.close()

    def _own_lines(self, side: Side) -> set[int]:
        lines = [one.line for one in self._applications if one.side is side]
        return {line.number for line in lines if isinstance(line, ServerLine)}

    def _play(self, number: int, step: Step, pool: ThreadPoolExecutor) -> None:
        writing = [pool.submit(one.work, number, step.writes) for one in self._applications]
        if not step.busy:
            for done in writing:
                done.result()
        self._sync(step)
        for done in writing:
            done.result()

    def _sync(self, step: Step) -> None:
        script, trouble = self._script, step.trouble
        flags = self._flags(step)
        if trouble is None:
            self._run(flags)
        elif trouble.kind is Kind.RIVAL:
            with ThreadPoolExecutor(1) as rival:
                other = rival.submit(self._run, flags, trouble)
                self._run(flags, trouble)
                other.result()
            self._mischief.note(trouble.kind)
        else:
            sides, watch = self._mischief.arrange(trouble)
            settings, folder = script.environment, self._folder
            self._runs.append(sync(sides, settings, flags, folder, watch, trouble))
            self._mischief.calm()

    def _flags(self, step: Step) -> tuple[str, ...]:
        known = [run.run_id for run in self._runs if run.run_id]
        return ("--undo", known[-1]) if step.takes_back and known else step.flags

    def _run(self, flags: Sequence[str], trouble: Trouble | None = None) -> Ran:
        sides, settings = self._sides, self._script.environment
        ran = sync(sides, settings, flags, self._folder, trouble=trouble)
        self._runs.append(ran)
        return ran

    def _rest(self) -> Evidence:
        """Syncs until there is nothing left to do, and looks at what there is then."""
        during = list(self._runs)
        flags = ["--conflict", self._script.last.value, "--direction", "BOTH"]
        settled = self._settle([*flags, "--type", "INCREMENTAL"])
        # A side that is empty is so still, where a deletion because of it was refused.
        forced = [flag for flag in settled.flags if flag == "--force"]
        kinds = ("INCREMENTAL", "FULL")
        again = [self._run([*flags, *forced, "--type", kind]) for kind in kinds]
        rows = {side: self._rows(database) for side, database in self._sides.items()}
        journal = self._sides[Side.LOCAL].connect()
        undos, conflicts = kept.undos(journal), kept.conflicts(journal)
        journal.close()
        return Evidence(
            deeds=self._ledger.deeds(),
            rows=rows,
            undos=undos,
            conflicts=conflicts,
            runs=during,
            settled=settled,
            again=again,
        )

    def _settle(self, flags: list[str]) -> Ran:
        deadline = time.monotonic() + _REST_SECONDS
        tries = 0
        while True:
            ran = self._run(flags)
            tries += ran.exit != LOCKED
            late = time.monotonic() > deadline
            if ran.exit in (DONE, LEFT) or tries == _RUNS_TO_REST or late:
                return ran
            if _EMPTY_SIDE in ran.codes and "--force" not in flags:
                # A side that applications have emptied is what the guard is there for.
                flags = [*flags, "--force"]
            if ran.exit == LOCKED:
                # A server notices in its own time that a client is gone: it is asked again.
                time.sleep(0.1)

    def _rows(self, database: Database) -> dict[str, list[Row]]:
        line = database.connect()
        held: dict[str, list[Row]] = {}
        for table in TABLES:
            columns = table.columns
            rows = line.run(f"SELECT {', '.join(columns)} FROM {table.name}")
            held[table.name] = [dict(zip(columns, row, strict=True)) for row in rows]
        line.close()
        return held

    def _tell(self, pairing: str, evidence: Evidence, seconds: float) -> Played:
        findings = judge(evidence)
        certain = [deed for deed in evidence.deeds if deed.certain]
        return Played(
            number=self._script.number,
            pairing=pairing,
            findings=findings,
            story=self._story(evidence, findings) if findings else "",
            syncs=len(self._runs),
            struck={kind.value: count for kind, count in self._mischief.struck.items()},
            fate=sum((one.fate for one in self._applications), Fate()),
            versions=sum(deed.row is not None for deed in certain),
            deletions=sum(deed.row is None for deed in certain),
            conflicts=len(evidence.conflicts),
            undos=len(evidence.undos),
            exits=Counter(run.exit for run in self._runs),
            seconds=seconds,
        )

    def _story(self, evidence: Evidence, findings: Sequence[Finding]) -> str:
        places = ", ".join(f"{side.value} {one.place}" for side, one in self._sides.items())
        return f"{places}\n{tell(self._script, evidence, findings, self._runs)}"


def tell(
    script: Script, evidence: Evidence, findings: Sequence[Finding], runs: Sequence[Ran]
) -> str:
    """Tells, for people, of everything that concerns the findings.

    Args:
        script: The history's script.
        evidence: What is left of it.
        findings: What is wrong.
        runs: Its runs, in order.

    Returns:
        Several lines.
    """
    lines = [f"history {script.number} of seed {script.seed}: {script}", "runs:"]
    lines += [f"  {run}" for run in runs]
    for finding in findings:
        lines.append(f"{'ERROR' if finding.is_error else 'noted'}: {finding.fault.value}")
        lines.append(f"  {finding.text}")
    for place in {finding.place for finding in findings if finding.place}:
        lines.append(f"all about {place}:")
        about = [deed for deed in evidence.deeds if (deed.table, deed.key) == place]
        lines += [f"  {deed}" for deed in about]
        tokens = {deed.token for deed in about}
        lines += [f"  {undo}" for undo in evidence.undos if kept.token(undo.before) in tokens]
        conflicts = evidence.conflicts
        lines += [f"  {one}" for one in conflicts if (one.table, one.key) == place]
        held = {side.value: evidence.current[side].get(place) for side in Side}
        lines.append(f"  held in the end: {held}")
    return "\n".join(lines)
