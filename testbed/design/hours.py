"""When the blocks of a campaign begin that are bound to times of day. Pure; times are the controller's local ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta


def block_starts(hours: Sequence[str], began: datetime) -> list[datetime]:
    """The earliest start of each block, whose hours are given in order, in a campaign that began at `began`.

    The first block begins at the first such time from `began` on, and each further one at the first after the block
    before it: with 02:00 and 14:00 in turn a campaign begun at noon has its first block in the next night.
    """
    starts: list[datetime] = []
    for hour in hours:
        after = starts[-1] + timedelta(minutes=1) if starts else began
        starts.append(_next(hour, after))
    return starts


def gaps_s(hours: Sequence[str]) -> list[float]:
    """Seconds from the start of the first block to the start of each, where no clock is changed between them."""
    starts = block_starts(hours, datetime(2000, 1, 1))  # noqa: DTZ001 (any day without a change of clocks)
    return [(start - starts[0]).total_seconds() for start in starts]


def _next(hour: str, after: datetime) -> datetime:
    hours, minutes = (int(part) for part in hour.split(":"))
    found = after.replace(hour=hours, minute=minutes, second=0, microsecond=0)
    return found if found >= after else found + timedelta(days=1)
