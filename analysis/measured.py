"""The numbers of a report, by interface: phases, rounds, shares, ratios, bounds, definitions and stragglers."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.convergence import Convergence, convergence_of
from analysis.estimators import Estimate, Ratio, ratio_of_means
from analysis.model import Transfer, TrialTimes
from analysis.round_numbers import (
    Placed,
    RoundNumbers,
    Stragglers,
    charged_of,
    round_numbers_of,
    stragglers_of,
)
from analysis.samples import (
    DIRECTIONS,
    PAIRS,
    Reading,
    by_interface,
    estimate_readings,
    good_transfers,
    phase_order,
    phase_readings,
    wait_readings,
)
from analysis.starvation import ESTIMATED
from analysis.sweep import Swept, sweeps_of
from analysis.warm_up import without_warm_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A ratio of two networks and, for a transfer, the ratio of their mean fluid bounds: what physics predicts."""

    ratio: Ratio
    bound_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Active time over its fluid bound, over all transfers of one direction."""

    mean: float
    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Starved:
    """How long a phase waited for a core: on the average, and as a share of all its time.

    `estimated` where it comes from samples, not from the phase's own process.
    """

    share: float
    mean_s: float
    n: int
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All numbers by interface; an interface, phase or pair that was not measured is absent.

    `charged` holds seconds of an average round by phase along the critical path, the residual included; `sweep` is
    empty where no size was swept. `starvation` has the phases of which it is known how long they waited for a core.
    `convergence` has the interfaces whose campaign stated a rule for it.
    """

    trials: Mapping[str, int]
    phases: Mapping[str, Mapping[str, Estimate]]
    rounds: Mapping[str, RoundNumbers]
    charged: Mapping[str, Mapping[str, float]]
    over_bound: Mapping[str, Mapping[str, Spread]]
    bounds: Mapping[str, Mapping[str, Estimate]]
    definitions: Mapping[str, Mapping[str, Estimate]]
    stragglers: Mapping[str, Stragglers]
    ratios: Mapping[str, Mapping[str, Beside]]
    definition_ratios: Mapping[str, Mapping[str, Ratio]]
    sweep: Mapping[str, Mapping[str, Swept]] = field(default_factory=dict)
    starvation: Mapping[str, Mapping[str, Starved]] = field(default_factory=dict)
    convergence: Mapping[str, Convergence] = field(default_factory=dict)

    @property
    def interfaces(self) -> list[str]:
        """The interfaces that have numbers, in the order of every table and figure."""
        return list(self.trials)

    def share(self, interface: str) -> dict[str, float]:
        """Shares of wall time along the critical path; they sum to one."""
        charged = self.charged.get(interface, {})
        wall = math.fsum(charged.values())
        return {phase: seconds / wall for phase, seconds in charged.items()} if wall else {}

    @property
    def kind(self) -> str:
        """ "between-trials" where every interface has two trials or more, else "within-run"."""
        return "between-trials" if self.trials and min(self.trials.values()) > 1 else "within-run"


def measure(trials: Sequence[TrialTimes]) -> Measured:
    """Every number of a report, rounds of warm-up left out. Raises EstimateError where a time is not finite."""
    placed = by_interface(without_warm_up(trials))
    readings = {name: _all_phases(of) for name, of in placed.items()}
    phases = {name: _estimates(found) for name, found in readings.items()}
    bounds = {name: _estimates(_bound_readings(of)) for name, of in placed.items()}
    definitions = {name: _estimates(_definition_readings(of)) for name, of in placed.items()}
    rounds = {name: numbers for name, of in placed.items() if (numbers := round_numbers_of(of)) is not None}
    return Measured(
        trials={name: len(of) for name, of in placed.items()},
        phases=phases,
        rounds=rounds,
        charged={name: charged for name, of in placed.items() if (charged := charged_of(of))},
        over_bound={name: spreads for name, of in placed.items() if (spreads := _over_bound(of))},
        bounds={name: found for name, found in bounds.items() if found},
        definitions={name: found for name, found in definitions.items() if found},
        stragglers={name: found for name, of in placed.items() if (found := stragglers_of(of)).rounds},
        ratios=_ratios({name: _with_rounds(phases[name], rounds.get(name)) for name in placed}, bounds),
        definition_ratios=_definition_ratios(definitions),
        sweep=sweeps_of(placed),
        starvation={name: waits for name, of in placed.items() if (waits := _starvation(of))},
        convergence={
            name: made for name, of in placed.items() if (made := convergence_of([trial for _, trial in of]))
        },
    )


def _all_phases(placed: Placed) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = defaultdict(list)
    for place, trial in placed:
        for phase, readings in phase_readings(trial, place=place).items():
            found[phase] += readings
    return {phase: found[phase] for phase in sorted(found, key=phase_order)}


def _starvation(placed: Placed) -> dict[str, Starved]:
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _, trial in placed:
        for phase, readings in wait_readings(trial).items():
            found[phase] += readings
    return {
        phase: Starved(
            share=math.fsum(waited for waited, _ in found[phase]) / length_s,
            mean_s=math.fsum(waited for waited, _ in found[phase]) / len(found[phase]),
            n=len(found[phase]),
            estimated=phase.removeprefix("evaluate_") in ESTIMATED,
        )
        for phase in sorted(found, key=phase_order)
        if (length_s := math.fsum(length for _, length in found[phase])) > 0
    }


def _estimates(readings: Mapping[str, Sequence[Reading]]) -> dict[str, Estimate]:
    return {name: estimate_readings(values) for name, values in readings.items() if values}


def _bound_readings(placed: Placed) -> dict[str, list[Reading]]:
    return {
        direction: [
            Reading(place, message.round, message.node, transfer.bound_s)
            for place, trial in placed
            for message, transfer in good_transfers(trial)
            if transfer.direction == direction and transfer.bound_s is not None
        ]
        for direction in DIRECTIONS
    }


def _definition_readings(placed: Placed) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = defaultdict(list)
    for place, trial in placed:
        for message, transfer in good_transfers(trial):
            for name, seconds in definitions_of(transfer).items():
                found[name].append(Reading(place, message.round, message.node, seconds))
    return dict(found)


def definitions_of(transfer: Transfer) -> dict[str, float]:
    """What one transfer took by every definition of it, in seconds, the headline first."""
    side = transfer.direction
    found: dict[str, float | None] = {
        f"{side}_active": transfer.active_s,
        f"{side}_whole": transfer.whole_s,
        f"{side}_one_host": transfer.one_host_s,
        f"{side}_one_host_whole": transfer.one_host_whole_s,
        f"{side}_bound": transfer.bound_s,
    }
    for name, seconds in transfer.alternatives.items():
        found.setdefault(name if name.startswith(side) else f"{side}_{name}", seconds)
    return {name: seconds for name, seconds in found.items() if seconds is not None}


def _over_bound(placed: Placed) -> dict[str, Spread]:
    found: dict[str, list[float]] = defaultdict(list)
    for _, trial in placed:
        for _, transfer in good_transfers(trial):
            if transfer.over_bound is not None:
                found[transfer.direction].append(transfer.over_bound)
    return {
        direction: Spread(
            mean=math.fsum(values) / len(values),
            median=statistics.median(values),
            low=min(values),
            high=max(values),
            n=len(values),
        )
        for direction in DIRECTIONS
        if (values := found[direction])
    }


def _with_rounds(phases: Mapping[str, Estimate], rounds: RoundNumbers | None) -> dict[str, Estimate]:
    found = dict(phases)
    if rounds is not None:
        found["wall"] = rounds.wall
        if rounds.t_r is not None:
            found["t_r"] = rounds.t_r
    return found


def _ratios(
    estimates: Mapping[str, Mapping[str, Estimate]], bounds: Mapping[str, Mapping[str, Estimate]]
) -> dict[str, dict[str, Beside]]:
    found: dict[str, dict[str, Beside]] = defaultdict(dict)
    for above, below in PAIRS:
        both = [name for name in estimates.get(above, {}) if name in estimates.get(below, {})]
        for name in both:
            over, under = estimates[above][name], estimates[below][name]
            if over.mean > 0 and under.mean > 0:
                found[name][f"{above}/{below}"] = Beside(
                    ratio=ratio_of_means(over, under),
                    bound_ratio=_bound_ratio(name, bounds.get(above, {}), bounds.get(below, {})),
                )
    return {name: found[name] for name in sorted(found, key=phase_order)}


def _bound_ratio(phase: str, above: Mapping[str, Estimate], below: Mapping[str, Estimate]) -> float | None:
    direction = phase.removesuffix("_active")
    if direction in above and direction in below:
        return above[direction].mean / below[direction].mean
    return None


def _definition_ratios(definitions: Mapping[str, Mapping[str, Estimate]]) -> dict[str, dict[str, Ratio]]:
    return {
        f"{above}/{below}": {
            name: ratio_of_means(over, definitions[below][name])
            for name, over in definitions[above].items()
            if name in definitions[below] and over.mean > 0 and definitions[below][name].mean > 0
        }
        for above, below in PAIRS
        if above in definitions and below in definitions
    }
