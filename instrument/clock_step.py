"""Steps of an injected clock while processes read it: a small file that all processes of a host have mapped.

The file holds three integers of 64 bits in the machine's byte order: the reading of the kernel's monotonic clock from
which the step counts, and by how many nanoseconds it moves the monotonic and the wall clock. Zeros: no step. The
machine's own clocks are never touched. A reading costs 0.3 us more, on hosts of such a trial alone.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

from instrument.values import value

WORDS = 3
FILE_BYTES = WORDS * 8


@value
class ClockStep:
    """The steps of one host's clocks, as its file says at each moment; an empty view is no step, ever."""

    words: memoryview

    def mono_ns(self, kernel_ns: int) -> int:
        """By how much the monotonic clock is ahead at a moment of the kernel's monotonic clock."""
        return self._ahead(kernel_ns, 1)

    def wall_ns(self, kernel_ns: int) -> int:
        """By how much the wall clock is ahead at a moment of the kernel's monotonic clock."""
        return self._ahead(kernel_ns, 2)

    def _ahead(self, kernel_ns: int, place: int) -> int:
        words = self.words
        if not words or not words[0] or kernel_ns < words[0]:
            return 0
        return int(words[place])


NO_STEP = ClockStep(memoryview(b"").cast("q"))


def step_of(path: str) -> ClockStep:
    """The steps that a file asks for; no path: none. Raises ValueError where there is no such file."""
    if not path:
        return NO_STEP
    try:
        with Path(path).open("rb") as file:
            mapped = mmap.mmap(file.fileno(), FILE_BYTES, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise ValueError(f"step_file={path}: not a file of clock steps: {error}. `clear_step` makes one.") from error
    return ClockStep(memoryview(mapped).cast("q"))


def clear_step(path: Path) -> None:
    """Make the file where there is none, or take the step back."""
    _write(path, (0, 0, 0))


def set_step(path: Path, *, from_ns: int, mono_ns: int, wall_ns: int) -> None:
    """Step the clocks, as of a moment of the kernel's monotonic clock. Raises OSError where there is no such file."""
    _write(path, (0, mono_ns, wall_ns))  # the moment goes last: no reader sees half of a step
    _write(path, (from_ns, mono_ns, wall_ns))


def _write(path: Path, words: tuple[int, int, int]) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(file, struct.pack(f"={WORDS}q", *words), 0)
    finally:
        os.close(file)
