"""When a trial may begin: not before its block's time of day, and not before the cool-down after the last. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from testbed.design.hours import block_starts
from testbed.plan import PlannedTrial


def may_begin(
    trial: PlannedTrial, trials: Sequence[PlannedTrial], *, began: datetime, last_ended: datetime | None
) -> datetime:
    """The first moment at which a trial may begin.

    `trials` is the whole plan, `began` when the campaign did, which a resumed one remembers: blocks that are due
    are not put off by another day. `last_ended` is when the trial before ended; None: there was none. Times are the
    controller's local ones.
    """
    moment = began
    if trial.earliest is not None:
        moment = _starts(trials, began)[trial.block]
    if last_ended is not None:
        moment = max(moment, last_ended + timedelta(seconds=trial.campaign.design.cooldown_s))
    return moment


def _starts(trials: Sequence[PlannedTrial], began: datetime) -> dict[int, datetime]:
    hours = {trial.block: trial.earliest for trial in trials if trial.earliest is not None}
    return dict(zip(hours, block_starts(list(hours.values()), began), strict=True))
