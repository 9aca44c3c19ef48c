"""What crossed the wire: requests and responses of TCP connections, found by packets and port alone.

The reference for the probes, so it knows nothing of them. Each direction of a connection is one stream of bytes
(`connections`); acknowledgement numbers part it into requests and responses (`exchanges`), with or without TLS, whose
own messages are marked or left out (`asides`).
With TLS, `payload_bytes` counts records: their headers and tags are in it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collectors.asides import asides
from collectors.capture import to_mono_ns, wall_step_ns
from collectors.connections import Conversation, Piece, conversations
from collectors.exchanges import Span, spans
from collectors.pcap import CaptureFile, read_capture, read_segments
from collectors.segments import Packet
from collectors.wire_facts import Acknowledged, FrameSizes, payload_facts

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


@dataclass(frozen=True, slots=True, kw_only=True)
class WireTransfer:
    """One request (uplink) or one response (downlink) of one connection, from its first byte to the last byte's ACK.

    `exchange` counts a connection's requests; a response has its request's number, -1 where the capture began
    in the middle of it. Where `tls_handshake` is true there is no request: TLS opens the connection, in one or more
    exchanges that have the first numbers, and the last response of them holds the session tickets, which the server
    may send while a request already runs.
    `last_payload_wall_ns` is the last packet with payload before the ACK; None as ACK: none was seen.
    `payload_bytes` are distinct bytes; `unseen_bytes` those missing between them, which the capture lost;
    `retransmitted_bytes` those seen again. `packets` counts all that carried payload, `retransmitted_packets` those
    with bytes seen before, `out_of_order_packets` those with new bytes from before bytes already seen.
    `payload_frame_bytes` are these packets with all headers; `wire_bytes` adds the packets without payload of both
    directions from the first byte to the last ACK: mostly acknowledgements.
    `rtt_ns` are round trips between the capture and the receiver, one for each acknowledgement that is in no doubt.
    `handshake_rtt_ns` is TCP's handshake of the connection: SYN to the client's first ACK, None where SYN was not
    seen just once.
    """

    client: str
    local_port: int
    server: str
    exchange: int
    direction: str
    tls_handshake: bool
    first_payload_wall_ns: int
    last_payload_wall_ns: int
    last_ack_wall_ns: int | None
    payload_bytes: int
    unseen_bytes: int
    retransmitted_bytes: int
    packets: int
    retransmitted_packets: int
    out_of_order_packets: int
    payload_frame_bytes: int
    wire_bytes: int
    rtt_ns: tuple[int, ...]
    handshake_rtt_ns: int | None

    @property
    def payload_time_ns(self) -> int:
        """From the first packet with payload to the last one; 0 where there is one only."""
        return self.last_payload_wall_ns - self.first_payload_wall_ns

    @property
    def wire_time_ns(self) -> int | None:
        """From the first packet with payload to the acknowledgement of the last byte; None where none was seen."""
        return None if self.last_ack_wall_ns is None else self.last_ack_wall_ns - self.first_payload_wall_ns

    @property
    def goodput_bit_per_s(self) -> float | None:
        """Distinct payload over `wire_time_ns`; None where there is no such time."""
        return self.payload_bytes * 8e9 / self.wire_time_ns if self.wire_time_ns else None


def transfers_on_wire(packets: Sequence[Packet], *, server_port: int) -> list[WireTransfer]:
    """Every request and response with a server at this port, in order of their first packets."""
    found = [
        transfer for conversation in conversations(packets, server_port) for transfer in _transfers(conversation)
    ]
    return sorted(found, key=lambda transfer: (transfer.first_payload_wall_ns, transfer.direction == "downlink"))


def _transfers(conversation: Conversation) -> Iterator[WireTransfer]:
    uplink, downlink = conversation.uplink, conversation.downlink
    bare = FrameSizes([*uplink.bare, *downlink.bare])
    requests, responses = spans(conversation, asides(conversation))
    for direction, stream, found in (("uplink", uplink, requests), ("downlink", downlink, responses)):
        acknowledged = Acknowledged(stream.acks)
        handshakes = {span.exchange for span in found if span.tls_handshake}
        for exchange, pieces in _by_exchange(stream.pieces, found).items():
            yield _transfer(
                conversation,
                direction,
                exchange=exchange,
                tls_handshake=exchange in handshakes,
                pieces=pieces,
                acknowledged=acknowledged,
                bare=bare,
            )


def _by_exchange(pieces: Sequence[Piece], found: Sequence[Span]) -> dict[int, list[Piece]]:
    """The pieces of each exchange, in the capture's order, cut where they hold bytes of another one."""
    starts = [span.start for span in found]
    members: dict[int, list[Piece]] = defaultdict(list)
    for piece in pieces:
        for place in range(max(0, bisect_right(starts, piece.start) - 1), len(found)):
            span = found[place]
            if span.start >= piece.end:
                break
            low, high = max(span.start, piece.start), min(span.end, piece.end)
            if low < high:
                members[span.exchange].append(piece._replace(start=low, end=high))
    return members


def _transfer(
    conversation: Conversation,
    direction: str,
    *,
    exchange: int,
    tls_handshake: bool,
    pieces: Sequence[Piece],
    acknowledged: Acknowledged,
    bare: FrameSizes,
) -> WireTransfer:
    facts = payload_facts(pieces, acknowledged)
    first_ns = min(piece.wall_ns for piece in pieces)
    ack_ns = acknowledged.wall_ns(max(piece.end for piece in pieces))
    last_ns = max((piece.wall_ns for piece in pieces if ack_ns is None or piece.wall_ns <= ack_ns), default=first_ns)
    frame_bytes = sum(piece.frame_bytes for piece in pieces)
    return WireTransfer(
        client=conversation.client,
        local_port=conversation.client_port,
        server=conversation.server,
        exchange=exchange,
        direction=direction,
        tls_handshake=tls_handshake,
        first_payload_wall_ns=first_ns,
        last_payload_wall_ns=last_ns,
        last_ack_wall_ns=ack_ns,
        payload_bytes=facts.payload_bytes,
        unseen_bytes=facts.unseen_bytes,
        retransmitted_bytes=facts.retransmitted_bytes,
        packets=len(pieces),
        retransmitted_packets=facts.retransmitted_packets,
        out_of_order_packets=facts.out_of_order_packets,
        payload_frame_bytes=frame_bytes,
        wire_bytes=frame_bytes + bare.within(first_ns, last_ns if ack_ns is None else ack_ns),
        rtt_ns=facts.rtt_ns,
        handshake_rtt_ns=conversation.handshake_rtt_ns,
    )
