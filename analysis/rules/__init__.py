"""The rules that judge a report: files, records, validity, transfers, cores, convergence, testbed, design."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.rules import convergence, declared, design, faults, files, records, starvation, transfers, validity
from analysis.verdicts import SEVERITIES, Verdict

Rule = Callable[[Sequence[TrialTimes], Measured], Iterator[Verdict]]
RULES: Sequence[Rule] = (
    *records.RULES,
    *validity.RULES,
    *files.RULES,
    *transfers.RULES,
    *starvation.RULES,
    *convergence.RULES,
    *declared.RULES,
    *faults.RULES,
    *design.RULES,
)


def judge(trials: Sequence[TrialTimes], measured: Measured) -> list[Verdict]:
    """Every verdict on these trials, the gravest first, else in the order of the rules."""
    found = [verdict for rule in RULES for verdict in rule(trials, measured)]
    return sorted(found, key=lambda verdict: SEVERITIES.index(verdict.severity))
