"""What a reader must know of the faults that a campaign asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis import formats
from analysis.measured import Measured
from analysis.model import FaultEffect, TrialTimes
from analysis.verdicts import Verdict


def declared_faults(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A trial under a fault is no trial of the network alone, whatever came of it; a fault that missed is a flaw."""
    for trial in trials:
        applied = [effect for effect in trial.effects if effect.phase == "applied"]
        if applied:
            yield Verdict(
                severity="info",
                rule="declared_faults",
                finding=f"trial {trial.facts.name} ran under the fault {applied[0].fault}: "
                f"{formats.listed([_words(effect) for effect in applied])}.",
                next_step="Compare it with trials under the same fault, or with those under none as its cost.",
            )
        for effect in (effect for effect in trial.effects if effect.phase == "missed"):
            yield Verdict(
                severity="warn",
                rule="declared_faults",
                finding=f"trial {trial.facts.name}: the fault {effect.fault} was not applied to {effect.host}: "
                f"{effect.detail.rstrip('.')}.",
                next_step="Count the trial as one without that fault, or correct the fault's moment and repeat it.",
            )


def _words(effect: FaultEffect) -> str:
    begun = "the run" if effect.since == "run" else effect.since
    when = f"{effect.does} on {effect.host} {effect.since_s:.1f} s after {begun} began"
    costs = []
    if effect.noticed_s is not None:
        codes = formats.listed([str(code) for code in effect.error_codes])
        costs.append(f"noticed after {formats.duration(effect.noticed_s)} by code {codes}")
    if effect.lost:
        costs.append(f"not complete: {formats.count(len(effect.lost), 'round')}")
    if effect.wasted_s:
        costs.append(f"{formats.duration(effect.wasted_s)} of work wasted")
    return f"{when} ({', '.join(costs)})" if costs else when


RULES = (declared_faults,)
