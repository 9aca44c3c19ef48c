from __future__ import annotations

import pytest
from wire_writer import HEADER_BYTES, PORT, Wire

from collectors.packets import WireTransfer, transfers_on_wire


def uplink(wire: Wire) -> WireTransfer:
    return next(one for one in transfers_on_wire(wire.packets, server_port=PORT) if one.direction == "uplink")


def sent(*packets: tuple[int, int, int]) -> Wire:
    """An open connection and the client's packets (ns, first byte counted from 0, length)."""
    wire = Wire()
    wire.handshake(0, 4)
    for at_ns, start, length in packets:
        wire.client(at_ns, 101 + start, length)
    return wire


def test_times_and_goodput_are_of_the_first_payload_to_its_last_acknowledgement() -> None:
    wire = sent((1_000, 0, 1_000), (1_500, 1_000, 1_000))
    wire.server(2_000, 901, ack=101 + 1_000)
    wire.server(3_000, 901, ack=101 + 2_000)
    found = uplink(wire)
    assert (found.payload_time_ns, found.wire_time_ns) == (500, 2_000)
    assert found.goodput_bit_per_s == 2_000 * 8 / 2e-6


def test_what_was_never_acknowledged_has_no_goodput() -> None:
    found = uplink(sent((1_000, 0, 1_000)))
    assert (found.wire_time_ns, found.goodput_bit_per_s) == (None, None)
    assert found.wire_bytes == found.payload_frame_bytes == 1_000 + HEADER_BYTES


def test_bytes_on_the_wire_are_frames_of_both_directions_from_first_byte_to_last_acknowledgement() -> None:
    wire = sent((1_000, 0, 1_000), (1_500, 1_000, 1_000))
    for at_ns, ack in ((900, 101), (2_000, 1_101), (3_000, 2_101), (3_001, 2_101)):
        wire.server(at_ns, 901, ack=ack)
    found = uplink(wire)
    assert found.payload_frame_bytes == 2_000 + 2 * HEADER_BYTES
    assert found.wire_bytes == 2_000 + 4 * HEADER_BYTES


def test_packets_that_were_overtaken_are_no_retransmissions() -> None:
    found = uplink(sent((10, 0, 100), (20, 200, 100), (30, 300, 100), (40, 100, 100), (50, 400, 100)))
    assert (found.out_of_order_packets, found.retransmitted_packets, found.retransmitted_bytes) == (1, 0, 0)
    assert (found.payload_bytes, found.unseen_bytes) == (500, 0)


def test_a_packet_with_some_bytes_seen_before_is_a_retransmission_of_these() -> None:
    found = uplink(sent((10, 0, 100), (20, 100, 100), (30, 50, 250), (40, 0, 100)))
    assert (found.out_of_order_packets, found.retransmitted_packets, found.retransmitted_bytes) == (0, 2, 250)
    assert found.payload_bytes == 300


def test_each_new_acknowledgement_gives_a_round_trip_from_the_packet_it_is_the_end_of() -> None:
    wire = sent((100, 0, 50), (110, 50, 50), (120, 100, 50), (130, 150, 65_000))
    wire.server(200, 901, ack=101 + 50)
    wire.server(205, 901, ack=101 + 50)  # says nothing new
    wire.server(231, 901, ack=101 + 150)  # of two packets: the later one counts
    wire.server(260, 901, ack=101 + 30_000)  # within a packet that segmentation offload cuts
    assert uplink(wire).rtt_ns == (100, 111, 130)


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param((150, 50, 50), id="sent twice"),
        pytest.param((150, 40, 20), id="sent again in part"),
    ],
)
def test_what_was_sent_twice_gives_no_round_trip(copy: tuple[int, int, int]) -> None:
    wire = sent((100, 0, 40), (110, 40, 60), (120, 100, 50), copy, (170, 150, 50))
    wire.server(140, 901, ack=101 + 40)
    wire.server(230, 901, ack=101 + 150)  # the last packet was sent once, but its acknowledgement waited
    wire.server(271, 901, ack=101 + 200)
    assert uplink(wire).rtt_ns == (40, 101)


def test_an_acknowledgement_that_waited_for_an_overtaken_packet_gives_no_round_trip() -> None:
    wire = sent((100, 0, 50), (120, 100, 50), (150, 50, 50))
    wire.server(200, 901, ack=101 + 50)
    wire.server(210, 901, ack=101 + 150)
    assert uplink(wire).rtt_ns == (100,)


def test_an_acknowledgement_of_bytes_that_the_capture_lost_gives_no_round_trip() -> None:
    wire = sent((100, 0, 50), (120, 100, 50))
    wire.server(200, 901, ack=101 + 100)
    wire.server(240, 901, ack=101 + 150)
    assert uplink(wire).rtt_ns == (120,)


def test_an_acknowledgement_of_the_end_of_the_stream_is_one_of_its_last_byte() -> None:
    wire = sent((100, 0, 50))
    wire.now_ns, wire.client_next = 105, 151
    wire.close()
    wire.server(140, 901)
    found = uplink(wire)
    assert (found.rtt_ns, found.wire_time_ns) == ((40,), 40)
