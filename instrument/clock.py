"""Clocks, and timestamps that know which clock they were read from.

A monotonic clock belongs to one boot of one host *and* to one time namespace on it: two processes with the
same boot id but different time namespaces read different clocks. Subtracting timestamps of different clocks
is an error here, not a number.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from instrument.clock_error import ClockError
from instrument.clock_step import NO_STEP
from instrument.values import value


class ClockMismatchError(ValueError):
    """Two timestamps of different clocks were subtracted or compared."""


@value
class ClockId:
    """Which clock: its kernel name, the boot id of its host, and the inode of its time namespace."""

    name: str
    boot_id: str
    time_namespace: int

    def __str__(self) -> str:
        return f"{self.name}/{self.boot_id}/{self.time_namespace}"

    @classmethod
    def parse(cls, text: str) -> ClockId:
        """The inverse of `str`. Raises ValueError for anything else."""
        name, boot_id, namespace = text.split("/")
        return cls(name, boot_id, int(namespace))


def short_id(clock: str) -> str:
    """Eight hexadecimal digits that stand for a clock's id where each byte counts: in a header of every response."""
    return hashlib.sha256(clock.encode()).hexdigest()[:8]


@value
class Instant:
    """One reading of one clock, in nanoseconds."""

    clock: ClockId
    ns: int

    def __sub__(self, other: Instant) -> int:
        """Nanoseconds from `other` to this instant. Raises ClockMismatchError across clocks."""
        if self.clock != other.clock:
            raise ClockMismatchError(
                f"cannot subtract a reading of {other.clock} from one of {self.clock}: "
                "different clocks. Map one onto the other with analysis.timeline first."
            )
        return self.ns - other.ns

    def __lt__(self, other: Instant) -> bool:
        return self - other < 0


class Clock(Protocol):
    """What the project reads time from."""

    def mono_ns(self) -> int:
        """Monotonic nanoseconds: for every duration."""
        ...

    def wall_ns(self) -> int:
        """Wall-clock nanoseconds since the epoch: for labels only, never for durations."""
        ...

    def sleep_until_mono_ns(self, deadline_ns: int) -> None:
        """Return at or after the deadline on the monotonic clock."""
        ...


class SystemClock:
    """The kernel's clocks, made wrong where FEDPROBE_CLOCK asks for it.

    `kernel_wall` leaves the wall clock as it is: packets bear the kernel's own stamps.
    Raises ValueError where FEDPROBE_CLOCK cannot be understood.
    """

    def __init__(self, *, kernel_wall: bool = False) -> None:
        self._error = ClockError.of(os.environ)
        self._wall_ns = 0 if kernel_wall else self._error.wall_ns
        self._step = NO_STEP if kernel_wall else self._error.step
        # CLOCK_MONOTONIC, in nanoseconds: the interpreter's own function, as each measured moment is a call of it
        is_wrong = self._error.monotonic_is_wrong
        self.mono_ns: Callable[[], int] = self._wrong_mono_ns if is_wrong else time.monotonic_ns

    def _wrong_mono_ns(self) -> int:
        return self._error.mono_ns(time.monotonic_ns())

    def wall_ns(self) -> int:
        """CLOCK_REALTIME, in nanoseconds."""
        if self._step is NO_STEP:
            return time.time_ns() + self._wall_ns
        return time.time_ns() + self._wall_ns + self._step.wall_ns(time.monotonic_ns())

    def sleep_until_mono_ns(self, deadline_ns: int) -> None:
        """Sleep until the deadline; returns at once where it has passed."""
        while (remaining_ns := deadline_ns - self.mono_ns()) > 0:
            time.sleep(remaining_ns / 1e9)

    def of_kernel_ns(self, kernel_ns: int) -> int:
        """This clock's reading at a moment that the kernel told by its own monotonic clock."""
        return self._error.mono_ns(kernel_ns)


class ManualClock:
    """A clock that moves only when told to: for tests with exact results."""

    def __init__(self, mono_ns: int = 0, wall_ns: int = 0) -> None:
        self._mono_ns = mono_ns
        self._wall_ns = wall_ns

    def mono_ns(self) -> int:
        """The monotonic reading set by `advance`."""
        return self._mono_ns

    def wall_ns(self) -> int:
        """The wall reading set by `advance`."""
        return self._wall_ns

    def sleep_until_mono_ns(self, deadline_ns: int) -> None:
        """Jump to the deadline."""
        self.advance(max(0, deadline_ns - self._mono_ns))

    def advance(self, ns: int) -> None:
        """Move both clocks on by `ns`. Raises ValueError for a negative step: time cannot go back."""
        if ns < 0:
            raise ValueError(f"time cannot go backwards: asked to advance by {ns} ns")
        self._mono_ns += ns
        self._wall_ns += ns


def kernel_mono_ns() -> int:
    """CLOCK_MONOTONIC as the kernel has it, whatever FEDPROBE_CLOCK asks for; its steps begin by this."""
    return time.monotonic_ns()


def sleep_s(seconds: float) -> None:
    """Sleep on the system clock; negative values return at once."""
    if seconds > 0:
        time.sleep(seconds)


def this_clock() -> ClockId:
    """The monotonic clock of this process. Falls back to zeros where the kernel tells no boot id or namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    boot_id = boot.read_text(encoding="ascii").strip() if boot.exists() else "unknown"
    try:
        namespace = os.stat("/proc/self/ns/time").st_ino  # noqa: PTH116
    except OSError:
        namespace = 0
    return ClockId(f"monotonic{ClockError.of(os.environ).label}", boot_id, namespace)


def kernel_tick_ns() -> int:
    """The kernel's own unit of time for what it counts in ticks: 4 ms where CONFIG_HZ is 250.

    Source: CLOCK_MONOTONIC_COARSE, which is 6 in linux/time.h and has no name in Python, moves by one tick at a time.
    """
    return round(time.clock_getres(6) * 1e9)


def boottime_minus_monotonic_ns() -> int:
    """How far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC here (suspends), for start times out of /proc."""
    boottime_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return boottime_ns - time.monotonic_ns()
