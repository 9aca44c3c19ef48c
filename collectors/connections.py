"""TCP connections out of packets: which packets belong together, and their two streams of bytes.

Positions in a stream are sequence numbers that do not wrap, so that they are the same in every capture of the
connection that saw the same first packet.
Source: RFC 9293, section 3.4 (sequence numbers, modulo 2^32; SYN and FIN occupy one each).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from collectors.segments import ACK, FIN, RST, SYN, Packet

_MODULUS = 1 << 32


class Piece(NamedTuple):
    """Bytes [start, end) of a stream as one packet carried them, and what that packet acknowledged."""

    start: int
    end: int
    ack: int
    wall_ns: int
    frame_bytes: int
    head: bytes


class Fin(NamedTuple):
    """Where a stream ends, and what the packet that said so acknowledged."""

    position: int
    ack: int


@dataclass(slots=True)
class Stream:
    """One direction: its payload, its packets without any, and the other end's acknowledgements of it.

    `acks` are (number, wall ns), `bare` (wall ns, bytes of the frame); `fin` is None where no FIN was seen; `reset`
    is whether this end sent an RST.
    """

    pieces: list[Piece] = field(default_factory=list)
    acks: list[tuple[int, int]] = field(default_factory=list)
    bare: list[tuple[int, int]] = field(default_factory=list)
    fin: Fin | None = None
    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One connection. `handshake_rtt_ns`: SYN to the client's first ACK; None where SYN was not seen just once."""

    client: str
    client_port: int
    server: str
    uplink: Stream
    downlink: Stream
    handshake_rtt_ns: int | None


def conversations(packets: Sequence[Packet], server_port: int) -> Iterator[Conversation]:
    """The TCP connections with this port as their server's."""
    for members in _connections(packets, server_port):
        first = members[0]
        by_client = first.dst_port == server_port
        client, port, server = (
            (first.src, first.src_port, first.dst) if by_client else (first.dst, first.dst_port, first.src)
        )
        uplink, downlink = _streams(members, server_port)
        yield Conversation(
            client=client,
            client_port=port,
            server=server,
            uplink=uplink,
            downlink=downlink,
            handshake_rtt_ns=_handshake_rtt_ns(members, server_port),
        )


def _connections(packets: Sequence[Packet], server_port: int) -> Iterator[list[Packet]]:
    """The packets of each connection, in file order.

    A client's port that is used again starts a new connection: its SYN, or the answer to it where the capture lost
    that, tells of another sequence number.
    """
    current: dict[tuple[str, int, str], tuple[int | None, list[Packet]]] = {}
    for packet in packets:
        if packet.dst_port == server_port:
            key = (packet.src, packet.src_port, packet.dst)
        elif packet.src_port == server_port:
            key = (packet.dst, packet.dst_port, packet.src)
        else:
            continue
        isn, members = current.get(key, (None, None))
        if members is None:
            members = []
            current[key] = (None, members)
        if packet.flags & SYN:
            opened = (packet.ack - 1) % _MODULUS if packet.flags & ACK else packet.seq
            if members and opened != isn:
                yield members
                members = []
            current[key] = (opened, members)
        members.append(packet)
    for _, members in current.values():
        yield members


def _streams(packets: Sequence[Packet], server_port: int) -> tuple[Stream, Stream]:
    """The client's stream and the server's."""
    streams = {True: Stream(), False: Stream()}
    numbers = {True: _Unwrapped(), False: _Unwrapped()}
    for packet in packets:
        flags = packet.flags
        by_client = packet.dst_port == server_port
        mine = streams[by_client]
        if flags & RST:  # it acknowledges nothing, and its numbers may be anything
            mine.reset = True
            continue
        start = numbers[by_client].of(packet.seq) + (flags & SYN == SYN)
        ack = numbers[not by_client].of(packet.ack) if flags & ACK else 0
        if flags & ACK:
            streams[not by_client].acks.append((ack, packet.wall_ns))
        end = start + packet.payload_bytes
        if packet.payload_bytes:
            mine.pieces.append(Piece(start, end, ack, packet.wall_ns, packet.frame_bytes, packet.payload_head))
        else:
            mine.bare.append((packet.wall_ns, packet.frame_bytes))
        if flags & FIN:
            mine.fin = mine.fin or Fin(end, ack)
    return streams[True], streams[False]


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


def _handshake_rtt_ns(packets: Sequence[Packet], server_port: int) -> int | None:
    """SYN to the client's ACK of the answer: the round trip, wherever on the path the capture was."""
    by_client = [packet for packet in packets if packet.dst_port == server_port]
    opens = [packet for packet in by_client if packet.flags & (SYN | ACK) == SYN]
    then = [packet for packet in by_client if packet.flags & (SYN | RST | ACK) == ACK]
    if len(opens) != 1 or not then:
        return None
    return min(packet.wall_ns for packet in then) - opens[0].wall_ns


class Coverage:
    """A set of bytes as disjoint ranges in order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> list[tuple[int, int]]:
        """Add [start, end); gives the parts of it that were not there."""
        if self._ends and start == self._ends[-1]:  # nearly always: the stream goes on
            self._ends[-1] = end
            return [(start, end)]
        low = bisect_left(self._ends, start)
        high = bisect_right(self._starts, end)
        inside = list(zip(self._starts[low:high], self._ends[low:high], strict=True))
        edges = [start, *(edge for pair in inside for edge in pair), end]
        new = [(left, right) for left, right in zip(edges[::2], edges[1::2], strict=True) if left < right]
        self._starts[low:high] = [min(start, inside[0][0]) if inside else start]
        self._ends[low:high] = [max(end, inside[-1][1]) if inside else end]
        return new

    def touches(self, start: int, end: int) -> bool:
        """Whether any byte of [start, end) is there."""
        place = bisect_right(self._ends, start)
        return place < len(self._starts) and self._starts[place] < end
