"""One report's content: the numbers, the verdicts on them, and the document that `fedprobe report --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.measured import Measured, measure
from analysis.model import TrialTimes
from analysis.revision import revision
from analysis.rules import judge
from analysis.verdicts import Verdict, exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a report says, and the trials it was made from; `revision` is that of the fedprobe that made it."""

    trials: Sequence[TrialTimes]
    measured: Measured
    verdicts: Sequence[Verdict]
    revision: Mapping[str, str]

    @property
    def exit_code(self) -> int:
        """0, or 3 where a verdict is `unfit`."""
        return exit_code(self.verdicts)


def summarise(trials: Sequence[TrialTimes], *, made_by: Mapping[str, str] | None = None) -> Summary:
    """Numbers and verdicts of these trials, of which some may be invalid or warm-ups.

    Raises EstimateError where a measured time is not finite.
    """
    measured = measure(trials)
    return Summary(
        trials=trials,
        measured=measured,
        verdicts=judge(trials, measured),
        revision=revision() if made_by is None else made_by,
    )
