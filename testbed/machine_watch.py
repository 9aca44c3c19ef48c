"""Watches the machine of an emulated testbed: its hosts see their own processes alone, and share its processors.

On real hosts the collectors do this; here a thread of the controller does, every few seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from instrument.clock import SystemClock
from instrument.records import Record, Sample, decode, encode

if TYPE_CHECKING:
    from collectors.protocol import Poller

FILE = "machine.jsonl"
EVERY_S = 2.0


class MachineWatch:
    """Samples of this machine between `begin` and `end`, for the trial of a folder; none if it is not `shared`."""

    def __init__(self, folder: Path, *, shared: bool) -> None:
        self._file = folder / FILE
        self._is_shared = shared
        self._records: list[Record] = []
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Take the first samples, and go on with a thread."""
        if not self._is_shared:
            return
        take = self._sampling()
        take()
        self._thread = threading.Thread(target=self._watch, args=(take,), name="fedprobe-machine-watch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Take the last samples, if it was begun."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def keep(self) -> None:
        """Write all into the trial's folder, a record a line; nothing where nothing was sampled. Raises OSError."""
        if self._records:
            lines = "".join(f"{encode(record)}\n" for record in self._records)
            self._file.write_text(lines, encoding="utf-8")

    def _sampling(self) -> Callable[[], None]:
        from collectors.other_programs import OtherPrograms
        from collectors.schedule import Sampler
        from collectors.throttling import Throttling

        clock = SystemClock()
        pollers: dict[str, Poller] = {"other_programs": OtherPrograms(every_ticks=1), "throttling": Throttling()}
        sampler = Sampler(pollers, clock=clock, emit=self._records.append)
        return lambda: sampler.sample(clock.mono_ns())

    def _watch(self, take: Callable[[], None]) -> None:
        while not self._stopped.wait(EVERY_S):
            take()
        take()


def machine_samples(folder: Path) -> list[Sample]:
    """What was sampled of the machine during the trial of a folder, in order of time; empty on real hosts."""
    file = folder / FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [record for record in map(decode, lines) if isinstance(record, Sample)]
