"""What a plan's trials were estimated to take, as the live view needs it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from testbed.design.schedule import Slot
from testbed.watch.live_document import Planned


def expected(slots: Sequence[Slot]) -> list[Planned]:
    """Each trial's estimate and the pause before it; a wait for a time of day is not in it, as that comes later."""
    pauses = [slots[0].begins_s] if slots else []
    for before, slot in pairwise(slots):
        waits = slot.trial.earliest is not None and slot.trial.block != before.trial.block
        pauses.append(slot.trial.campaign.design.cooldown_s if waits else slot.begins_s - before.ends_s)
    return [
        Planned(name=slot.trial.name, estimate_s=slot.ends_s - slot.begins_s, pause_s=pause)
        for slot, pause in zip(slots, pauses, strict=True)
    ]
