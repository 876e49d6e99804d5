"""What a history will be, decided by its seed: rows, writers, syncs, faults and their order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from soak.tables import TABLES, Side


class Strategy(str, Enum):
    """Who wins a conflict, as flags say it."""

    REMOTE_WINS = "REMOTE_WINS"
    LOCAL_WINS = "LOCAL_WINS"
    SKIP = "SKIP"
    MANUAL = "MANUAL"


class Kind(str, Enum):
    """A fault that befalls a sync."""

    KILL = "killed"
    KILL_AT_COMMIT = "killed at a commit"
    TERM = "told to stop"
    CUT = "line cut"
    CUT_AT_COMMIT = "line cut at a commit"
    REFUSE = "line refused"
    STALL = "line silent"
    DELAY = "line slow"
    KILL_LINE = "line killed on the server"
    RESTART = "server restarted"
    RIVAL = "two syncs at once"
    HOLD = "file held by an application"


BOTH = "BOTH"
# How often each comes, against the others. A silent line costs seconds, so there are few.
_FAULTS = {
    Kind.KILL: 12,
    Kind.KILL_AT_COMMIT: 16,
    Kind.TERM: 6,
    Kind.CUT: 9,
    Kind.CUT_AT_COMMIT: 14,
    Kind.REFUSE: 3,
    Kind.STALL: 1,
    Kind.DELAY: 4,
    Kind.KILL_LINE: 7,
    Kind.RIVAL: 6,
}
# No line leads to a file that could fail on the way.
_FILE_FAULTS = {
    Kind.KILL: 12,
    Kind.KILL_AT_COMMIT: 16,
    Kind.TERM: 6,
    Kind.RIVAL: 6,
    Kind.HOLD: 6,
}
# How late each may strike. A run among tables like ours sends so many statements to a server, and
# bytes to it, about.
_STATEMENTS, _COMMITS, _BYTES = 160, 12, 40_000
_REACHES = {
    Kind.KILL: _STATEMENTS,
    Kind.KILL_AT_COMMIT: _COMMITS,
    Kind.CUT_AT_COMMIT: _COMMITS,
    Kind.REFUSE: 4,
    Kind.DELAY: 4,
    Kind.RIVAL: 1,
}
# So often it touches LOCAL's file, and that for a commit, about. REMOTE's knows a fifth of that, so
# of two numbers that one is twice the other the one is as likely as the other.
_TOUCHES, _COMMIT_TOUCHES = 300, 150
_FILE_REACHES = {Kind.KILL_AT_COMMIT: _COMMIT_TOUCHES, Kind.RIVAL: 1}
# For how long a run is held before it is killed, or an application holds a file, in seconds.
_HELD = {Kind.KILL_AT_COMMIT: (0.0, 0.0, 0.05, 0.2), Kind.HOLD: (0.1, 0.5, 1.5)}


@dataclass(frozen=True)
class Trouble:
    """A fault and when it strikes.

    Attributes:
        kind: What happens.
        side: Whose line, server or file it befalls.
        at: The statement, commit, line, byte or touch of the file at which it strikes.
        harder: Of two ways in which it may strike, the one that is less usual: the server still
            gets the statement, applications lose their lines too, the server is not stopped but
            killed; the commit to the file is over, the application holds it to write.
        held: Seconds for which a run that is to be killed is held before, while applications go
            on, or for which an application holds a file.
    """

    kind: Kind
    side: Side
    at: int
    harder: bool
    held: float

    def __str__(self) -> str:
        """A few words for people."""
        harder = ", harder" if self.harder else ""
        held = f", held {self.held} s" if self.held else ""
        return f"{self.kind.value} ({self.side.value}, at {self.at}{harder}{held})"


@dataclass(frozen=True)
class Step:
    """Some writes and a sync.

    Attributes:
        writes: Transactions of each application.
        busy: Whether the sync runs beside them, or after them.
        full: Whether the sync looks at every row.
        direction: Which way rows may go.
        strategy: Who wins conflicts.
        forced: Whether the guards are lifted.
        tables: The tables that are synced; all where there are none.
        takes_back: Whether the run before is taken back, instead of a sync.
        trouble: What befalls the sync.
    """

    writes: int
    busy: bool
    full: bool
    direction: str
    strategy: Strategy
    forced: bool
    tables: tuple[str, ...]
    takes_back: bool
    trouble: Trouble | None

    @property
    def flags(self) -> tuple[str, ...]:
        """The sync's flags."""
        words = ["--type", "FULL" if self.full else "INCREMENTAL", "--direction", self.direction]
        words += ["--conflict", self.strategy.value]
        words += [word for table in self.tables for word in ("--table", table)]
        return (*words, "--force") if self.forced else tuple(words)


@dataclass(frozen=True)
class Script:
    """One history.

    Attributes:
        seed: The soak's.
        number: The history's own.
        keys: How many keys there are of each table.
        filled: Of each side, the share of keys that have rows before the first sync.
        reaction: What a deleted parent does to its children.
        batch: Rows per batch of the sync.
        parallel: Lines per server of the sync.
        lock_wait: Seconds that the sync waits for locked rows.
        writers: Applications on each side.
        journal: How files keep their journals.
        restarted: The side whose server is the history's own and restarts.
        steps: What happens.
        last: Who wins in the end.
    """

    seed: int
    number: int
    keys: dict[str, int]
    filled: dict[Side, float]
    reaction: str
    batch: int
    parallel: int
    lock_wait: int
    writers: int
    journal: str
    restarted: Side | None
    steps: Sequence[Step]
    last: Strategy
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Says the settings once."""
        told = {
            "DB_SYNC_BATCH_SIZE": str(self.batch),
            "DB_SYNC_PARALLEL": str(self.parallel),
            "DB_SYNC_LOCK_WAIT": str(self.lock_wait),
            "DB_CONNECT_TIMEOUT": "2",
            "DB_READ_TIMEOUT": "2",
        }
        object.__setattr__(self, "environment", told)

    def dice(self, *names: object) -> random.Random:
        """Dice of their own for one part of the history."""
        words = " ".join(map(str, (self.seed, self.number, *names)))
        return random.Random(words)


def _trouble(dice: random.Random, servers: Sequence[Side], restarted: Side | None) -> Trouble:
    side = dice.choice(list(Side))
    faults, reaches, most = (
        (_FAULTS, _REACHES, _BYTES) if side in servers else (_FILE_FAULTS, _FILE_REACHES, _TOUCHES)
    )
    kinds = dict(faults)
    if restarted is not None:
        kinds[Kind.RESTART] = sum(kinds.values())
    kind = dice.choices(list(kinds), list(kinds.values()))[0]
    if kind is Kind.RESTART and restarted:
        side, most = restarted, _BYTES
    at = dice.randint(1, reaches.get(kind, most))
    held = dice.choice(_HELD.get(kind, (0.0,)))
    return Trouble(kind, side, at, dice.random() < 0.5, held)


def _step(dice: random.Random, servers: Sequence[Side], restarted: Side | None) -> Step:
    names = [table.name for table in TABLES]
    some = tuple(dice.sample(names, dice.randint(1, len(names))))
    return Step(
        writes=dice.choice((0, 2, 5, 10, 20)),
        busy=dice.random() < 0.6,
        full=dice.random() < 0.3,
        direction=dice.choices((BOTH, "REMOTE_TO_LOCAL", "LOCAL_TO_REMOTE"), (18, 1, 1))[0],
        strategy=dice.choices(list(Strategy), (4, 4, 1, 1))[0],
        forced=dice.random() < 0.3,
        tables=some if dice.random() < 0.1 else (),
        takes_back=dice.random() < 0.06,
        trouble=_trouble(dice, servers, restarted) if dice.random() < 0.6 else None,
    )


def write(seed: int, number: int, servers: Sequence[Side], *, restarts: bool) -> Script:
    """Writes the history that belongs to a seed and a number.

    Args:
        seed: The soak's seed.
        number: The history's number.
        servers: The sides that are servers; the others are files.
        restarts: Whether a server of its own is to be restarted; there must be a server then.

    Returns:
        The script.
    """
    dice = random.Random(f"{seed} {number}")
    most = dice.choice((4, 8, 20, 20, 150))
    keys = {table.name: dice.randint(max(most // 2, 2), most) for table in TABLES}
    restarted = dice.choice(servers) if restarts else None
    filled = {side: dice.choice((0.0, 0.3, 1.0)) for side in Side}
    steps = [_step(dice, servers, restarted) for _ in range(dice.randint(3, 6))]
    return Script(
        seed=seed,
        number=number,
        keys=keys,
        filled=filled,
        reaction=dice.choice(("RESTRICT", "CASCADE")),
        batch=dice.choice((1, 3, 10, 1000)),
        parallel=dice.choice((1, 2)),
        lock_wait=dice.choice((0, 1)),
        writers=dice.choice((1, 1, 2)),
        journal=dice.choice(("DELETE", "WAL")),
        restarted=restarted,
        steps=steps,
        last=dice.choices(list(Strategy), (4, 4, 1, 1))[0],
    )
