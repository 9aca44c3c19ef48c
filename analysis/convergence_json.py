"""The part of `fedprobe report --json` about convergence, by interface."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from analysis.convergence import Convergence, Judged, Moment, TimeTo
from analysis.measured import Measured
from analysis.survival import CensoredMedian


def convergence_json(measured: Measured) -> dict[str, Any]:
    """The rule, medians to the target and to the stop, and every trial."""
    return {name: _of(found) for name, found in measured.convergence.items()}


def _of(found: Convergence) -> dict[str, Any]:
    return {
        **asdict(found.rule),
        "target": _time_to(found.target),
        "stop": _time_to(found.stop),
        "stops": dict(found.stops),
        "unscored": list(found.unscored),
        "trials": [_trial(one) for one in found.judged],
    }


def _time_to(to: TimeTo | None) -> dict[str, Any] | None:
    if to is None:
        return None
    return {
        "median_rounds": to.rounds.median,
        "ci95_rounds": _interval(to.rounds),
        "median_s": to.seconds.median,
        "ci95_s": _interval(to.seconds),
        "n": to.rounds.n,
        "reached": to.rounds.reached,
        "censored": to.rounds.censored,
    }


def _interval(of: CensoredMedian) -> list[float | None] | None:
    return None if of.interval is None else list(of.interval)


def _trial(one: Judged) -> dict[str, Any]:
    return {
        "trial": one.trial,
        "source": one.source,
        "best": one.best,
        "ended_early": one.ended_early,
        "target": _moment(one.target),
        "stop": _moment(one.stop),
        "app_stop": _moment(one.app_stop),
    }


def _moment(moment: Moment | None) -> dict[str, Any] | None:
    return None if moment is None else {**asdict(moment), "censored": moment.censored}
