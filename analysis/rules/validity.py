"""Do enough trials hold? A campaign that lost many, or all of one kind, does not say what it was to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.formats import count, listed, percent
from analysis.invalid import by_reason, empty_cells, is_valid
from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.verdicts import Verdict

MANY, MOST = 0.2, 0.5  # of the trials


def many_invalid(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """What is left of a campaign that lost many trials is a selection: those that the cause did not hit."""
    tried = [trial for trial in trials if not trial.facts.warmup]
    invalid = [trial for trial in tried if not is_valid(trial)]
    share = len(invalid) / len(tried) if tried else 0.0
    if share > MANY:
        reasons = [f"{reason} ({len(names)})" for reason, names in by_reason(invalid).items()]
        yield Verdict(
            severity="unfit" if share > MOST else "warn",
            rule="many_invalid",
            finding=f"{len(invalid)} of {count(len(tried), 'trial')} invalid, {percent(share)} (allowed: "
            f"{percent(MANY)}): {listed(reasons, most=6)}.",
            next_step="Remove the most frequent cause first: docs/validity.md says what each reason means.",
        )


def cells_without_trial(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A combination of levels that was tried and has no valid trial: the design has a hole there."""
    empty = empty_cells(trials)
    if empty:
        them = "it" if len(empty) == 1 else "them"
        yield Verdict(
            severity="unfit",
            rule="cells_without_trial",
            finding=f"no valid trial for {listed(empty)}: nothing can be said of {them}, nor of a difference that "
            f"needs {them}.",
            next_step="Repair the cause and repeat these trials, or leave that cell out of what is claimed.",
        )


RULES = (many_invalid, cells_without_trial)
