"""Captures end a while after the transfers, not a while after everything else."""

from __future__ import annotations

import os
import signal

import pytest

from collectors.settling import SETTLE_NS, Settling
from instrument.clock import ManualClock

OVER_NS = 5_000_000_000
NUMBER = signal.SIGUSR2


def test_untold_it_waits_from_now_on() -> None:
    clock = ManualClock(OVER_NS)
    Settling(clock).wait()
    assert clock.mono_ns() == OVER_NS + SETTLE_NS


@pytest.mark.parametrize("later_ns", [0, SETTLE_NS // 2, SETTLE_NS])
def test_told_by_a_signal_it_waits_from_then_on(later_ns: int) -> None:
    clock = ManualClock(OVER_NS)
    settling = Settling(clock)
    before = signal.getsignal(NUMBER)
    try:
        settling.on_signal(NUMBER)
        os.kill(os.getpid(), NUMBER)
    finally:
        signal.signal(NUMBER, before)
    clock.advance(later_ns)
    settling.over()  # the first that told it counts
    settling.wait()
    assert clock.mono_ns() == OVER_NS + SETTLE_NS


def test_what_has_settled_is_not_waited_for() -> None:
    clock = ManualClock(OVER_NS)
    settling = Settling(clock)
    settling.over()
    clock.advance(2 * SETTLE_NS)
    settling.wait()
    assert clock.mono_ns() == OVER_NS + 2 * SETTLE_NS
