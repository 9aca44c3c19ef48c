"""The numbers of whole rounds: wall and t_r, what the critical path was charged to, and who was waited for."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.estimators import Estimate
from analysis.model import Interval, RoundTimes, TrialTimes
from analysis.samples import DIRECTIONS, Reading, estimate_readings, good_transfers, node_times, phase_order

Placed = Sequence[tuple[int, TrialTimes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundNumbers:
    """The rounds of one interface. Shares are of wall time; `None` where the rounds lack what it takes.

    `uplink_over_t_r` is the slowest uplink of a round over that round's t_r, averaged over rounds;
    `active_share` the part of wall time in which the critical path waited for bytes in flight, by direction.
    """

    wall: Estimate
    t_r: Estimate | None
    residual_share: float
    uplink_over_t_r: float | None
    active_share: Mapping[str, float]
    complete: int
    recorded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stragglers:
    """Which node a round waited for. `stretch` is the slowest node's measured round over the median node's."""

    counts: Mapping[str, int]
    rounds: int
    stretch: float | None

    @property
    def most(self) -> tuple[str, float]:
        """The most frequent straggler and its share of the rounds; no name and zero where there is none."""
        if not self.counts:
            return "", 0.0
        node = max(sorted(self.counts), key=lambda name: self.counts[name])
        return node, self.counts[node] / self.rounds


def overlap_s(interval: Interval, others: Iterable[Interval]) -> float:
    """Seconds of an interval that disjoint others cover."""
    return math.fsum(
        max(0, min(interval.end_ns, other.end_ns) - max(interval.start_ns, other.start_ns)) / 1e9 for other in others
    )


def _charged(placed: Placed) -> list[tuple[int, TrialTimes, RoundTimes]]:
    """The complete rounds whose critical path is known."""
    return [(place, trial, made) for place, trial, made in _complete(placed) if made.charges]


def _complete(placed: Placed) -> list[tuple[int, TrialTimes, RoundTimes]]:
    return [(place, trial, made) for place, trial in placed for made in trial.rounds if made.complete]


def round_numbers_of(placed: Placed) -> RoundNumbers | None:
    """The rounds of one interface; None where none is complete."""
    complete = _complete(placed)
    if not complete:
        return None
    walls = [Reading(place, made.round, "", made.wall_s) for place, _, made in complete]
    t_rs = [Reading(place, made.round, "", made.t_r_s) for place, _, made in complete if made.t_r_s]
    over = [share for _, trial, made in complete if (share := _slowest_uplink_share(trial, made)) is not None]
    charged = _charged(placed)
    charged_s = math.fsum(made.wall_s for _, _, made in charged)
    active = {
        side: math.fsum(_active_s(trial, made, side) for _, trial, made in charged) / charged_s
        for side in DIRECTIONS
        if charged_s
    }
    return RoundNumbers(
        wall=estimate_readings(walls),
        t_r=estimate_readings(t_rs) if t_rs else None,
        residual_share=max(made.residual_share for _, _, made in complete),
        uplink_over_t_r=math.fsum(over) / len(over) if over else None,
        active_share=active,
        complete=len(complete),
        recorded=sum(len(trial.rounds) for _, trial in placed),
    )


def _slowest_uplink_share(trial: TrialTimes, made: RoundTimes) -> float | None:
    uplinks = [
        transfer.whole_s
        for message, transfer in good_transfers(trial)
        if message.round == made.round and transfer.direction == "uplink"
    ]
    return max(uplinks) / made.t_r_s if uplinks and made.t_r_s else None


def _active_s(trial: TrialTimes, made: RoundTimes, direction: str) -> float:
    """Seconds of a round charged to a direction while bytes of the charged node were in flight."""
    charges = [charge for charge in made.charges if charge.phase == direction]
    busy: dict[str, list[Interval]] = defaultdict(list)
    for message in trial.messages:
        transfer = message.uplink if direction == "uplink" else message.downlink
        if message.round == made.round and transfer is not None:
            busy[message.node] += transfer.busy
    return math.fsum(overlap_s(charge.interval, busy[charge.node]) for charge in charges)


def charged_of(placed: Placed) -> dict[str, float]:
    """Seconds of an average round by phase along the critical path, the residual last."""
    complete = _charged(placed)
    total: Counter[str] = Counter()
    for _, _, made in complete:
        for charge in made.charges:
            total[charge.phase] += charge.interval.end_ns - charge.interval.start_ns
    phases = sorted((phase for phase in total if phase != "residual"), key=phase_order)
    return {phase: total[phase] / 1e9 / len(complete) for phase in [*phases, "residual"]} if complete else {}


def stragglers_of(placed: Placed) -> Stragglers:
    """Who was waited for on one interface."""
    named = [made.straggler for _, _, made in _complete(placed) if made.straggler]
    stretches = []
    for _, trial in placed:
        times: dict[int, list[float]] = defaultdict(list)
        for reading in node_times(trial):
            times[reading.round].append(reading.value)
        stretches += [max(of) / statistics.median(of) for of in times.values() if len(of) > 1 and min(of) > 0]
    return Stragglers(
        counts=dict(sorted(Counter(named).items())),
        rounds=len(named),
        stretch=math.fsum(stretches) / len(stretches) if stretches else None,
    )
