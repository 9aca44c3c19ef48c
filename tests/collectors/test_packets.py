from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from wire_writer import CLIENT, PORT, SERVER, Wire

from collectors.capture import to_mono_ns, wall_step_ns
from collectors.packets import WireTransfer, transfers_on_wire
from collectors.segments import ACK, FIN, PSH, RST
from instrument.records import Capture


def one_exchange() -> Wire:
    """A request of 300 bytes in two packets, the first of them lost and sent again, and a response of 1000."""
    wire = Wire()
    wire.handshake(1_000, 40)
    wire.client(2_000, 101, 200)
    wire.client(2_001, 301, 100, ACK | PSH)
    wire.client(2_300, 101, 200)
    wire.client_next = 401
    wire.server(2_340, 901)
    wire.server(2_500, 901, 1000, ACK | PSH)
    wire.server_next = 1901
    wire.client(2_510, 401)
    return wire


def test_one_exchange_gives_a_request_and_a_response() -> None:
    assert transfers_on_wire(one_exchange().packets, server_port=PORT) == [
        WireTransfer(
            client=CLIENT,
            local_port=40000,
            server=SERVER,
            exchange=0,
            direction="uplink",
            tls_handshake=False,
            first_payload_wall_ns=2_000,
            last_payload_wall_ns=2_300,
            last_ack_wall_ns=2_340,
            payload_bytes=300,
            unseen_bytes=0,
            retransmitted_bytes=200,
            packets=3,
            retransmitted_packets=1,
            out_of_order_packets=0,
            payload_frame_bytes=500 + 3 * 66,
            wire_bytes=500 + 4 * 66,
            rtt_ns=(),
            handshake_rtt_ns=40,
        ),
        WireTransfer(
            client=CLIENT,
            local_port=40000,
            server=SERVER,
            exchange=0,
            direction="downlink",
            tls_handshake=False,
            first_payload_wall_ns=2_500,
            last_payload_wall_ns=2_500,
            last_ack_wall_ns=2_510,
            payload_bytes=1000,
            unseen_bytes=0,
            retransmitted_bytes=0,
            packets=1,
            retransmitted_packets=0,
            out_of_order_packets=0,
            payload_frame_bytes=1066,
            wire_bytes=1066 + 66,
            rtt_ns=(10,),
            handshake_rtt_ns=40,
        ),
    ]


def test_other_ports_have_no_transfers() -> None:
    assert transfers_on_wire(one_exchange().packets, server_port=PORT + 1) == []


def test_a_late_copy_of_acknowledged_bytes_does_not_lengthen_the_transfer() -> None:
    wire = one_exchange()
    wire.client(9_000, 400, 1)  # a keep-alive with one byte of old payload
    uplink, _ = transfers_on_wire(wire.packets, server_port=PORT)
    assert (uplink.last_payload_wall_ns, uplink.payload_bytes, uplink.retransmitted_bytes) == (2_300, 300, 201)


def test_what_was_never_acknowledged_has_no_end() -> None:
    wire = one_exchange()
    del wire.packets[-1]
    _, downlink = transfers_on_wire(wire.packets, server_port=PORT)
    assert downlink.last_ack_wall_ns is None


def test_a_reset_acknowledges_nothing() -> None:
    wire = one_exchange()
    del wire.packets[-1]
    wire.client(3_000, 401, flags=RST | ACK)
    _, downlink = transfers_on_wire(wire.packets, server_port=PORT)
    assert downlink.last_ack_wall_ns is None


def test_bytes_that_the_capture_lost_are_counted_as_unseen() -> None:
    wire = one_exchange()
    wire.packets = [packet for packet in wire.packets if packet.seq != 301]
    wire.client(2_002, 391, 10, ack=901)
    uplink, _ = transfers_on_wire(wire.packets, server_port=PORT)
    assert (uplink.payload_bytes, uplink.unseen_bytes) == (210, 90)


def test_a_capture_that_began_within_a_response_says_so() -> None:
    wire = one_exchange()
    wire.server(2_600, 1901, 50)
    wire.client(2_610, 401, 7, ack=1951)
    wire.packets = wire.packets[-4:]
    found = transfers_on_wire(wire.packets, server_port=PORT)
    assert [(item.exchange, item.direction, item.payload_bytes) for item in found] == [
        (-1, "downlink", 1050),
        (0, "uplink", 7),
    ]
    assert found[0].handshake_rtt_ns is None


def test_a_port_that_is_used_again_is_another_connection() -> None:
    second = Wire(client_isn=7_000_000, server_isn=5)
    second.handshake(8_000, 60)
    second.client(8_100, 7_000_001, 11)
    found = transfers_on_wire(one_exchange().packets + second.packets, server_port=PORT)
    assert [(item.exchange, item.direction, item.payload_bytes, item.handshake_rtt_ns) for item in found] == [
        (0, "uplink", 300, 40),
        (0, "downlink", 1000, 40),
        (0, "uplink", 11, 60),
    ]


def test_a_port_that_is_used_again_is_another_connection_where_only_the_answer_to_its_syn_was_captured() -> None:
    second = Wire(client_isn=7_000_000, server_isn=5)
    second.handshake(8_000, 60)
    second.client(8_100, 7_000_001, 11)
    found = transfers_on_wire(one_exchange().packets + second.packets[1:], server_port=PORT)
    assert [(item.exchange, item.payload_bytes) for item in found] == [(0, 300), (0, 1000), (0, 11)]


def test_parallel_connections_are_kept_apart() -> None:
    wires = [one_exchange(), one_exchange(), one_exchange()]
    packets = [
        packet._replace(**{"src_port" if packet.dst_port == PORT else "dst_port": 40000 + number})
        for together in zip(*(wire.packets for wire in wires), strict=True)
        for number, packet in enumerate(together)
    ]
    found = transfers_on_wire(packets, server_port=PORT)
    assert sorted((item.local_port, item.payload_bytes) for item in found) == [
        (port, size) for port in (40000, 40001, 40002) for size in (300, 1000)
    ]


def test_a_repeated_syn_measures_no_round_trip() -> None:
    wire = one_exchange()
    wire.packets.insert(1, wire.packets[0]._replace(wall_ns=1_010))
    assert {item.handshake_rtt_ns for item in transfers_on_wire(wire.packets, server_port=PORT)} == {None}


def cuts(random: Random, length: int) -> list[tuple[int, int]]:
    """[start, end) pieces of a message, in order."""
    edges = sorted({0, length, *(random.randrange(length + 1) for _ in range(random.randrange(6)))})
    return list(pairwise(edges))


@settings(max_examples=100)
@given(
    messages=st.lists(st.tuples(st.integers(1, 70_000), st.integers(1, 70_000)), min_size=1, max_size=5),
    isns=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)) | st.just((2**32 - 3, 2**32 - 9)),
    random=st.randoms(use_true_random=False),
    shuffled=st.booleans(),
)
def test_any_cuts_copies_and_orders_of_known_exchanges_give_their_totals(
    messages: list[tuple[int, int]], isns: tuple[int, int], random: Random, shuffled: bool
) -> None:
    wire = Wire(*isns)
    expected: dict[tuple[int, str], list[int]] = {}
    old: list[tuple[bool, int, int, tuple[int, str]]] = []
    now_ns = 0
    if not shuffled:
        wire.handshake(0, 5)
    for number, (request, response) in enumerate(messages):
        for by_client, length in ((True, request), (False, response)):
            key = (number, "uplink" if by_client else "downlink")
            first = wire.client_next if by_client else wire.server_next
            pieces = cuts(random, length)
            again = [piece for piece in cuts(random, length) if random.random() < 0.4]
            sent = pieces + again
            random.shuffle(sent)
            expected[key] = [length, sum(end - start for start, end in again), len(sent)]
            for start, end in sent:
                now_ns += 10
                (wire.client if by_client else wire.server)(now_ns, first + start, end - start)
            old += [(by_client, first + start, end - start, key) for start, end in pieces]
            if by_client:
                wire.client_next += length
                wire.server(now_ns + 1, wire.server_next)
            else:
                wire.server_next += length
                wire.client(now_ns + 1, wire.client_next)
            if random.random() < 0.3:  # a copy long after: its acknowledgement number is of a later message
                whose, start, copied, key = random.choice(old)
                (wire.client if whose else wire.server)(now_ns + 2, start, copied)
                expected[key][1] += copied
                expected[key][2] += 1
    if shuffled:
        random.shuffle(wire.packets)
    else:
        wire.client(now_ns + 3, wire.client_next, flags=FIN | ACK)
    found = transfers_on_wire(wire.packets, server_port=PORT)
    totals = {
        (item.exchange, item.direction): [item.payload_bytes, item.retransmitted_bytes, item.packets]
        for item in found
    }
    assert totals == expected
    assert {item.unseen_bytes for item in found} == {0}
    assert len(found) == len(totals)


def capture(*, start: tuple[int, int], end: tuple[int, int]) -> Capture:
    return Capture(
        interface="eth0",
        file="x.pcap",
        bpf="",
        start_mono_ns=start[0],
        start_wall_ns=start[1],
        end_mono_ns=end[0],
        end_wall_ns=end[1],
    )


EPOCH_NS = 1_700_000_000_000_000_000


@given(length_ns=st.integers(10**9, 10**13), gained_ppm=st.integers(-500, 500), part=st.integers(-1000, 1_001_000))
def test_wall_stamps_lie_on_the_line_between_the_clock_pairs(length_ns: int, gained_ppm: int, part: int) -> None:
    wall_length_ns = length_ns + length_ns * gained_ppm // 1_000_000
    made = capture(start=(5, EPOCH_NS), end=(5 + length_ns, EPOCH_NS + wall_length_ns))
    assert to_mono_ns(made.start_wall_ns, made) == made.start_mono_ns
    assert to_mono_ns(made.end_wall_ns, made) == made.end_mono_ns
    wall_ns = EPOCH_NS + wall_length_ns * part // 1_000_000
    assert abs(to_mono_ns(wall_ns, made) - (5 + length_ns * part // 1_000_000)) <= 2
    assert wall_step_ns(made) == wall_length_ns - length_ns


def test_one_pair_shifts_only() -> None:
    made = capture(start=(5, EPOCH_NS), end=(5, EPOCH_NS))
    assert to_mono_ns(EPOCH_NS + 12, made) == 17
