"""The live view where there is no terminal: a line for each thing that changes. Pure."""

from __future__ import annotations

from testbed.watch import wording
from testbed.watch.overview import Overview


def changes(before: Overview | None, now: Overview) -> list[str]:
    """What is new since the look before, in lines; all of it at the first look."""
    lines: list[str] = []
    if before is None or (before.standing, before.done) != (now.standing, now.done):
        parts = [f"{now.campaign or wording.NO_NAME}: {wording.standing(now)}", wording.progress(now)]
        lines.append("; ".join(filter(None, [*parts, wording.remaining(now)])))
    mark = _mark(now)
    if now.trial is not None and (before is None or mark != _mark(before)):
        one = now.trial
        where = f", round {one.round} of {one.rounds}" if one.round and one.state == "running" else ""
        lines.append(f"{one.name}: {one.state}{where}")
    known = set(before.warnings) if before else set()
    lines += [f"warning: {words}" for words in reversed(now.warnings) if words not in known]
    scored = {one.scenario: one for one in before.scores} if before else {}
    for score in now.scores:
        if scored.get(score.scenario) != score:
            values = ", ".join(f"{name} {value:.4g}" for name, value in sorted(score.values.items()))
            lines.append(f"{score.scenario}: round {score.round}: {values}")
    return lines


def _mark(view: Overview) -> tuple[str, str, int] | None:
    one = view.trial
    return None if one is None else (one.name, one.state, one.round if one.state == "running" else 0)
