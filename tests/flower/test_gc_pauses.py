"""Pauses of the garbage collector: the long ones are recorded, without a lock being taken."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from instrument.clock import ManualClock
from instrument.flower import gc_pauses
from instrument.records import Sleep


@pytest.mark.parametrize(("pause_ns", "recorded"), [(999_999, 0), (1_000_000, 1), (110_000_000, 1)])
def test_a_collection_of_a_millisecond_is_recorded(
    monkeypatch: pytest.MonkeyPatch, pause_ns: int, recorded: int
) -> None:
    noted: list[Sleep] = []
    clock = ManualClock(mono_ns=7)
    monkeypatch.setattr(gc_pauses, "probe", lambda: SimpleNamespace(clock=clock, emit=noted.append))
    recorder = gc_pauses.PauseRecorder()
    recorder("start", {"generation": 2})
    clock.advance(pause_ns)
    recorder("stop", {"generation": 2})
    assert [(one.where, one.start_mono_ns, one.end_mono_ns) for one in noted] == [("gc", 7, 7 + pause_ns)] * recorded
