"""How much trials of the same settings differ, from trials that were run: what a plan's power rests on. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.levels import levels_of, polling_of
from analysis.model import TrialTimes
from analysis.samples import interface_of, is_usable, phase_readings
from analysis.warm_up import without_warm_up

ROUND_METRICS = ("t_r", "wall")
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialValue:
    """One trial's mean of one quantity, in seconds; `cell` is all that it was run with but its block."""

    cell: str
    block: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """The standard deviation of the logarithm of trials' means, its degrees of freedom and its 95 % interval."""

    deviation: float
    degrees: int

    @property
    def interval(self) -> tuple[float, float]:
        """Source: the chi-squared interval of a standard deviation."""
        from scipy.special import chdtri

        tail = (1 - _CONFIDENCE) / 2
        low, high = chdtri(self.degrees, tail), chdtri(self.degrees, 1 - tail)
        return (self.deviation * math.sqrt(self.degrees / low), self.deviation * math.sqrt(self.degrees / high))


def metrics_of(trials: Sequence[TrialTimes]) -> list[str]:
    """What can be asked for: the quantities that every usable trial has."""
    found = [set(_readings(trial)) for trial in trials if is_usable(trial)]
    common = set.intersection(*found) if found else set()
    ordered = [name for trial in trials if is_usable(trial) for name in _readings(trial) if name in common]
    return list(dict.fromkeys([*ROUND_METRICS, *ordered])) if found else []


def trial_values(trials: Sequence[TrialTimes], metric: str) -> list[TrialValue]:
    """The mean of a quantity in each usable trial that has it, warm-up rounds left out."""
    found = []
    for trial in without_warm_up(trials):
        values = [value for value in _readings(trial).get(metric, []) if value > 0]
        if is_usable(trial) and values:
            block = trial.facts.settings.get("block") or trial.facts.settings.get("repetition") or 1
            found.append(TrialValue(cell=_cell(trial), block=int(str(block)), value=math.fsum(values) / len(values)))
    return found


def between_repetitions(values: Sequence[TrialValue]) -> Scatter | None:
    """Of trials of one cell, all cells together; None where no cell has two."""
    return _residual(values, blocks=False)


def within_blocks(values: Sequence[TrialValue]) -> Scatter | None:
    """What is left of it when each block may be faster or slower as a whole; None where that cannot be told."""
    return _residual(values, blocks=True)


def _residual(values: Sequence[TrialValue], *, blocks: bool) -> Scatter | None:
    """Least squares on cells and, if asked, blocks: what they leave, over the degrees that they leave."""
    import numpy as np

    cells = sorted({one.cell for one in values})
    numbers = sorted({one.block for one in values}) if blocks else []
    columns = [[float(one.cell == cell) for one in values] for cell in cells]
    columns += [[float(one.block == number) for one in values] for number in numbers[1:]]
    if not columns:
        return None
    design = np.array(columns).T
    logs = np.log([one.value for one in values])
    fit, _, rank, _ = np.linalg.lstsq(design, logs, rcond=None)
    degrees = len(values) - int(rank)
    squares = float(np.sum((logs - design @ fit) ** 2))
    if degrees < 1 or squares < 1e-18:
        return None
    return Scatter(deviation=math.sqrt(squares / degrees), degrees=degrees)


def _readings(trial: TrialTimes) -> dict[str, list[float]]:
    complete = [made for made in trial.rounds if made.complete]
    found = {"t_r": [made.t_r_s for made in complete if made.t_r_s], "wall": [made.wall_s for made in complete]}
    phases = {phase: [one.value for one in readings] for phase, readings in phase_readings(trial).items()}
    return {name: values for name, values in {**found, **phases}.items() if values}


def _cell(trial: TrialTimes) -> str:
    levels = sorted(levels_of(trial).items())
    return repr((interface_of(trial), polling_of(trial), len(trial.facts.nodes), levels))
