"""What many histories come to."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from soak.history import Played
from soak.script import Kind
from soak.verdict import Fault

_LOSSES = (Fault.LOSS.value, Fault.DELETION.value)
_KILLS = (Kind.KILL.value, Kind.KILL_AT_COMMIT.value)


@dataclass
class Totals:
    """Sums over all histories of a soak.

    Attributes:
        seed: The soak's seed.
        histories: How many there were, by their pairing.
        struck: How often each fault struck.
        exits: How often runs ended how; a negative status is a signal.
        findings: How often what was found; also what is no error.
        counts: Everything else that is counted.
    """

    seed: int
    histories: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    errors: int = 0

    def add(self, played: Played) -> None:
        """Adds a history."""
        self.histories[played.pairing] += 1
        self.struck.update(played.struck)
        self.exits.update(played.exits)
        self.findings.update(finding.fault.value for finding in played.findings)
        self.errors += len(played.errors)
        self.counts.update(
            {
                "syncs": played.syncs,
                "committed versions": played.versions,
                "committed deletions": played.deletions,
                "refused transactions": played.fate.refused,
                "unknown transactions": played.fate.unknown,
                "conflicts": played.conflicts,
                "undo rows": played.undos,
            }
        )

    def text(self, seconds: float) -> str:
        """The summary for people."""
        kills = sum(self.struck[name] for name in _KILLS)
        lines = [
            f"seed {self.seed}: {sum(self.histories.values())} histories in {seconds:.0f} s, "
            f"{self.errors} errors, {self._losses()} losses",
            f"  histories: {_list(self.histories)}",
            f"  {_list(self.counts)}",
            f"  faults that struck: {_list(self.struck)} ({kills} kills)",
            f"  exits of syncs: {_list(self.exits)}",
            f"  findings: {_list(self.findings) or 'none'}",
        ]
        return "\n".join(lines)

    def line(self, seconds: float) -> str:
        """The summary for programs: one line of JSON."""
        told = {
            "seed": self.seed,
            "histories": dict(self.histories),
            **{name.replace(" ", "_"): count for name, count in self.counts.items()},
            "faults": dict(self.struck),
            "kills": sum(self.struck[name] for name in _KILLS),
            "restarts": self.struck[Kind.RESTART.value],
            "exits": {str(code): count for code, count in self.exits.items()},
            "findings": dict(self.findings),
            "losses": self._losses(),
            "errors": self.errors,
            "seconds": round(seconds, 1),
        }
        return json.dumps(told, ensure_ascii=False)

    def _losses(self) -> int:
        return sum(count for name, count in self.findings.items() if name in _LOSSES)


def _list(counts: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=str))
