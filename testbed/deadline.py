"""A time limit on whatever is done in a `with` block, also on a wait that has none of its own.

    with deadline(60.0, "starting"): ...

It is the process's one alarm, so blocks are not nested and belong to the main thread.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class DeadlineError(Exception):
    """What was done took longer than it may. No FedprobeError: who goes on after those must not after this."""


@contextmanager
def deadline(limit_s: float, what: str) -> Iterator[None]:
    """Raises DeadlineError in the block after `limit_s` seconds."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise DeadlineError(f"{what} took longer than {limit_s:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, max(limit_s, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
