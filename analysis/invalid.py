"""Which trials are invalid, for which reasons, and which cells of the design are left without a valid one.

The reasons are the closed list of docs/validity.md, as the runner wrote them into trial.json. Runs from before that
list say in words alone why a trial is invalid: they are counted as not classified.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.model import TrialTimes
from analysis.samples import interface_of

NEXT_STEPS: Mapping[str, str] = {
    "another interface": "On the nodes that it names, see `ip route get` and `ip rule`; docs/lab.md, Pinning.",
    "clock error": "Let clock exchanges go over a management network (UDP to the server), then repeat the trial.",
    "throttled": "Cool that host or give it a supply that holds its voltage, then repeat the trial.",
    "capture dropped": "Capture fewer interfaces or write to a faster disk, then repeat the trial.",
    "other load": "End the program that it names, or take the trial to a machine of its own, and repeat it.",
    "version mismatch": "Install the same versions on all hosts (fedprobe provision), then repeat the trial.",
    "records missing": "Look at that host's logs for what killed the process, and repeat the trial.",
    "not stored": "Make room where the run folder lies, then repeat the trial.",
}
NOT_CLASSIFIED = "not classified"
INTERRUPTED = "interrupted"
_CELL = re.compile(r"\d+-(.+)-r\d+")


def is_valid(trial: TrialTimes) -> bool:
    """Whether nothing speaks against a trial."""
    return trial.facts.outcome == "ok"


def reasons_of(trial: TrialTimes) -> list[tuple[str, str]]:
    """Reason and detail of everything that speaks against a trial; empty for a valid one."""
    facts = trial.facts
    if is_valid(trial):
        return []
    told = [(str(one.get("reason", NOT_CLASSIFIED)), str(one.get("detail", ""))) for one in facts.reasons]
    unknown = INTERRUPTED if facts.outcome == "unfinished" else NOT_CLASSIFIED
    return told or [(unknown, facts.reason)]


def next_step(trial: TrialTimes) -> str:
    """What to do about an invalid trial, by the first of its reasons that has an answer of its own."""
    otherwise = "Look at that trial's logs, repair the cause, and run the campaign again: fedprobe run."
    found = [reason for reason, _ in reasons_of(trial)]
    if trial.facts.settings.get("astray"):  # all that runs from before the list tell
        found.insert(0, "another interface")
    return next((NEXT_STEPS[reason] for reason in found if reason in NEXT_STEPS), otherwise)


def by_reason(trials: Sequence[TrialTimes]) -> dict[str, list[str]]:
    """The names of the invalid trials under each reason, the most frequent first; under several, each counts."""
    found: dict[str, list[str]] = {}
    times = Counter(trial.facts.name for trial in trials)
    for trial in trials:
        name, attempt = trial.facts.name, trial.facts.settings.get("attempt")
        called = f"{name} (attempt {attempt})" if times[name] > 1 and attempt else name
        for reason in dict.fromkeys(reason for reason, _ in reasons_of(trial)):
            found.setdefault(reason, []).append(called)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def cell_of(trial: TrialTimes) -> str:
    """The cell of the design that a trial is of: by its levels, else by its name, else its network."""
    levels = trial.facts.settings.get("levels")
    if isinstance(levels, Mapping) and levels:
        return ", ".join(f"{factor} {level}" for factor, level in levels.items())
    named = _CELL.match(trial.facts.name)
    return named[1] if named else interface_of(trial)


def empty_cells(trials: Sequence[TrialTimes]) -> list[str]:
    """The cells that were tried and have no valid trial; warm-ups are of no cell."""
    tried = [trial for trial in trials if not trial.facts.warmup]
    filled = {cell_of(trial) for trial in tried if is_valid(trial)}
    return [cell for cell in dict.fromkeys(map(cell_of, tried)) if cell not in filled]


def validity_json(trials: Sequence[TrialTimes]) -> dict[str, Any]:
    """The counts, for the document of a report."""
    valid = sum(map(is_valid, trials))
    return {
        "trials": len(trials),
        "valid": valid,
        "invalid": len(trials) - valid,
        "by_reason": {reason: len(names) for reason, names in by_reason(trials).items()},
        "cells_without_valid_trial": empty_cells(trials),
    }
