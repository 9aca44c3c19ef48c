"""How long each phase of a message waited for a core: its process was runnable, and no core ran it.

Inside a ClientApp the process itself read the kernel's count before and after each of its spans, so its phases are
known to some microseconds. What happens in the processes that live on is estimated, from the collectors' samples (one
a second by default): the growth between two samples is spread evenly over the time between them. That is too little
for a phase shorter than this, if its process idled in the rest of the time.

All counts are of the main thread: a ClientApp runs the app in it, a SuperLink reads and answers requests in it. A
SuperNode's own transfers have threads of their own, which compete for the same cores; of the two ends of a transfer
the one that waited longer counts.
Source: Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

from analysis.joins import JoinedMessage
from analysis.load import Records, SegmentRecords
from analysis.model import Interval, MessageTimes
from analysis.offsets import ClockMap
from analysis.timeline import Axis
from instrument.records import Sample, Span

METRIC = "process_run_queue_wait_s"
LONGEST_GAP_NS = 5_000_000_000  # between two samples: over a longer one nothing is spread
IN_CLIENT_APP = (
    *("boot", "stage_in", "inflate", "app_load"),
    *("train", "test", "validate", "deflate", "stage_out"),
)
ESTIMATED: Mapping[str, Sequence[str]] = {
    "downlink": ("flower-supernode", "flower-superlink"),
    "uplink": ("flower-supernode", "flower-superlink"),
    "store": ("flower-superlink",),
    "collect": ("flwr-serverapp", "flower-superlink"),
    "aggregate": ("flwr-serverapp",),
}
Point = tuple[int, int]
# of each process, by its host and its subject "role:pid": when it was read on its host's clock, and ns waited by then
Readings = Mapping[tuple[str, str], Iterable[Point]]


@dataclass(frozen=True, slots=True)
class WaitCurve:
    """How long a thread had waited for a core by each moment of the axis, in ns: straight between its points.

    `points` are in order of time and never fall; inside a gap longer than `longest_gap_ns` nothing is known.
    """

    points: Sequence[Point]
    longest_gap_ns: float = float("inf")

    def over(self, interval: Interval) -> float | None:
        """Seconds waited in an interval; None where the curve does not reach over it."""
        start, end = self._at(interval.start_ns), self._at(interval.end_ns)
        if start is None or end is None:
            return None
        return min(max(0.0, end - start) / 1e9, interval.seconds)

    def _at(self, moment_ns: int) -> float | None:
        after = bisect_left(self.points, (moment_ns,))
        if after < len(self.points) and self.points[after][0] == moment_ns:
            return float(self.points[after][1])
        if after in {0, len(self.points)}:
            return None
        (earlier_ns, low), (later_ns, high) = self.points[after - 1 : after + 1]
        if later_ns - earlier_ns > self.longest_gap_ns:
            return None
        return low + (high - low) * (moment_ns - earlier_ns) / (later_ns - earlier_ns)


def curve_through(points: Iterable[Point], *, longest_gap_ns: float = float("inf")) -> WaitCurve:
    """The curve through these readings. Of two readers the later stamp may have the earlier count: it never falls."""
    ordered = sorted(points)
    highest = accumulate((waited for _, waited in ordered), max)
    made = [(moment, waited) for (moment, _), waited in zip(ordered, highest, strict=True)]
    return WaitCurve(made, longest_gap_ns)


def with_waits(
    messages: Sequence[MessageTimes],
    pairs: Sequence[JoinedMessage],
    records: Records,
    axis: Axis,
    read: Callable[[], Readings] | None = None,
) -> list[MessageTimes]:
    """The messages with `waited_for_core_s`; `read` gives what was sampled, where that is not among the records."""
    sampled = _Sampled(records, axis, read or (lambda: readings_of(records)))
    return [
        replace(message, waited_for_core_s=_waits(message, pair, axis, sampled))
        for message, pair in zip(messages, pairs, strict=True)
    ]


def _waits(message: MessageTimes, pair: JoinedMessage, axis: Axis, sampled: _Sampled) -> dict[str, float]:
    side, own = pair.node_side, None
    if side is not None and side.client_app is not None and side.launch_ns is not None:
        own = client_app_curve(side.client_app, axis.of(side.client_app), side.launch_ns)
    found = {}
    for phase, interval in message.intervals.items():
        if phase in ESTIMATED:
            waited_s = sampled.longest_s(ESTIMATED[phase], pair, interval)
        else:
            waited_s = own.over(interval) if own is not None and phase in IN_CLIENT_APP else None
        if waited_s is not None:
            found[phase] = waited_s
    return found


def client_app_curve(app: SegmentRecords, clock: ClockMap, launch_ns: int) -> WaitCurve | None:
    """What a ClientApp read of itself, from its launch on, where the count is 0; None where it read nothing."""
    if app.header.run_queue_wait_ns is None:
        return None
    points = [(launch_ns, 0), (app.header.mono_ns, app.header.run_queue_wait_ns)]
    for span in app.of(Span):
        points += _read_around(span)
    return curve_through((clock.at(moment), waited) for moment, waited in points)


def _read_around(span: Span) -> list[Point]:
    before, after = span.wait_before_ns, span.wait_after_ns
    known = [(span.start_mono_ns, before), (span.end_mono_ns, after)]
    return [(moment, waited) for moment, waited in known if waited is not None]


def readings_of(records: Records) -> Readings:
    """What was sampled of every process."""
    found: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for segment, sample in records.of(Sample):
        waited_s = sample.values.get(METRIC)
        if waited_s is not None:
            found[segment.header.host, sample.subject].append((sample.mono_ns, round(waited_s * 1e9)))
    return found


class _Sampled:
    """The curves of the processes that live on, by segment, each made when it is first asked for."""

    def __init__(self, records: Records, axis: Axis, read: Callable[[], Readings]) -> None:
        self._axis = axis
        self._superlinks = records.role("flower-superlink")
        self._curves: dict[str, WaitCurve] = {}
        self._read = cache(read)

    def longest_s(self, roles: Sequence[str], pair: JoinedMessage, interval: Interval) -> float | None:
        """The longest wait of a message's processes of these roles; None where it is known of none of them."""
        processes = [process for process in self._of(pair) if process.header.role in roles]
        waits = [waited for process in processes if (waited := self._curve(process).over(interval)) is not None]
        return max(waits, default=None)

    def _of(self, pair: JoinedMessage) -> list[SegmentRecords]:
        supernodes = [] if pair.node_side is None else [pair.node_side.supernode]
        return [*supernodes, *self._superlinks, pair.server_side.server_app]

    def _curve(self, process: SegmentRecords) -> WaitCurve:
        if process.name not in self._curves:
            header, end, clock = process.header, process.end, self._axis.of(process)
            points = list(self._read().get((header.host, f"{header.role}:{header.pid}"), ()))
            if header.run_queue_wait_ns is not None:
                points.append((header.mono_ns, header.run_queue_wait_ns))
            if end is not None and end.run_queue_wait_s is not None:
                points.append((end.mono_ns, round(end.run_queue_wait_s * 1e9)))
            mapped = [(clock.at(moment), waited) for moment, waited in points]
            self._curves[process.name] = curve_through(mapped, longest_gap_ns=LONGEST_GAP_NS)
        return self._curves[process.name]
