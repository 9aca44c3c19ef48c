"""When to sample: an absolute schedule, and how samples are made on it.

Tick k is due at start + k * interval, so that lateness never adds up. A tick whose time has passed when the one
before it ends is missed: it is skipped and recorded, never made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from collectors.protocol import Poller
from instrument.clock import Clock
from instrument.metrics import UnknownMetricError, checked
from instrument.records import Fault, Record, Sample

WHERE = "collectors.schedule"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Ticks at `start_ns` + k * `interval_ns` on the monotonic clock, for k = 0, 1, 2..."""

    start_ns: int
    interval_ns: int

    def due_ns(self, tick: int) -> int:
        """When a tick is due."""
        return self.start_ns + tick * self.interval_ns

    def after(self, tick: int, now_ns: int) -> int:
        """The first tick after `tick` that is not yet past."""
        return max(tick + 1, -((self.start_ns - now_ns) // self.interval_ns))


class Sampler:
    """Reads pollers and emits what they gave. A reading that fails is a Fault, told once until it changes."""

    def __init__(self, pollers: Mapping[str, Poller], *, clock: Clock, emit: Callable[[Record], None]) -> None:
        self._pollers = pollers
        self._clock = clock
        self._emit = emit
        self._failing: dict[str, str] = {}

    def run(self, schedule: Schedule, stopped_before: Callable[[int], bool]) -> None:
        """Sample on the schedule until `stopped_before(due_ns)`, which waits, says that it is time to stop."""
        tick = 0
        while not stopped_before(schedule.due_ns(tick)):
            self.sample(schedule.due_ns(tick))
            following = schedule.after(tick, self._clock.mono_ns())
            if following > tick + 1:
                self._fault(
                    WHERE, f"missed {following - tick - 1} of the samples due after {schedule.due_ns(tick)} ns"
                )
            tick = following

    def sample(self, scheduled_ns: int) -> None:
        """One reading of everything. Each was made between `mono_ns` - `cost_ns` and `mono_ns`."""
        for name, poller in self._pollers.items():
            try:
                for record in self._samples(name, poller, scheduled_ns):
                    self._emit(record)
                self._failing.pop(name, None)
            except UnknownMetricError:
                raise
            except Exception as error:  # a sensor that fails must not end the others
                if self._failing.get(name) != repr(error):
                    self._failing[name] = repr(error)
                    self._fault(f"collectors.{name}", repr(error)[:500])

    def _samples(self, name: str, poller: Poller, scheduled_ns: int) -> Iterable[Record]:
        before_ns = self._clock.mono_ns()
        for reading in poller.read():
            now_ns = self._clock.mono_ns()
            yield Sample(
                collector=name,
                subject=reading.subject,
                scheduled_mono_ns=scheduled_ns,
                mono_ns=now_ns,
                late_ns=now_ns - scheduled_ns,
                cost_ns=now_ns - before_ns,
                values=checked(reading.values),
            )
            before_ns = self._clock.mono_ns()

    def _fault(self, where: str, error: str) -> None:
        self._emit(Fault(where=where, error=error, mono_ns=self._clock.mono_ns()))
