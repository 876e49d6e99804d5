"""What a `FaultProxy` does to the lines that go through it: the words of its script.

A `Rule` says which `Fault` strikes, on which line and how often. Lines are numbered from 1 in the
order in which they are accepted. Without a rule for it, everything passes unchanged.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum


class Way(Enum):
    """Where bytes are going."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


@dataclass(frozen=True)
class Delay:
    """A slow line: every chunk waits."""

    seconds: float


@dataclass(frozen=True)
class Throttle:
    """A narrow line."""

    bytes_per_second: int


@dataclass(frozen=True)
class Stall:
    """The line stays open and falls silent, both ways, once so many bytes went one way.

    Attributes:
        after: Bytes that still pass.
        way: Which bytes are counted.
        lingers: The server is not told when the client gives up, as where a network is gone.
    """

    after: int
    way: Way = Way.TO_CLIENT
    lingers: bool = False


@dataclass(frozen=True)
class Cut:
    """The line is closed on both ends once so many bytes went one way."""

    after: int
    way: Way = Way.TO_CLIENT


@dataclass(frozen=True)
class AtStatement:
    """The line fails at a statement of the client's.

    Attributes:
        begins: How the statement begins, in any letter case.
        reached: The server gets it and has answered before the line fails; else it never gets it.
        nth: How many such statements there have been then.
        stalls: The line falls silent instead of being closed.
        lingers: As with `Stall`.
    """

    begins: str
    reached: bool
    nth: int = 1
    stalls: bool = False
    lingers: bool = False


@dataclass(frozen=True)
class HalfOpen:
    """The line is accepted and never answered."""


@dataclass(frozen=True)
class Refuse:
    """The line is reset as soon as it is there. `FaultProxy.down` refuses it outright."""


Fault = Delay | Throttle | Stall | Cut | AtStatement | HalfOpen | Refuse


@dataclass(frozen=True)
class Rule:
    """Which fault strikes, where and how often.

    Attributes:
        fault: What happens.
        line: On the line with this number; None means on any, and bytes and statements are then
            counted over all lines together.
        times: How often it strikes; None means from then on always. `Delay` and `Throttle` strike
            once for a whole line.
    """

    fault: Fault
    line: int | None = None
    times: int | None = 1


class Armed:
    """A rule and what it has counted."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.strikes = 0
        self._passed = 0
        self._statements = 0
        self._lock = threading.Lock()

    def strike(self) -> bool:
        """Strikes, unless it has done so often enough."""
        with self._lock:
            return self._strike()

    def _strike(self) -> bool:
        if self.rule.times is not None and self.strikes >= self.rule.times:
            return False
        self.strikes += 1
        return True

    def passing(self, fault: Stall | Cut, way: Way, count: int) -> int | None:
        """Counts bytes; answers how many of them still pass if it strikes, else None."""
        if way is not fault.way:
            return None
        with self._lock:
            left = max(fault.after - self._passed, 0)
            self._passed += count
            return left if count > left and self._strike() else None

    def meets(self, fault: AtStatement, text: str) -> bool:
        """Counts a statement; answers whether it strikes."""
        if not text.lstrip().upper().startswith(fault.begins.upper()):
            return False
        with self._lock:
            self._statements += 1
            return self._statements >= fault.nth and self._strike()
