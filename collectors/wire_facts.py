"""What the packets of one transfer say beside its bytes: what was sent again, came out of order, and round trips.

Packets are taken as the capture saw them, in its order. So a packet that was lost before the capture and sent again
is out of order there, not a retransmission; where segmentation offload makes packets longer than the MTU, counts are
the host's, and headers are counted once for each of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from collectors.connections import Coverage, Piece


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadFacts:
    """The packets with payload of one transfer: `payload_bytes` are distinct, `unseen_bytes` missing among them.

    `retransmitted_packets` carried something seen before, `retransmitted_bytes` of it in all; `out_of_order_packets`
    carried something new from before what was seen already.
    """

    payload_bytes: int
    unseen_bytes: int
    retransmitted_bytes: int
    retransmitted_packets: int
    out_of_order_packets: int
    rtt_ns: tuple[int, ...]


class Acknowledged:
    """When the bytes of a stream were first acknowledged, and by which number."""

    def __init__(self, acks: Iterable[tuple[int, int]]) -> None:
        self._numbers: list[int] = []
        self._walls_ns: list[int] = []
        for number, wall_ns in sorted(acks, key=lambda ack: (ack[1], ack[0])):
            if not self._numbers or number > self._numbers[-1]:
                self._numbers.append(number)
                self._walls_ns.append(wall_ns)

    def wall_ns(self, end: int) -> int | None:
        """When everything before `end` was acknowledged; None where it never was."""
        place = bisect_left(self._numbers, end)
        return self._walls_ns[place] if place < len(self._numbers) else None

    def steps(self, start: int, end: int) -> Iterable[tuple[int, int, int]]:
        """Each acknowledgement of bytes in [start, end) as (first byte it is news of, end of them, wall ns)."""
        place = bisect_right(self._numbers, start)
        before = start
        while before < end and place < len(self._numbers):
            number = min(self._numbers[place], end)
            yield before, number, self._walls_ns[place]
            before, place = number, place + 1


class FrameSizes:
    """Bytes of frames by time."""

    def __init__(self, frames: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(frames)
        self._walls_ns = [wall_ns for wall_ns, _ in ordered]
        self._sums = list(accumulate((size for _, size in ordered), initial=0))

    def within(self, start_ns: int, end_ns: int) -> int:
        """The bytes of all frames from start to end, both included."""
        return self._sums[bisect_right(self._walls_ns, end_ns)] - self._sums[bisect_left(self._walls_ns, start_ns)]


def payload_facts(pieces: Sequence[Piece], acknowledged: Acknowledged) -> PayloadFacts:
    """The facts of one transfer; its pieces are in the capture's order, and at least one."""
    covered, doubtful = Coverage(), Coverage()
    firsts: list[Piece] = []
    highest = sent = distinct = again = late = 0
    for piece in pieces:
        size = piece.end - piece.start
        new = sum(right - left for left, right in covered.add(piece.start, piece.end))
        sent += size
        distinct += new
        if new == size and piece.start >= highest:
            firsts.append(piece)
        else:
            again += new < size
            late += new == size
            doubtful.add(piece.start, piece.end)
        highest = max(highest, piece.end)
    start = min(piece.start for piece in pieces)
    return PayloadFacts(
        payload_bytes=distinct,
        unseen_bytes=highest - start - distinct,
        retransmitted_bytes=sent - distinct,
        retransmitted_packets=again,
        out_of_order_packets=late,
        rtt_ns=tuple(_round_trips(firsts, doubtful, acknowledged.steps(start, highest))),
    )


def _round_trips(firsts: Sequence[Piece], doubtful: Coverage, steps: Iterable[tuple[int, int, int]]) -> Iterable[int]:
    """From a packet to the acknowledgement that its last or latest byte brought.

    Karn's rule: nothing that was sent more than once gives a sample, and neither does an acknowledgement that also
    covers such bytes, or bytes that came late: it may have waited for them. What a receiver delays its
    acknowledgement by is in the sample, as it is in the sender's own.
    Source: RFC 6298, section 3.
    """
    starts = [piece.start for piece in firsts]
    for before, number, wall_ns in steps:
        place = bisect_left(starts, number) - 1
        if place < 0 or doubtful.touches(before, number):
            continue
        piece = firsts[place]
        if number <= piece.end and piece.wall_ns <= wall_ns:
            yield wall_ns - piece.wall_ns
