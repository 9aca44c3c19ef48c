"""How well chrony says that this host's wall clock is disciplined, where chrony runs.

Its bound of the wall clock's error is |system time offset| + root dispersion + root delay / 2.
Sources: chronyc(1), "tracking" and the option -c; chrony's FAQ on the maximum error of the clock; RFC 5905, section 4
(root distance).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from collectors.capture import clock_pair
from collectors.protocol import Reading, Site
from instrument.clock import SystemClock
from instrument.metrics import checked

# each reading starts a program: the first tick and every sixteenth, chrony's own shortest default polling interval
EVERY_TICKS = 16
TIMEOUT_S = 2.0
_FIELDS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """One line of `chronyc -c tracking`, in seconds; `frequency_ppm` is how fast the uncorrected clock runs."""

    synchronised: bool
    stratum: int
    system_offset_s: float
    frequency_ppm: float
    root_delay_s: float
    root_dispersion_s: float

    @property
    def error_bound_s(self) -> float:
        """How far the wall clock may be from the reference that chrony follows."""
        return abs(self.system_offset_s) + self.root_dispersion_s + self.root_delay_s / 2


def parse_tracking(text: str) -> Tracking | None:
    """The tracking of one CSV line; None for anything else, such as chronyc's complaint that no daemon answers."""
    fields = text.strip().splitlines()[0].split(",") if text.strip() else []
    if len(fields) != _FIELDS:
        return None
    try:
        return Tracking(
            synchronised=fields[13] == "Normal" or fields[13].endswith("second"),
            stratum=int(fields[2]),
            system_offset_s=float(fields[4]),
            frequency_ppm=float(fields[7]),
            root_delay_s=float(fields[10]),
            root_dispersion_s=float(fields[11]),
        )
    except ValueError:
        return None


class Chrony:
    """Subject "chrony" at the first tick and every sixteenth; nothing where chrony does not run or is not in step."""

    def __init__(self, site: Site) -> None:
        del site  # every poller is made alike
        self._program = shutil.which("chronyc")
        self._clock = SystemClock(kernel_wall=True)  # chrony speaks of the kernel's
        self._ticks = 0

    def read(self) -> Iterable[Reading]:
        """One reading, or none."""
        due = self._ticks % EVERY_TICKS == 0
        self._ticks += 1
        tracking = self._tracking() if due and self._program is not None else None
        if tracking is None or not tracking.synchronised:
            return []
        mono_ns, wall_ns = clock_pair(self._clock)
        values: dict[str, int | float] = {
            "clock_wall_less_monotonic_ns": wall_ns - mono_ns,
            "chrony_stratum": tracking.stratum,
            "chrony_error_bound_s": tracking.error_bound_s,
            "chrony_frequency_ppm": tracking.frequency_ppm,
        }
        return [Reading("chrony", checked(values))]

    def _tracking(self) -> Tracking | None:
        try:
            done = subprocess.run(
                [self._program or "chronyc", "-n", "-c", "tracking"],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return parse_tracking(done.stdout) if done.returncode == 0 else None
