"""Requests and responses in the two streams of a connection, by the acknowledgement numbers of its packets.

A packet of the client carries, beside its own bytes, the acknowledgement of what the client had then of the
server's. In HTTP/1.1 the client answers nothing before it has the whole response: bytes that were sent under one
acknowledgement number are of one request, and the server's bytes between two such numbers are one response. Two
numbers do not part a request where what the server sent between them cannot end a response:
* it was sent before the server had all the request (early responses, TLS tickets while an upload runs);
* it is an interim response (100 Continue).
None of this depends on the order of packets, on their sizes, or on retransmissions, so that the captures of both
ends of a connection give the same exchanges.
Not told where TLS hides it: a request on a connection whose last response was over before its request was; both count
as one exchange. In clear text the request line parts them.
Sources: RFC 9112, section 9.3 (persistence); RFC 9110, sections 10.1.1 and 15.2 (interim responses).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from collectors.asides import Asides
from collectors.connections import Conversation, Coverage, Piece

BEFORE_THE_CAPTURE = -1


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [start, end) of a stream that belong to the exchange of this number."""

    exchange: int
    start: int
    end: int
    tls_handshake: bool


class _Run(NamedTuple):
    """Bytes [start, end) of a stream whose earliest packets acknowledged `ack`."""

    ack: int
    start: int
    end: int


@dataclass(slots=True)
class _Request:
    """Runs that are one request: it was begun under `ack` and ended under `last_ack`."""

    ack: int
    last_ack: int
    start: int
    end: int
    tls_handshake: bool


def spans(conversation: Conversation, aside: Asides) -> tuple[list[Span], list[Span]]:
    """The client's stream as requests, and the server's as responses, both in order; asides are in neither."""
    requests = _requests(conversation, aside)
    uplink = [Span(number, one.start, one.end, one.tls_handshake) for number, one in enumerate(requests)]
    # what is below the first request's acknowledgement answers a request that the capture did not see
    starts = [0, *(one.ack if one.tls_handshake else max(one.ack, aside.tickets_end) for one in requests)]
    handshakes = [False, *(one.tls_handshake for one in requests)]
    ends = [*starts[1:], aside.server_end]
    downlink = [
        Span(number, aside.final_from(start), min(end, aside.server_end), tls_handshake)
        for number, (start, end, tls_handshake) in enumerate(
            zip(starts, ends, handshakes, strict=True), start=BEFORE_THE_CAPTURE
        )
    ]
    return uplink, [span for span in downlink if span.start < span.end]


def _requests(conversation: Conversation, aside: Asides) -> list[_Request]:
    replies = _Replies(conversation, aside)
    found: list[_Request] = []
    for run in _parted(_runs(conversation.uplink.pieces), aside):
        opening = run.start < aside.opening_end
        latest = found[-1] if found and not (opening or found[-1].tls_handshake) else None
        start = run.start
        if latest and not replies.complete(latest.last_ack, run.ack, latest.end):
            # what goes on under a new number is the same request, up to where a packet begins another
            start = aside.request_line_in(run.start, run.end)
            if start > run.start:
                latest.end, latest.last_ack = max(latest.end, start), run.ack
        if start < run.end:
            found.append(_Request(run.ack, run.ack, start, run.end, opening))
    return found


def _runs(pieces: Iterable[Piece]) -> list[_Run]:
    """The bytes of a stream by the lowest acknowledgement that they were sent under, in order."""
    covered = Coverage()
    ranges: dict[int, tuple[int, int]] = {}
    for piece in sorted(pieces, key=lambda piece: (piece.ack, piece.start)):
        for start, end in covered.add(piece.start, piece.end):
            low, high = ranges.get(piece.ack, (start, end))
            ranges[piece.ack] = (min(low, start), max(high, end))
    return [_Run(ack, start, end) for ack, (start, end) in sorted(ranges.items())]


def _parted(runs: Sequence[_Run], aside: Asides) -> Iterable[_Run]:
    """The client's runs, parted where TLS's handshake ends, and without what closes TLS."""
    for run in runs:
        for low, high in ((run.start, aside.opening_end), (aside.opening_end, aside.client_end)):
            start, end = max(run.start, low), min(run.end, high)
            if start < end:
                yield _Run(run.ack, start, end)


class _Replies:
    """The server's stream, asked what of it ended a response."""

    def __init__(self, conversation: Conversation, aside: Asides) -> None:
        self._aside = aside
        self._runs = sorted(_runs(conversation.downlink.pieces), key=lambda run: run.start)
        self._starts = [run.start for run in self._runs]

    def complete(self, low: int, high: int, request_end: int) -> bool:
        """Whether the server's bytes [low, high) end the response to a request that ends at `request_end`."""
        if self._aside.final_from(max(low, self._aside.tickets_end)) >= high:
            return False
        place = bisect_right(self._starts, high - 1) - 1
        return place < 0 or self._runs[place].ack >= request_end
