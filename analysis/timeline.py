"""One axis for all hosts: the server host's monotonic clock. Every other clock is mapped onto it, with a bound.

Three sources, each a true statement about the offset, so that they are used together: exchanges over the management
path, which say most; the four stamps that ride on requests which Flower makes anyway; what chrony says on both hosts.
A request that carried a model, or ran beside one that did, never counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.chrony_source import Disciplined, chrony_exchanges, disciplined
from analysis.intervals import merged
from analysis.load import Records, SegmentRecords
from analysis.model import ClockFit, Interval
from analysis.offsets import IDENTITY, ClockMap, FourStamps, fitted
from instrument.clock import short_id
from instrument.records import Exchange, Rpc

SMALL_BYTES = 4096  # request and response together: three segments on the wire at most
LARGE_BYTES = 65536  # a request this large queues others behind it


# Where a clock is put that nothing ties to the axis: so far off that its intervals, which keep their lengths, touch
# no other host's. Its error is infinite, and nothing that begins on one host and ends on another is made of it.
NOWHERE = ClockMap(offset_ns=-(2**60), anchors=())


class TimelineError(ValueError):
    """Records without a server: there is no axis to put them on."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The maps of all clocks onto the server's, by clock id, and how each was made."""

    clock: str
    maps: Mapping[str, ClockMap]
    fits: Sequence[ClockFit]

    def of(self, segment: SegmentRecords) -> ClockMap:
        """The map of the clock that a segment's stamps were read from."""
        return self.maps[segment.header.clock]

    def known(self, segment: SegmentRecords) -> bool:
        """Whether anything bounds the offset of this segment's clock."""
        return bool(self.of(segment).anchors)


def axis_of(records: Records) -> Axis:
    """The axis of a trial: the clock of its SuperLink, else of its ServerApp.

    Raises TimelineError where neither left records.
    """
    servers = records.role("flower-superlink") or records.role("flwr-serverapp")
    if not servers:
        raise TimelineError(
            "these records hold no SuperLink and no ServerApp: add the server host's spool folder to this report"
        )
    reference = servers[-1].header.clock
    chrony = disciplined(segment for segment in records.segments if segment.header.clock == reference)
    by_clock: dict[str, list[SegmentRecords]] = defaultdict(list)
    for segment in records.segments:
        by_clock[segment.header.clock].append(segment)
    maps, fits = {}, []
    for clock, segments in sorted(by_clock.items()):
        maps[clock], fit = _mapped(segments, clock, reference, chrony)
        fits.append(fit)
    return Axis(reference, maps, fits)


def _mapped(
    segments: Sequence[SegmentRecords], clock: str, reference: str, chrony: Sequence[Disciplined]
) -> tuple[ClockMap, ClockFit]:
    host = segments[0].header.host
    if clock == reference:
        return IDENTITY, ClockFit(
            host=host, source="same clock", exchanges=0, offset_s=0.0, drift_ppm=0.0, error_s=0.0
        )
    extent = _extent(segments)
    sources = {
        "management": management_exchanges(segments, reference),
        "requests": request_exchanges(segments, reference),
        "chrony": chrony_exchanges(disciplined(segments), chrony),
    }
    chosen = fitted([exchange for exchanges in sources.values() for exchange in exchanges])
    source = _quickest(sources)
    if not chosen.anchors:
        chosen, source = NOWHERE, "none"
    fit = ClockFit(
        host=host,
        source=source,
        exchanges=len(chosen.anchors),
        offset_s=(chosen.at(extent.start_ns) - extent.start_ns) / 1e9,
        drift_ppm=chosen.drift * 1e6,
        error_s=chosen.worst_error_ns(extent.start_ns, extent.end_ns) / 1e9,
    )
    return chosen, fit


def _quickest(sources: Mapping[str, Sequence[FourStamps]]) -> str:
    """The source whose quickest exchange is the quickest: what bounds the offset best."""
    least = {
        name: min((one.delay_ns for one in exchanges if one.delay_ns >= 0), default=None)
        for name, exchanges in sources.items()
    }
    known = {name: delay_ns for name, delay_ns in least.items() if delay_ns is not None}
    return min(known, key=lambda name: known[name], default="none")


def management_exchanges(segments: Iterable[SegmentRecords], reference: str) -> list[FourStamps]:
    """The exchanges that a collector made with the server over another path than the measured one."""
    return [
        FourStamps(
            exchange.sent_mono_ns,
            exchange.peer_received_mono_ns,
            exchange.peer_sent_mono_ns,
            exchange.received_mono_ns,
        )
        for segment in segments
        for exchange in segment.of(Exchange)
        if exchange.peer_clock == reference
    ]


def request_exchanges(segments: Iterable[SegmentRecords], reference: str) -> list[FourStamps]:
    """The exchanges that rode on small requests, those left out that ran while the same process moved a model."""
    found = []
    for segment in segments:
        answered = [rpc for rpc in segment.of(Rpc) if rpc.server_clock == short_id(reference)]
        large = [rpc for rpc in answered if _bytes(rpc) >= LARGE_BYTES]
        busy = merged(Interval(rpc.start_mono_ns, rpc.end_mono_ns) for rpc in large)
        for rpc in answered:
            stamps = four_stamps(rpc) if _bytes(rpc) <= SMALL_BYTES else None
            if stamps is not None and not _during(stamps, busy):
                found.append(stamps)
    return found


def four_stamps(rpc: Rpc) -> FourStamps | None:
    """A request's own exchange; None where a stamp is missing."""
    sent, received = rpc.headers_sent_mono_ns, rpc.response_mono_ns
    arrived, answered = rpc.server_arrive_mono_ns, rpc.server_response_mono_ns
    if sent is None or received is None or arrived is None or answered is None:
        return None
    return FourStamps(sent, arrived, answered, received)


def _bytes(rpc: Rpc) -> int:
    return rpc.request_bytes + rpc.response_bytes


def _during(stamps: FourStamps, busy: Sequence[Interval]) -> bool:
    """Whether an exchange overlaps one of these, which are disjoint and in order."""
    begun = bisect_left(busy, stamps.received, key=lambda interval: interval.start_ns)
    return begun > 0 and busy[begun - 1].end_ns > stamps.sent


def _extent(segments: Sequence[SegmentRecords]) -> Interval:
    """First to last request of a clock's processes: where its readings are used; their starts where none asked."""
    requests = [rpc for segment in segments for rpc in segment.of(Rpc)]
    starts = [rpc.start_mono_ns for rpc in requests] or [segment.header.mono_ns for segment in segments]
    return Interval(min(starts), max([rpc.end_mono_ns for rpc in requests] or starts))
