"""How much of a round is Flower waiting for its own polls, and what a round is like with those waits cut short.

A run may hold trials of both levels of polling. They are two experiments: the report's tables are of Flower as it is
("stock") where the run has that, and the other level stands beside it in a comparison of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.samples import is_usable

STOCK = "stock"
WAITING_PHASES = ("wait_downlink", "dispatch", "wait_uplink", "wait_collect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An average round of one network: its length, and how much of it the critical path waited for polls."""

    interface: str
    wall_s: float
    waiting_s: float
    by_phase_s: Mapping[str, float]

    @property
    def share(self) -> float:
        """The waits' share of the round, 0 to 1."""
        return self.waiting_s / self.wall_s if self.wall_s else 0.0


def polling_of(trial: TrialTimes) -> str:
    """Which waits a trial ran with; a trial that says nothing left Flower's own."""
    return str(trial.facts.settings.get("polling") or STOCK)


def split(trials: Sequence[TrialTimes]) -> dict[str, list[TrialTimes]]:
    """The trials by level of polling, the one that the tables show first; a level without a usable trial is last."""
    found: dict[str, list[TrialTimes]] = {}
    for trial in trials:
        found.setdefault(polling_of(trial), []).append(trial)
    usable = {level: any(is_usable(trial) for trial in of) for level, of in found.items()}
    return {
        level: found[level] for level in sorted(found, key=lambda level: (not usable[level], level != STOCK, level))
    }


def waiting(measured: Measured) -> dict[str, Waiting]:
    """What the critical path of an average round waited for polls, by network."""
    found = {}
    for name, charged in measured.charged.items():
        by_phase = {phase: charged[phase] for phase in WAITING_PHASES if charged.get(phase)}
        found[name] = Waiting(
            interface=name,
            wall_s=math.fsum(charged.values()),
            waiting_s=math.fsum(by_phase.values()),
            by_phase_s=by_phase,
        )
    return found
