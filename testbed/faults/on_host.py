"""Applies one order of a fault where it runs, records that, and undoes it: by time, when told, or at its limit.

    python -m testbed.faults.on_host ORDER.json

The controller starts it and may be gone before it ends: nothing here depends on it. SIGTERM undoes at once. What is
done is a record in a spool segment of this host and a line of its output, `PHASE SECONDS DETAIL`. The first line is
`ready`, from which on it can be told to end, the last one `done`. Standard library alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrument.clock import SystemClock, kernel_mono_ns
from instrument.identity import command_line, segment_header
from instrument.probe import Probe
from instrument.records import Applied
from instrument.spool import SegmentWriter, segment_name
from testbed.faults.action import Action, MissedError
from testbed.faults.actions import ACTIONS

ROLE = "fault"
READY, DONE = "ready", "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of one host.

    `windows` are the stretches in which it is applied, in seconds from `delay_s` after the start of this process; an
    open one (None) lasts until the limit, or until told; one of no length is done and over. `elapsed_s` is how long
    ago `since` was when it was started. `missed` is why nothing is to be done: only that is written down.
    """

    fault: str
    does: str
    target: str
    action: str
    asked: Mapping[str, Any]
    windows: Sequence[tuple[float, float | None]]
    delay_s: float
    limit_s: float
    since: str
    elapsed_s: float
    out: str = ""
    missed: str = ""


class Carrier:
    """Carries one order out. Writes a record of each phase, where the order has a folder for it."""

    def __init__(self, order: Order, action: Action, probe: Probe | None, told: threading.Event) -> None:
        self._order = order
        self._action = action
        self._probe = probe
        self._told = told
        self._clock = SystemClock()
        self._begun_ns = kernel_mono_ns()

    def run(self) -> None:
        """Until every window is over, the limit is reached, or it was told to end."""
        if self._order.missed:
            self._phase("applied", self._miss)
            return
        for place, (begin_s, end_s) in enumerate(self._order.windows):
            if self._ended(self._order.delay_s + begin_s):
                if place == 0:
                    self._phase("applied", self._miss)
                return
            if not self._phase("applied", lambda: self._action.apply(self._told)):
                return
            until_s = self._order.limit_s if end_s is None else self._order.delay_s + end_s
            told = self._ended(until_s)
            if self._action.undone_when_told or not told:
                self._phase("undone", self._action.undo)
            if told:
                return

    def _ended(self, at_s: float) -> bool:
        """Wait until a moment; True: told before, or the limit was reached."""
        left_s = min(at_s, self._order.limit_s) - self._elapsed_s()
        return self._told.wait(max(0.0, left_s)) or at_s >= self._order.limit_s

    def _elapsed_s(self) -> float:
        return (kernel_mono_ns() - self._begun_ns) / 1e9

    def _miss(self) -> str:
        raise MissedError(self._order.missed or "the trial ended before its time")

    def _phase(self, phase: str, act: Callable[[], str | None]) -> bool:
        start_ns, since_s = self._clock.mono_ns(), self._order.elapsed_s + self._elapsed_s()
        try:
            detail = act()
        except MissedError as error:
            phase, detail = "missed", str(error)
        except OSError as error:
            phase, detail = "missed" if phase == "applied" else "left", str(error)
        if detail is None:
            return True
        self._tell(phase, detail, start_ns, since_s)
        return phase not in {"missed", "left"}

    def _tell(self, phase: str, detail: str, start_ns: int, since_s: float) -> None:
        order = self._order
        _say(f"{phase} {since_s:.3f} {' '.join(detail.split())}")
        if self._probe is not None:
            self._probe.emit(
                Applied(
                    fault=order.fault,
                    does=order.does,
                    phase=phase,
                    target=order.target,
                    start_mono_ns=start_ns,
                    end_mono_ns=self._clock.mono_ns(),
                    since=order.since,
                    since_s=since_s,
                    detail=detail,
                )
            )
            self._probe.flush()


def order_of(document: Mapping[str, Any]) -> Order:
    """The order of a JSON document."""
    windows = [(begin_s, end_s) for begin_s, end_s in document["windows"]]
    return Order(**{**document, "windows": windows})


def main(arguments: Sequence[str]) -> int:
    """Carry out the order in a file; its exit code is 0 however that went: its output tells."""
    order = order_of(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: told.set())
    _say(READY)
    probe = _probe(Path(order.out)) if order.out else None
    if probe is not None:
        probe.start()
    try:
        Carrier(order, ACTIONS[order.action](order.asked), probe, told).run()
    finally:
        if probe is not None:
            probe.close()
        _say(DONE)
    return 0


def _probe(out: Path) -> Probe:
    header = segment_header(ROLE, os.environ, command_line())
    return Probe(lambda: SegmentWriter(out / segment_name(header), header))


def _say(line: str) -> None:
    with suppress(OSError):
        print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
