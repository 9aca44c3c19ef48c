"""One report's content: the numbers, the verdicts on them, and the document that `fedprobe report --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from analysis.baseline import Baseline
from analysis.formats import count
from analysis.levels import STOCK, is_polling, split
from analysis.measured import Measured, measure
from analysis.model import TrialTimes
from analysis.revision import revision
from analysis.rules import judge
from analysis.verdicts import SEVERITIES, Verdict, exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a report says, and the trials it was made from; `revision` is that of the fedprobe that made it.

    Trials of one combination of levels only, named by `level`: `others` holds the summaries of the run's other
    combinations. Verdicts are of all.
    `selftest` is the newest result of `fedprobe selftest` when the run began, None where there was none.
    `baseline` is what the links could do alone before the campaign, None where it did not ask.
    """

    trials: Sequence[TrialTimes]
    measured: Measured
    verdicts: Sequence[Verdict]
    revision: Mapping[str, str]
    level: str = STOCK
    others: Mapping[str, Summary] = field(default_factory=dict)
    selftest: Mapping[str, Any] | None = None
    baseline: Baseline | None = None

    @property
    def exit_code(self) -> int:
        """0, or 3 where a verdict is `unfit`."""
        return exit_code(self.verdicts)


def summarise(trials: Sequence[TrialTimes], *, made_by: Mapping[str, str] | None = None) -> Summary:
    """Numbers and verdicts of these trials, of which some may be invalid or warm-ups.

    Raises EstimateError where a measured time is not finite.
    """
    levels = split(trials)
    made = {level: _of_one_level(of, level, made_by) for level, of in levels.items()} or {
        STOCK: _of_one_level([], STOCK, made_by)
    }
    (_, first), *others = made.items()
    if not others:
        return first
    verdicts = [
        verdict if level == first.level else replace(verdict, finding=f"{_named(level)}: {verdict.finding}")
        for level, summary in made.items()
        for verdict in summary.verdicts
    ]
    if not is_polling(first.level):
        verdicts.append(_of_which_level(first, len(others)))
    verdicts.sort(key=lambda verdict: SEVERITIES.index(verdict.severity))
    return replace(first, verdicts=verdicts, others=dict(others))


def _named(level: str) -> str:
    return f"{level} polling" if is_polling(level) else level


def _of_which_level(first: Summary, others: int) -> Verdict:
    return Verdict(
        severity="info",
        rule="levels",
        finding=f"tables and figures are of {first.level}; {count(others, 'other combination')} of levels "
        f"{'stands' if others == 1 else 'stand'} beside it, compared phase by phase.",
        next_step="Read the comparisons; the trial table names the trials of each.",
    )


def _of_one_level(trials: Sequence[TrialTimes], level: str, made_by: Mapping[str, str] | None) -> Summary:
    measured = measure(trials)
    return Summary(
        trials=trials,
        measured=measured,
        verdicts=judge(trials, measured),
        revision=revision() if made_by is None else made_by,
        level=level,
    )


def every_trial(summary: Summary) -> list[TrialTimes]:
    """The trials of all combinations of levels; of several, in the order of their names: that of the run."""
    if not summary.others:
        return list(summary.trials)
    levels = [summary, *summary.others.values()]
    return sorted((trial for level in levels for trial in level.trials), key=lambda trial: trial.facts.name)
