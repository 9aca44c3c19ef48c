"""What crossed the wire: requests and responses of TCP connections, found by packets and port alone.

The reference for the probes, so it knows nothing of them. Each direction of a connection is one stream of bytes;
a packet of the client carries, beside its own bytes, the acknowledgement of what the client had then of the
server's. In HTTP/1.1 the client answers nothing before it has the whole response: bytes that were sent under
one acknowledgement number are one request, and the server's bytes between two such numbers are one response.
Neither depends on the order of packets, on their sizes, or on retransmissions.
Source: RFC 9293, section 3.4 (sequence numbers, modulo 2^32).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from collectors.capture import to_mono_ns, wall_step_ns
from collectors.pcap import ACK, RST, SYN, CaptureFile, Packet, connections, read_capture, read_segments

__all__ = [
    "CaptureFile",
    "Packet",
    "WireTransfer",
    "read_capture",
    "read_segments",
    "to_mono_ns",
    "transfers_on_wire",
    "wall_step_ns",
]

_MODULUS = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class WireTransfer:
    """One request (uplink) or one response (downlink) of one connection, from its first byte to the last byte's ACK.

    `exchange` counts a connection's requests; a response has its request's number, -1 where the capture began
    in the middle of it. `payload_bytes` are distinct bytes; `unseen_bytes` those missing between them, which the
    capture lost; `retransmitted_bytes` those seen again. `packets` counts all that carried payload.
    `last_payload_wall_ns` is the last packet with payload before the ACK; None as ACK: none was seen.
    `handshake_rtt_ns` is the connection's: SYN to the client's first ACK, None where SYN was not seen just once.
    """

    client: str
    local_port: int
    server: str
    exchange: int
    direction: str
    first_payload_wall_ns: int
    last_payload_wall_ns: int
    last_ack_wall_ns: int | None
    payload_bytes: int
    retransmitted_bytes: int
    unseen_bytes: int
    packets: int
    handshake_rtt_ns: int | None


def transfers_on_wire(packets: list[Packet], *, server_port: int) -> list[WireTransfer]:
    """Every request and response with a server at this port, in order of their first packets."""
    found = [
        transfer
        for members in connections(packets, server_port)
        for transfer in _transfers(_Conversation.of(members, server_port))
    ]
    return sorted(found, key=lambda transfer: (transfer.first_payload_wall_ns, transfer.direction == "downlink"))


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes [start, end) of a stream, as one packet carried them, and what that packet acknowledged."""

    start: int
    end: int
    ack: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class _Stream:
    """One direction: its payload, and the acknowledgements of it as (number, wall ns)."""

    pieces: list[_Piece] = field(default_factory=list)
    acks: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Conversation:
    client: str
    client_port: int
    server: str
    uplink: _Stream
    downlink: _Stream
    handshake_rtt_ns: int | None

    @classmethod
    def of(cls, packets: Sequence[Packet], server_port: int) -> _Conversation:
        uplink, downlink = _Stream(), _Stream()
        numbers = {True: _Unwrapped(), False: _Unwrapped()}  # of the client's bytes, of the server's
        for packet in packets:
            if packet.flags & RST:
                continue
            by_client = packet.dst_port == server_port
            mine, theirs = (uplink, downlink) if by_client else (downlink, uplink)
            start = numbers[by_client].of(packet.seq) + bool(packet.flags & SYN)
            ack = numbers[not by_client].of(packet.ack) if packet.flags & ACK else 0
            if packet.flags & ACK:
                theirs.acks.append((ack, packet.wall_ns))
            if packet.payload_bytes:
                mine.pieces.append(_Piece(start, start + packet.payload_bytes, ack, packet.wall_ns))
        first = packets[0]
        client, port, server = (
            (first.src, first.src_port, first.dst)
            if first.dst_port == server_port
            else (first.dst, first.dst_port, first.src)
        )
        return cls(client, port, server, uplink, downlink, _handshake_rtt_ns(packets, server_port))


class _Unwrapped:
    """32-bit sequence numbers of one stream as numbers that do not wrap; the first is near 2^32, none is negative."""

    def __init__(self) -> None:
        self._latest: int | None = None

    def of(self, number: int) -> int:
        """The number nearest to the latest one that is equal to `number` modulo 2^32."""
        if self._latest is None:
            self._latest = number + _MODULUS
        else:
            self._latest += (number - self._latest + _MODULUS // 2) % _MODULUS - _MODULUS // 2
        return self._latest


class _Coverage:
    """A set of bytes as disjoint ranges in order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> list[tuple[int, int]]:
        """Add [start, end); gives the parts of it that were not there."""
        low = bisect_left(self._ends, start)
        high = bisect_right(self._starts, end)
        inside = list(zip(self._starts[low:high], self._ends[low:high], strict=True))
        edges = [start, *(edge for pair in inside for edge in pair), end]
        new = [(left, right) for left, right in zip(edges[::2], edges[1::2], strict=True) if left < right]
        self._starts[low:high] = [min(start, inside[0][0]) if inside else start]
        self._ends[low:high] = [max(end, inside[-1][1]) if inside else end]
        return new


def _transfers(conversation: _Conversation) -> list[WireTransfer]:
    requests = _requests(conversation.uplink)
    # the server's bytes below the first request's acknowledgement answer a request that the capture did not see
    floor, ceiling = 0, 1 << 62
    marks = [floor, *(ack for ack, _, _ in requests), ceiling]
    uplinks = [(number, start, end) for number, (_, start, end) in enumerate(requests)]
    downlinks = [(number, start, end) for number, (start, end) in enumerate(pairwise(marks), start=-1)]
    return [
        *_bursts(conversation, "uplink", conversation.uplink, uplinks),
        *_bursts(conversation, "downlink", conversation.downlink, downlinks),
    ]


def _requests(uplink: _Stream) -> list[tuple[int, int, int]]:
    """Each request as (acknowledgement it was sent under, first byte, end): the lowest a byte was sent under."""
    covered = _Coverage()
    ranges: dict[int, tuple[int, int]] = {}
    for piece in sorted(uplink.pieces, key=lambda piece: (piece.ack, piece.start)):
        for start, end in covered.add(piece.start, piece.end):
            low, high = ranges.get(piece.ack, (start, end))
            ranges[piece.ack] = (min(low, start), max(high, end))
    return [(ack, start, end) for ack, (start, end) in sorted(ranges.items())]


def _bursts(
    conversation: _Conversation, direction: str, stream: _Stream, ranges: Sequence[tuple[int, int, int]]
) -> list[WireTransfer]:
    """The transfers of a stream's ranges (number, start, end), those left out that no payload was seen of."""
    clipped: list[list[_Piece]] = [[] for _ in ranges]
    starts = [start for _, start, _ in ranges]
    for piece in stream.pieces:
        for place in range(max(0, bisect_right(starts, piece.start) - 1), len(ranges)):
            _, start, end = ranges[place]
            if start >= piece.end:
                break
            low, high = max(start, piece.start), min(end, piece.end)
            if low < high:
                clipped[place].append(_Piece(low, high, piece.ack, piece.wall_ns))
    acknowledged = _Acknowledged(stream.acks)
    return [
        _transfer(conversation, direction, number, pieces, acknowledged)
        for (number, _, _), pieces in zip(ranges, clipped, strict=True)
        if pieces
    ]


class _Acknowledged:
    """When a byte was first acknowledged."""

    def __init__(self, acks: Sequence[tuple[int, int]]) -> None:
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


def _transfer(
    conversation: _Conversation,
    direction: str,
    number: int,
    pieces: Sequence[_Piece],
    acknowledged: _Acknowledged,
) -> WireTransfer:
    covered = _Coverage()
    distinct = sum(
        right - left
        for piece in sorted(pieces, key=lambda piece: piece.start)
        for left, right in covered.add(piece.start, piece.end)
    )
    start, end = min(piece.start for piece in pieces), max(piece.end for piece in pieces)
    first_ns = min(piece.wall_ns for piece in pieces)
    ack_ns = acknowledged.wall_ns(end)
    in_time = [piece.wall_ns for piece in pieces if ack_ns is None or piece.wall_ns <= ack_ns]
    return WireTransfer(
        client=conversation.client,
        local_port=conversation.client_port,
        server=conversation.server,
        exchange=number,
        direction=direction,
        first_payload_wall_ns=first_ns,
        last_payload_wall_ns=max(in_time, default=first_ns),
        last_ack_wall_ns=ack_ns,
        payload_bytes=distinct,
        retransmitted_bytes=sum(piece.end - piece.start for piece in pieces) - distinct,
        unseen_bytes=end - start - distinct,
        packets=len(pieces),
        handshake_rtt_ns=conversation.handshake_rtt_ns,
    )


def _handshake_rtt_ns(packets: Sequence[Packet], server_port: int) -> int | None:
    """SYN to the client's ACK of the answer: the round trip, wherever on the path the capture was."""
    by_client = [packet for packet in packets if packet.dst_port == server_port]
    opens = [packet for packet in by_client if packet.flags & (SYN | ACK) == SYN]
    then = [packet for packet in by_client if packet.flags & (SYN | RST | ACK) == ACK]
    if len(opens) != 1 or not then:
        return None
    return min(packet.wall_ns for packet in then) - opens[0].wall_ns
