"""Faults: what befalls a sync on its way, at the moment that the script says."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress

import pymysql

from fault_proxy import FaultProxy
from faults import AtStatement, Cut, Delay, Fault, Refuse, Rule, Stall, Way
from soak.file_mischief import befall
from soak.lines import Database, FileDatabase, ServerDatabase
from soak.script import Kind, Trouble
from soak.syncs import Watch
from soak.tables import Side

# How often a watcher looks whether its moment has come.
_GLANCE_SECONDS = 0.0005
# A slow line keeps every chunk for this long, times its number.
_SLOW_SECONDS = 0.001


class Mischief:
    """The proxies of one history, and who does harm through them.

    Attributes:
        struck: How often each kind of fault has really struck.
    """

    def __init__(
        self,
        sides: Mapping[Side, Database],
        restart: Callable[[bool], None],
        own_lines: Callable[[Side], set[int]],
    ) -> None:
        """Takes both sides.

        Args:
            sides: As applications reach them.
            restart: Restarts the history's own server, and returns when it is back; told whether
                to kill it.
            own_lines: The applications' lines on a side, by the server's numbers.
        """
        self._sides, self._restart, self._own_lines = sides, restart, own_lines
        self._stack = ExitStack()
        self._proxies: dict[Side, FaultProxy] = {}
        self.struck: dict[Kind, int] = {}

    def close(self) -> None:
        """Ends every line that goes through us."""
        self._stack.close()

    def arrange(self, trouble: Trouble) -> tuple[dict[Side, Database], Watch]:
        """Prepares a fault for the run that comes next.

        Args:
            trouble: The fault.

        Returns:
            Both sides as that run must reach them, and who is to watch it.
        """
        database = self._sides[trouble.side]
        if isinstance(database, FileDatabase):
            return dict(self._sides), befall(database, trouble, self.note)
        proxy = self._proxy(trouble.side)
        rules = [Rule(fault) for fault in _script(trouble)]
        if trouble.kind is Kind.REFUSE:
            rules = [Rule(Refuse(), line=proxy.lines + trouble.at)]
        if trouble.kind is Kind.DELAY:
            rules = [Rule(Delay(trouble.at * _SLOW_SECONDS), times=None)]
        proxy.script(*rules)
        passed = proxy.passed[Way.TO_SERVER]
        strikes = self._strikes(trouble)

        def is_due() -> bool:
            if rules:
                return proxy.strikes > 0
            return proxy.passed[Way.TO_SERVER] - passed >= trouble.at

        def watch(child: subprocess.Popen[str], over: threading.Event) -> None:
            while not is_due():
                if over.wait(_GLANCE_SECONDS):
                    break
            # Applications go on while the run is held.
            over.wait(trouble.held if is_due() else 0)
            if is_due():
                self.note(trouble.kind)
                strikes(child)

        sides = dict(self._sides)
        reached = sides[trouble.side]
        if isinstance(reached, ServerDatabase):
            sides[trouble.side] = reached.through(proxy.port)
        return sides, watch

    def note(self, kind: Kind) -> None:
        """Counts a fault that has struck."""
        self.struck[kind] = self.struck.get(kind, 0) + 1

    def calm(self) -> None:
        """Ends what is left of a run's lines: a line that fell silent must not hold its locks."""
        for proxy in self._proxies.values():
            proxy.script()
            proxy.end_lines()

    def _proxy(self, side: Side) -> FaultProxy:
        database = self._sides[side]
        if side not in self._proxies:
            assert isinstance(database, ServerDatabase)  # noqa: S101 - scripts know who has lines
            proxy = FaultProxy(database.port, host=database.host)
            self._proxies[side] = self._stack.enter_context(proxy)
        return self._proxies[side]

    def _strikes(self, trouble: Trouble) -> Callable[[subprocess.Popen[str]], None]:
        """What is done besides what happens to the line itself."""
        match trouble.kind:
            case Kind.KILL | Kind.KILL_AT_COMMIT:
                return lambda child: child.kill()
            case Kind.TERM:
                return lambda child: child.send_signal(signal.SIGTERM)
            case Kind.KILL_LINE:
                return lambda _: self._kill_lines(trouble.side, all_of_them=trouble.harder)
            case Kind.RESTART:
                return lambda _: self._restart(trouble.harder)
            case _:
                return lambda _: None

    def _kill_lines(self, side: Side, *, all_of_them: bool) -> None:
        """Has the server end the lines to the database, those of applications if so."""
        database = self._sides[side]
        if not isinstance(database, ServerDatabase):
            return
        spared = set() if all_of_them else self._own_lines(side)
        sql = f"SELECT id FROM information_schema.processlist WHERE db='{database.name}'"
        for (number,) in database.server(sql):
            if number not in spared:
                # It may have ended by itself meanwhile.
                with suppress(pymysql.MySQLError):
                    database.server(f"KILL {number}")


def _script(trouble: Trouble) -> list[Fault]:
    """What the proxy does, where that needs no knowledge of its lines.

    A run that is to be killed is held at the statement until it is: the moment is exact.
    """
    reached, nth = trouble.harder, trouble.at
    match trouble.kind:
        case Kind.KILL:
            return [AtStatement("", reached=reached, nth=nth, stalls=True)]
        case Kind.KILL_AT_COMMIT:
            return [AtStatement("COMMIT", reached=reached, nth=nth, stalls=True)]
        case Kind.CUT_AT_COMMIT:
            return [AtStatement("COMMIT", reached=reached, nth=nth)]
        case Kind.CUT:
            return [Cut(nth, Way.TO_SERVER if reached else Way.TO_CLIENT)]
        case Kind.STALL:
            return [Stall(nth, Way.TO_SERVER if reached else Way.TO_CLIENT)]
        case _:
            return []
