"""Records the pauses of Python's garbage collector: while it runs, a process reads, sends and answers nothing.

A SuperLink was stopped for 110 ms by one full collection. What arrived meanwhile is read late, and only these records
tell that apart from the network.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Mapping

from instrument.flower.session import probe
from instrument.records import Sleep

WHERE = "gc"
SHORTEST_NS = 1_000_000


class PauseRecorder:
    """A callback of `gc`. It must take no lock: a collection may begin while its own thread holds one."""

    def __init__(self) -> None:
        self._probe = probe()  # not asked for again: making one takes locks
        self._start_ns = 0

    def __call__(self, phase: str, _info: Mapping[str, int]) -> None:
        """Called by the collector at its "start" and "stop"."""
        now_ns = self._probe.clock.mono_ns()
        if phase == "start":
            self._start_ns = now_ns
        elif now_ns - self._start_ns >= SHORTEST_NS:
            self._probe.emit(
                Sleep(
                    where=WHERE,
                    asked_s=0.0,
                    start_mono_ns=self._start_ns,
                    end_mono_ns=now_ns,
                    thread=threading.get_native_id(),
                )
            )


def record_pauses() -> None:
    """Record every collection of this process that takes a millisecond or more."""
    gc.callbacks.append(PauseRecorder())
