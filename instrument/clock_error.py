"""A clock made wrong on purpose: FEDPROBE_CLOCK=drift_ppm=150,wall_ms=137 for every process of a host.

It is how the mapping of clocks is tested where all hosts are one machine, whose own clock is never touched: the
monotonic clock of the processes under it runs fast or slow, and their wall clock is off.

step_file=PATH names a file by which these clocks are stepped while the processes run: `instrument.clock_step`.
"""

from __future__ import annotations

from collections.abc import Mapping

from instrument.clock_step import NO_STEP, ClockStep, step_of
from instrument.values import record

VARIABLE = "FEDPROBE_CLOCK"
LARGEST = 1e9  # a comparison that NaN fails too
_KEYS = ("drift_ppm", "wall_ms")
_STEP_FILE = "step_file"


@record
class ClockError:
    """How wrong a host's clocks are: parts per 10^9 too fast since boot, nanoseconds that the wall clock is ahead."""

    drift_ppb: int = 0
    wall_ns: int = 0
    step: ClockStep = NO_STEP

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ClockError:
        """What FEDPROBE_CLOCK asks for. Raises ValueError, which says what it expects."""
        text = environment.get(VARIABLE, "")
        values = dict.fromkeys(_KEYS, 0.0)
        step_file = ""
        for item in filter(None, text.split(",")):
            key, _, number = item.partition("=")
            if key.strip() == _STEP_FILE:
                step_file = number
                continue
            try:
                values[key.strip()] = float(number)
            except ValueError:
                values[key.strip()] = float("nan")
        if set(values) != set(_KEYS) or not all(abs(value) <= LARGEST for value in values.values()):
            raise ValueError(
                f"{VARIABLE}={text!r} is no clock error. Write it as drift_ppm=150,wall_ms=137, or leave it unset."
            )
        return cls(
            drift_ppb=round(values["drift_ppm"] * 1000),
            wall_ns=round(values["wall_ms"] * 1_000_000),
            step=step_of(step_file),
        )

    def mono_ns(self, kernel_ns: int) -> int:
        """The wrong clock's reading where the kernel's monotonic clock reads this."""
        return kernel_ns + kernel_ns * self.drift_ppb // 1_000_000_000 + self.step.mono_ns(kernel_ns)

    @property
    def monotonic_is_wrong(self) -> bool:
        """Whether the monotonic clock may differ from the kernel's."""
        return self.drift_ppb != 0 or self.step is not NO_STEP

    @property
    def label(self) -> str:
        """What a clock's name has added, so that two clocks of one kernel are never taken for one."""
        drift = f"{self.drift_ppb:+d}ppb" if self.drift_ppb else ""
        return drift if self.step is NO_STEP else f"{drift}+steps"
