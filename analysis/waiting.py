"""How much of a round is Flower waiting for its own polls, and what a round is like with those waits cut short.

A run may hold trials of both levels of polling, as of several levels of other factors (`analysis.levels`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.measured import Measured

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
