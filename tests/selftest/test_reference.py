"""Which packets belong to a request of the probe's: those of its port that come next after its stamp."""

from __future__ import annotations

import pytest

from collectors.packets import WireTransfer
from instrument.records import Capture, Rpc
from testbed.selftest.reference import NoReferenceError, _Wires

MS = 1_000_000
PORT = 40_001
CAPTURE = Capture(
    interface="eth0",
    file="pi1.pcap",
    bpf="tcp port 8000",
    start_mono_ns=0,
    start_wall_ns=0,
    end_mono_ns=60_000 * MS,
    end_wall_ns=60_000 * MS,
)


def on_wire(number: int, at_ms: float, *, direction: str = "uplink", handshake: bool = False) -> WireTransfer:
    first_ns = round(at_ms * MS)
    return WireTransfer(
        client="10.77.1.1",
        local_port=PORT,
        server="10.78.1.1",
        exchange=number,
        direction=direction,
        tls_handshake=handshake,
        first_payload_wall_ns=first_ns,
        last_payload_wall_ns=first_ns + MS,
        last_ack_wall_ns=first_ns + 2 * MS,
        payload_bytes=1000,
        unseen_bytes=0,
        retransmitted_bytes=0,
        packets=1,
        retransmitted_packets=0,
        out_of_order_packets=0,
        payload_frame_bytes=1066,
        wire_bytes=1132,
        rtt_ns=(),
        handshake_rtt_ns=None,
    )


def connection(*transfers: WireTransfer) -> dict[tuple[int, str], WireTransfer]:
    return {(transfer.exchange, transfer.direction): transfer for transfer in transfers}


def request(at_ms: float, *, port: int = PORT) -> Rpc:
    at_ns = round(at_ms * MS)
    return Rpc(
        method="/flwr.proto.Fleet/PushObject",
        server="10.78.1.1:8000",
        start_mono_ns=at_ns,
        end_mono_ns=at_ns + 10 * MS,
        headers_sent_mono_ns=at_ns,
        local_port=port,
    )


def joined_at(sent_ms: float, *connections: dict[tuple[int, str], WireTransfer]) -> float:
    """When the first packet came that the reference takes for a request whose headers were sent then."""
    wires = _Wires({}, {PORT: connections}, {}, CAPTURE)
    exchanges, number = wires._exchange(request(sent_ms))
    return exchanges[number, "uplink"].first_payload_wall_ns / MS


def test_the_next_request_after_the_stamp_is_taken_and_not_the_nearest() -> None:
    """A thread that waits for a core between its stamp and its packet: the request before may be the nearer one."""
    busy = connection(on_wire(0, 90), on_wire(0, 95, direction="downlink"), on_wire(1, 130), on_wire(2, 200))
    assert joined_at(100, busy) == 130


@pytest.mark.parametrize(("packet_ms", "taken"), [(99.5, True), (98.5, False), (599.0, True), (601.0, False)])
def test_a_packet_is_as_near_as_the_clocks_and_a_core_allow(packet_ms: float, taken: bool) -> None:
    if taken:
        assert joined_at(100, connection(on_wire(0, packet_ms))) == packet_ms
    else:
        with pytest.raises(NoReferenceError, match=rf"PushObject from port {PORT}"):
            joined_at(100, connection(on_wire(0, packet_ms)))


def test_a_port_that_was_used_again_gives_the_connection_of_that_time() -> None:
    assert joined_at(100, connection(on_wire(0, 5_000)), connection(on_wire(0, 101))) == 101


def test_a_tls_handshake_and_a_response_are_no_requests() -> None:
    one = connection(on_wire(0, 100, handshake=True), on_wire(1, 101, direction="downlink"), on_wire(2, 102))
    assert joined_at(99.9, one) == 102


def test_a_port_that_was_not_captured_has_no_reference() -> None:
    with pytest.raises(NoReferenceError, match="no packet of"):
        _Wires({}, {}, {}, CAPTURE)._exchange(request(100, port=40_002))
