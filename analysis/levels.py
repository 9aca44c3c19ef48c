"""Trials of a run parted by the levels of its factors: each combination is an experiment of its own.

The report's tables are by network, so the network parts nothing here. Of the other combinations the first is what the
tables show, Flower's own waits ("stock") before shortened ones; the others stand beside it in comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.model import TrialTimes
from analysis.samples import is_usable, natural

STOCK, FAST = "stock", "fast"
_PARTED_ELSEWHERE = ("interface", "polling", "fault")


def polling_of(trial: TrialTimes) -> str:
    """Which waits a trial ran with; a trial that says nothing left Flower's own."""
    return str(trial.facts.settings.get("polling") or STOCK)


def split(trials: Sequence[TrialTimes]) -> dict[str, list[TrialTimes]]:
    """The trials by combination of levels, the one that the tables show first; one without a usable trial is last.

    A combination is named "stock" or "fast" where polling alone differs, else as in "clients 4, layout flat, fast".
    """
    varied = varied_in(trials)
    found: dict[str, list[TrialTimes]] = {}
    for trial in trials:
        found.setdefault(_name(trial, varied), []).append(trial)
    return {name: found[name] for name in sorted(found, key=lambda name: _order(name, found[name]))}


def is_polling(name: str) -> bool:
    """Whether a combination is named by polling alone."""
    return name in {STOCK, FAST}


def varied_in(trials: Iterable[TrialTimes]) -> list[str]:
    """The factors that part trials here: those of which the run has two levels or more."""
    levels: dict[str, set[str]] = {}
    for trial in trials:
        for name, level in levels_of(trial).items():
            levels.setdefault(name, set()).add(repr(level))
    return [name for name, found in levels.items() if len(found) > 1 and name not in _PARTED_ELSEWHERE]


def levels_of(trial: TrialTimes) -> Mapping[str, Any]:
    """The levels that a trial was planned with, by factor; none where no plan made it."""
    found = trial.facts.settings.get("levels")
    return found if isinstance(found, dict) else {}


def _name(trial: TrialTimes, varied: Sequence[str]) -> str:
    levels, waits = levels_of(trial), polling_of(trial)
    parts = [f"{name.rpartition('.')[2]} {_shown(levels[name])}" for name in varied if name in levels]
    return ", ".join([*parts, *([waits] if waits != STOCK or not parts else [])])


def _shown(level: Any) -> str:
    match level:
        case bool():
            return "true" if level else "false"
        case float():
            return f"{level:g}"
        case dict():
            return " ".join(f"{key} {_shown(value)}" for key, value in level.items()) or "none"
        case list():
            return "+".join(_shown(one) for one in level) or "none"
    return str(level)


def _order(name: str, trials: Sequence[TrialTimes]) -> tuple[bool, bool, list[tuple[int, str]]]:
    return (not any(is_usable(trial) for trial in trials), polling_of(trials[0]) != STOCK, natural(name))
