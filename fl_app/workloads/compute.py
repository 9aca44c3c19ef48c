"""Stated compute time without computing: a client that sleeps, or one that keeps a core busy."""

from __future__ import annotations

import time
from collections.abc import Callable

from .payload import Compute


def compute_until(
    end_s: float,
    compute: Compute,
    *,
    now_s: Callable[[], float] = time.perf_counter,
    sleep_s: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the clock `now_s` has reached `end_s`, at once where it has already."""
    if compute == "sleep":
        remaining_s = end_s - now_s()
        if remaining_s > 0:
            sleep_s(remaining_s)
        return
    while now_s() < end_s:
        pass
