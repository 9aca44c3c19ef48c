"""Records the sleeps of Flower's own polling modules, so that framework waits are measured and not guessed.

Where fast polling is asked for, they are cut short here; the record keeps what Flower asked for.
Each module sees a stand-in for `time` (or `sleep`, or `threading`) in its own globals; nothing else is touched.
"""

from __future__ import annotations

import os
import threading
import time
from types import ModuleType
from typing import Any

from instrument.flower.session import guarded, probe
from instrument.polling import FAST_BACK_OFF_S, FAST_WAIT_S, polling_of
from instrument.records import Sleep


def slept(where: str, asked_s: float, start_ns: int) -> None:
    """Record a sleep that ended now."""
    current = probe()
    current.emit(
        Sleep(
            where=where,
            asked_s=float(asked_s),
            start_mono_ns=start_ns,
            end_mono_ns=current.clock.mono_ns(),
            thread=threading.get_native_id(),
        )
    )


def _longest_s(fast_s: float) -> float:
    return fast_s if polling_of(os.environ) == "fast" else float("inf")


class RecordingTime:
    """Stands for the module `time` inside one module."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._longest_s = _longest_s(FAST_WAIT_S)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        """`time.sleep`, recorded."""
        start_ns = probe().clock.mono_ns()
        time.sleep(min(seconds, self._longest_s))  # noqa: TID251 this is the sleep that is measured
        guarded(slept, self._where, seconds, start_ns)


class RecordingThreading:
    """Stands for the module `threading` inside one module: its Events record their timed waits."""

    def __init__(self, where: str) -> None:
        longest_s = _longest_s(FAST_BACK_OFF_S)

        class RecordingEvent(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                start_ns = probe().clock.mono_ns()
                result = super().wait(timeout if timeout is None else min(timeout, longest_s))
                if timeout is not None:
                    guarded(slept, where, timeout, start_ns)
                return result

        self.Event = RecordingEvent

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


def hook_module_time(module: ModuleType) -> None:
    """For modules that call `time.sleep(...)`."""
    _ = module.time.sleep
    module.time = RecordingTime(module.__name__)  # type: ignore[attr-defined]


def hook_module_sleep(module: ModuleType) -> None:
    """For modules that did `from time import sleep`."""
    _ = module.sleep
    module.sleep = RecordingTime(module.__name__).sleep  # type: ignore[attr-defined]


def hook_back_off(module: ModuleType) -> None:
    """For `inflatable_utils`, whose back-off waits on an Event until an object is available."""
    _ = module.threading.Event
    module.threading = RecordingThreading(module.__name__)  # type: ignore[attr-defined]
