"""What a plan can find: the smallest effect of each comparison, and the repetitions that an effect needs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.model import TrialTimes
from analysis.power import (
    LEVEL,
    POWER,
    TWO_GROUPS,
    Comparison,
    PowerError,
    power,
    repetitions_needed,
    smallest_ratio,
)
from analysis.variability import Scatter, between_repetitions, metrics_of, trial_values, within_blocks
from testbed.design.factors import DesignError, canonical
from testbed.plan import PlannedTrial
from testbed.validation import nearest

DEFAULT_METRIC = "t_r"
_HOPELESS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variability:
    """How much trials of one cell differ, as the standard deviation of the logarithm of a trial's mean.

    `within_blocks` is None where nobody knows it: then the whole is taken there too, which is on the safe side.
    `interval` is the 95 % one of `between`; None where the number was stated.
    """

    between: float
    within: float | None
    source: str
    interval: tuple[float, float] | None = None

    @property
    def in_blocks(self) -> float:
        """What is left within blocks."""
        return self.between if self.within is None else self.within


def stated(deviation: float, where: str) -> Variability:
    """A deviation that somebody gave."""
    return Variability(between=deviation, within=None, source=where)


def variability_of(trials: Sequence[TrialTimes], metric: str, whose: str) -> Variability:
    """From earlier trials. Raises DesignError where they cannot tell: an unknown quantity, or nothing repeated."""
    if metric not in (known := metrics_of(trials)):
        hint = nearest(metric, known) if known else "None of its trials can be used."
        raise DesignError(f"{whose}: no quantity {metric!r} in these trials. {hint}")
    values = trial_values(trials, metric)
    between, within = between_repetitions(values), within_blocks(values)
    if between is None:
        raise DesignError(
            f"{whose}: no cell was run twice, so nothing is known of how much trials differ. Name a run with "
            "repetitions, or state the deviation."
        )
    return Variability(
        between=between.deviation,
        within=within.deviation if within else None,
        interval=between.interval,
        source=_source(metric, between, len(values)),
    )


def _source(metric: str, scatter: Scatter, trials: int) -> str:
    return f"{metric} of {trials} earlier trials, {scatter.degrees} degrees of freedom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectable:
    """One comparison of a plan. `smallest` is a ratio above 1, found as its inverse is; None: nothing can be told.

    `chance` is that of finding the campaign's effect, `needed` the repetitions that give it the wanted power; None
    where no effect is stated, or where more are needed than anybody can run.
    """

    what: str
    smallest: float | None
    chance: float | None = None
    needed: int | None = None


def detectable(
    planned: Sequence[PlannedTrial], variability: Variability, *, effect: float | None
) -> list[Detectable]:
    """The comparisons of a plan: two cells as the report compares them, then the levels of each factor in blocks."""
    cells = Counter(canonical(trial.levels) for trial in planned)
    repetitions = min(cells.values())
    found = [_one("two cells, as the report compares them", variability.between, repetitions, TWO_GROUPS, effect)]
    for name, each in _cells_by_level(planned).items():
        comparison = Comparison("blocks", cells=len(cells), each=each)
        found.append(
            _one(f"two levels of {name}, within blocks", variability.in_blocks, repetitions, comparison, effect)
        )
    return found


def _cells_by_level(planned: Sequence[PlannedTrial]) -> Mapping[str, int]:
    """Of each factor that varies, how many cells its rarest level has."""
    distinct = {canonical(trial.levels): trial.levels for trial in planned}.values()
    found: dict[str, int] = {}
    for name in next(iter(distinct), {}):
        times = Counter(canonical(levels[name]) for levels in distinct)
        if len(times) > 1:
            found[name] = min(times.values())
    return found


def _one(what: str, deviation: float, repetitions: int, comparison: Comparison, effect: float | None) -> Detectable:
    smallest = smallest_ratio(deviation=deviation, repetitions=repetitions, comparison=comparison)
    if effect is None:
        return Detectable(what=what, smallest=smallest)
    chance = power(effect, deviation=deviation, repetitions=repetitions, comparison=comparison)
    try:
        needed: int | None = repetitions_needed(effect, deviation=deviation, comparison=comparison)
    except PowerError:
        needed = None
    return Detectable(what=what, smallest=smallest, chance=chance, needed=needed)


def as_document(
    variability: Variability, found: Sequence[Detectable], *, effect: float | None, repetitions: int
) -> dict[str, Any]:
    """What a JSON document says of a plan's power."""
    return {
        "variability": asdict(variability),
        "power": POWER,
        "level": LEVEL,
        "effect": effect,
        "repetitions": repetitions,
        "comparisons": [asdict(one) for one in found],
    }


def lines(variability: Variability, found: Sequence[Detectable], *, effect: float | None) -> list[str]:
    """The same in words."""
    spread = f" [{variability.interval[0]:.3g}, {variability.interval[1]:.3g}]" if variability.interval else ""
    blocks = "" if variability.within is None else f", {variability.within:.3g} within blocks"
    head = (
        f"smallest detectable effect ({POWER:.0%} power, {LEVEL:.0%} level; trials of one cell differ by "
        f"{variability.between:.3g}{spread} in the logarithm{blocks}: {variability.source})"
    )
    return [head.replace("%", " %"), *(f"  {_words(one, effect)}" for one in found)]


def smallest_in_words(ratio: float | None) -> str:
    """`a ratio of 1.23, or of 0.813`."""
    if ratio is None:
        return "nothing: one repetition tells no scatter"
    return f"a ratio of {ratio:.3g}, or of {1 / ratio:.2g}" if ratio < _HOPELESS else "no ratio below 100"


def _words(one: Detectable, effect: float | None) -> str:
    smallest = smallest_in_words(one.smallest)
    if effect is None or one.chance is None:
        return f"{one.what}: {smallest}"
    needs = "more repetitions than can be run" if one.needed is None else f"{one.needed} repetitions"
    return f"{one.what}: {smallest}; {effect:g} is found in {one.chance * 100:.0f} % of campaigns, and needs {needs}"
