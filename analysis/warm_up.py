"""Rounds that a campaign marked as warm-up: they stay in the records, and no estimate is made of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.model import TrialTimes


def warm_up_rounds(trial: TrialTimes) -> int:
    """How many first rounds of a trial are marked."""
    marked = trial.facts.settings.get("warmup_rounds")
    return marked if isinstance(marked, int) and marked > 0 else 0


def without_warm_up(trials: Sequence[TrialTimes]) -> list[TrialTimes]:
    """The trials as if their marked rounds had not been recorded, for estimates."""
    return [_without(trial, warm_up_rounds(trial)) for trial in trials]


def _without(trial: TrialTimes, marked: int) -> TrialTimes:
    if not marked:
        return trial
    return replace(
        trial,
        rounds=[made for made in trial.rounds if made.round > marked],
        messages=[message for message in trial.messages if message.round > marked],
        evaluate_server_s=trial.evaluate_server_s[marked + _before_the_first(trial) :],
    )


def _before_the_first(trial: TrialTimes) -> int:
    """Evaluations of the model that a strategy starts with: one more than there are rounds."""
    return int(len(trial.evaluate_server_s) > len(trial.rounds))
