"""When each trial of a plan begins and ends if it takes as long as estimated, and what a budget lets in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.formats import count
from testbed.design.estimate import BUILD_S, Estimate
from testbed.design.factors import DesignError
from testbed.design.hours import gaps_s
from testbed.plan import PlannedTrial


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One trial in seconds from the start of the campaign's first block."""

    trial: PlannedTrial
    begins_s: float
    ends_s: float


def schedule(
    planned: Sequence[PlannedTrial], estimates: Mapping[str, Estimate], *, before_s: float = 0.0
) -> list[Slot]:
    """The slots of a plan, by each trial's estimate: cool-downs, times of day and rebuilt testbeds counted.

    `before_s` is spent before the first trial, such as on measuring links.
    """
    hours = {trial.block: trial.earliest for trial in planned if trial.earliest is not None}
    due = dict(zip(hours, gaps_s([hour for hour in hours.values() if hour]), strict=True))
    slots: list[Slot] = []
    now_s = before_s
    for place, trial in enumerate(planned):
        emulated = trial.campaign.testbed.kind == "emulated"
        if emulated and (place == 0 or planned[place - 1].testbed_key != trial.testbed_key):
            now_s += BUILD_S
        if place:
            now_s += trial.campaign.design.cooldown_s
        begins_s = max(now_s, due.get(trial.block, 0.0))
        now_s = begins_s + estimates[trial.name].seconds
        slots.append(Slot(trial=trial, begins_s=begins_s, ends_s=now_s))
    return slots


def within(slots: Sequence[Slot], budget_h: float) -> list[Slot]:
    """The whole blocks that end within a budget: part of a block would unbalance the design.

    Raises DesignError where not even the first does.
    """
    ends_s: dict[int, float] = {}
    for slot in slots:
        ends_s[slot.trial.block] = slot.ends_s
    fit = {block for block, end_s in ends_s.items() if end_s <= budget_h * 3600}
    if not fit:
        first = min(ends_s)
        trials = sum(slot.trial.block == first for slot in slots)
        raise DesignError(
            f"design.budget_h = {budget_h:g}: one block of {count(trials, 'trial')} takes about "
            f"{ends_s[first] / 3600:.2g} h. Allow that much, or ask for fewer levels, rounds or clients."
        )
    return [slot for slot in slots if slot.trial.block in fit]
