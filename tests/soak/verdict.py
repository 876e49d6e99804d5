"""The checker: given what applications did and what is left, what has the sync done wrong?

It is pure, so that it can be tried with made-up histories. Every version V that an application
committed on side S must be one of these:

- S still holds it;
- an application on S replaced it: one that found V when it had the row locked;
- `db_sync_undo` holds it as a pre-image of S, or `db_sync_conflict` as the version of S that lost,
  cell by cell as it was written.

A deletion that an application committed on S must be one of these:

- S still has no row;
- the next application that came to the key on S found no row;
- `db_sync_conflict` has a row of that key in which S's side is NULL;
- the row that is there is new: no version that it descends from is the deleted one.

A run that is ended between its commit on REMOTE and the one by which it remembers that may not
know afterwards what it did itself: a deletion can then be taken back, and a version win over its
own successor. A one-way FULL and an undo take changes back by design. Histories with such runs are
told of, and are no errors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from soak.kept import Conflict, Undo, token
from soak.ledger import Deed
from soak.script import Kind
from soak.syncs import DONE, LEFT, LOCKED, Ran
from soak.tables import BY_NAME, Key, Row, Side

# One row of one table.
Place = tuple[str, Key]


class Fault(str, Enum):
    """What can be wrong."""

    LOSS = "a committed version is lost"
    DELETION = "a committed deletion is undone without a word"
    STRANGE = "a row that no application wrote"
    UNEQUAL = "the sides differ without a conflict that says so"
    RESTLESS = "a further run is not at rest"
    ENDLESS = "the last sync does not come to an end"
    EXIT = "the exit status is not what the rows say"
    BROKEN = "a run hung, panicked or spoke no JSON"
    SHOWN = "a run showed a password"
    UNPLAYED = "the history could not be played to its end"
    LOCKED = "a run found a table at work in another run, and there was none"
    SPURIOUS = "a version won over its own successor"
    # What is told of and is no error.
    REVIVED = "a deletion was taken back, in a history with runs that were ended"
    OVERTAKEN = "a version won over its own successor, in a history with runs that were ended"
    REVERTED = "a one-way FULL or an undo took something back"
    STALE = "an open conflict of rows that are equal"
    FAILED = "a run failed though nothing befell it"
    SLOW = "a run took long"


# Applications empty small tables, let rows collide, and lock files, all the time; of a run that
# wrote nothing there is nothing to be taken back.
_EXPECTED = frozenset({"SYNC_002", "SYNC_004", "SYNC_007", "SYNC_008", "SYS_003", "CFG_002"})
_SOFT = frozenset(
    {Fault.REVIVED, Fault.OVERTAKEN, Fault.REVERTED, Fault.STALE, Fault.FAILED, Fault.SLOW}
)
_LONG_SECONDS = 10.0


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        fault: What.
        text: In full.
        place: The row that it is about, if it is about one.
    """

    fault: Fault
    text: str
    place: Place | None = None

    @property
    def is_error(self) -> bool:
        """Whether it is to fail the soak."""
        return self.fault not in _SOFT


@dataclass(frozen=True)
class Evidence:
    """What is left when everybody has come to rest.

    Attributes:
        deeds: What applications did.
        rows: What each side holds, by table.
        undos: Pre-images.
        conflicts: Conflicts, the oldest first.
        runs: The syncs of the history.
        settled: The last of those that follow when the applications and faults have ended.
        again: The runs after that, which should find nothing to do.
    """

    deeds: Sequence[Deed]
    rows: Mapping[Side, Mapping[str, Sequence[Row]]]
    undos: Sequence[Undo] = ()
    conflicts: Sequence[Conflict] = ()
    runs: Sequence[Ran] = ()
    settled: Ran | None = None
    again: Sequence[Ran] = ()
    current: Mapping[Side, Mapping[Place, Row]] = field(init=False)

    def __post_init__(self) -> None:
        """Sorts the rows by their places."""
        current = {side: dict(_placed(self.rows[side])) for side in Side}
        object.__setattr__(self, "current", current)


def _placed(tables: Mapping[str, Sequence[Row]]) -> Iterator[tuple[Place, Row]]:
    for name, rows in tables.items():
        for row in rows:
            yield (name, BY_NAME[name].key_of(row)), row


def judge(evidence: Evidence) -> list[Finding]:
    """Says everything that is wrong.

    Args:
        evidence: What is left.

    Returns:
        The findings; none where all is well.
    """
    return [
        *_Versions(evidence).findings(),
        *_deletions(evidence),
        *_overtaken(evidence),
        *_strange(evidence),
        *_unequal(evidence),
        *_unruly(evidence),
    ]


class _Versions:
    """Looks for every committed version."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._replaced: dict[tuple[Side, Place, int], list[Deed]] = defaultdict(list)
        self._kept: dict[Side, set[int]] = {side: set() for side in Side}
        # Versions that somebody has seen after they were written.
        self._seen: set[int] = set()
        for deed in evidence.deeds:
            if deed.found is not None:
                place = (deed.table, deed.key)
                self._replaced[deed.side, place, deed.found].append(deed)
                self._seen.add(deed.found)
        for _, row in _kept_rows(evidence):
            self._seen.add(token(row) or 0)
        for undo in evidence.undos:
            self._kept[undo.side].add(token(undo.before) or 0)
        for conflict in evidence.conflicts:
            # Of a version that has not lost there, the conflict says nothing about its end.
            for side, row in conflict.rows.items():
                if conflict.winner == side.other.value:
                    self._kept[side].add(token(row) or 0)
        for side in Side:
            self._seen |= {token(row) or 0 for row in evidence.current[side].values()}

    def findings(self) -> Iterator[Finding]:
        for deed in self._evidence.deeds:
            if deed.certain and deed.token is not None and not self._is_there(deed, deed.token):
                elsewhere = deed.token in self._kept[deed.side.other]
                where = f" (kept for {deed.side.other.value} alone)" if elsewhere else ""
                place = (deed.table, deed.key)
                yield Finding(Fault.LOSS, f"token {deed.token}{where}: {deed}", place)

    def _is_there(self, deed: Deed, version: int) -> bool:
        place = (deed.table, deed.key)
        if token(self._evidence.current[deed.side].get(place)) == version:
            return True
        if version in self._kept[deed.side]:
            return True
        return any(self._happened(later) for later in self._replaced[deed.side, place, version])

    def _happened(self, deed: Deed) -> bool:
        """Whether a deed can have taken a version with it.

        Of one that nobody knows about, its own version is somewhere if it happened; a deletion
        leaves nothing by which to tell.
        """
        return deed.certain or deed.token is None or deed.token in self._seen


def _kept_rows(evidence: Evidence) -> Iterator[tuple[Side, Row | None]]:
    for undo in evidence.undos:
        yield undo.side, undo.before
    for conflict in evidence.conflicts:
        yield from conflict.rows.items()


def _deletions(evidence: Evidence) -> Iterator[Finding]:
    """Looks for every committed deletion."""
    origins = {deed.token: deed for deed in evidence.deeds if deed.token is not None}
    told = {
        (side, conflict.table, conflict.key)
        for conflict in evidence.conflicts
        for side, row in conflict.rows.items()
        if row is None
    }
    fault = _unless(Fault.DELETION, Fault.REVIVED, evidence)
    histories: dict[tuple[Side, Place], list[Deed]] = defaultdict(list)
    for deed in sorted(evidence.deeds, key=lambda deed: deed.order):
        histories[deed.side, (deed.table, deed.key)].append(deed)
    for (side, place), deeds in histories.items():
        for at, deed in enumerate(deeds):
            if deed.row is not None or not deed.certain:
                continue
            if at + 1 < len(deeds):
                there = deeds[at + 1].found
            else:
                there = token(evidence.current[side].get(place))
            if there is None or (side, *place) in told:
                continue
            if deed.found in _ancestry(there, origins):
                yield Finding(fault, f"token {there} came to be there after {deed}", place)


def _unless(error: Fault, told: Fault, evidence: Evidence) -> Fault:
    """What something is: an error, unless the history's runs excuse it."""
    for run in evidence.runs:
        if ("FULL" in run.flags and "BOTH" not in run.flags) or "--undo" in run.flags:
            return Fault.REVERTED
    ended = any(run.is_disturbed or run.exit not in (DONE, LEFT) for run in evidence.runs)
    return told if ended else error


def _overtaken(evidence: Evidence) -> Iterator[Finding]:
    """Looks for conflicts that are none: one version was made from the other."""
    origins = {deed.token: deed for deed in evidence.deeds if deed.token is not None}
    fault = _unless(Fault.SPURIOUS, Fault.OVERTAKEN, evidence)
    for conflict in evidence.conflicts:
        tokens = {side.value: token(row) for side, row in conflict.rows.items()}
        won = tokens.pop(conflict.winner or "", None)
        for lost in tokens.values():
            if won is not None and lost is not None and won in _ancestry(lost, origins):
                yield Finding(fault, str(conflict), (conflict.table, conflict.key))


def _ancestry(version: int, origins: Mapping[int, Deed]) -> Iterator[int | None]:
    """A version, the one that it replaced, and so on."""
    at: int | None = version
    while at is not None:
        yield at
        deed = origins.get(at)
        at = deed.found if deed else None


def _strange(evidence: Evidence) -> Iterator[Finding]:
    """Looks for rows, held or kept, that are not what an application wrote."""
    written = {deed.token: deed.row for deed in evidence.deeds if deed.row is not None}
    for side in Side:
        for place, row in evidence.current[side].items():
            if written.get(token(row)) != row:
                meant = written.get(token(row))
                text = f"{side.value} {place} holds {dict(row)}, written was {meant}"
                yield Finding(Fault.STRANGE, text, place)
    for side, kept in _kept_rows(evidence):
        if kept is not None and written.get(token(kept)) != kept:
            meant = written.get(token(kept))
            text = f"kept for {side.value} is {dict(kept)}, written was {meant}"
            yield Finding(Fault.STRANGE, text)


def _unequal(evidence: Evidence) -> Iterator[Finding]:
    """Compares both sides, and what differs with the conflicts."""
    newest: dict[Place, Conflict] = {}
    for conflict in evidence.conflicts:
        place = (conflict.table, conflict.key)
        known = newest.get(place)
        if known is None or (conflict.is_open, conflict.number) > (known.is_open, known.number):
            newest[place] = conflict
    remote, local = evidence.current[Side.REMOTE], evidence.current[Side.LOCAL]
    left = 0
    for place in sorted(remote.keys() | local.keys(), key=repr):
        held = {side: evidence.current[side].get(place) for side in Side}
        conflict_here = newest.get(place)
        if held[Side.REMOTE] == held[Side.LOCAL]:
            continue
        left += 1
        if conflict_here is None or not conflict_here.leaves_both or conflict_here.rows != held:
            text = f"{place}: REMOTE {held[Side.REMOTE]}, LOCAL {held[Side.LOCAL]}"
            yield Finding(Fault.UNEQUAL, f"{text}; newest conflict: {conflict_here}", place)
    for place, conflict in newest.items():
        if conflict.is_open and remote.get(place) == local.get(place):
            yield Finding(Fault.STALE, str(conflict), place)
    settled = evidence.settled
    content = settled and (settled.exit != DONE or settled.verified)
    if settled and ((settled.exit == DONE) != (left == 0) or not content):
        yield Finding(Fault.EXIT, f"{left} rows differ after {settled}")


def _unruly(evidence: Evidence) -> Iterator[Finding]:
    """Looks at the runs themselves."""
    if evidence.settled is None or evidence.settled.exit not in (DONE, LEFT):
        yield Finding(Fault.ENDLESS, str(evidence.settled))
    settled = [evidence.settled] if evidence.settled else []
    for run in evidence.again:
        exits = {one.exit for one in settled}
        if run.written or (exits and run.exit not in exits):
            yield Finding(Fault.RESTLESS, str(run))
    for run in [*evidence.runs, *settled, *evidence.again]:
        mute = run.exit in (DONE, LEFT) and run.report is None
        if run.hung or run.panicked or mute:
            yield Finding(Fault.BROKEN, f"{run}\n    {run.said[-2000:]}")
        if run.shown:
            yield Finding(Fault.SHOWN, f"{run}\n    {run.said[-2000:]}")
        if run.seconds > _LONG_SECONDS:
            yield Finding(Fault.SLOW, str(run))
        if run.exit == LOCKED and not (run.trouble and run.trouble.kind is Kind.RIVAL):
            yield Finding(Fault.LOCKED, str(run))
    for run in evidence.runs:
        if not run.trouble and run.exit not in (DONE, LEFT) and not _EXPECTED >= set(run.codes):
            yield Finding(Fault.FAILED, str(run))
