from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.capture import to_mono_ns, wall_step_ns
from collectors.packets import WireTransfer, transfers_on_wire
from collectors.pcap import ACK, FIN, PSH, RST, SYN, Packet
from instrument.records import Capture

CLIENT, SERVER, PORT = "10.0.0.7", "10.0.0.1", 9092


@dataclass
class Wire:
    """Writes the packets of one connection as its two ends send them; sequence numbers wrap."""

    client_isn: int = 100
    server_isn: int = 900
    local_port: int = 40000

    def __post_init__(self) -> None:
        self.packets: list[Packet] = []
        self.client_next = self.client_isn + 1
        self.server_next = self.server_isn + 1

    def client(self, at_ns: int, start: int, length: int = 0, flags: int = ACK, ack: int | None = None) -> None:
        number = self.server_next if ack is None else ack
        self.packets.append(
            Packet(at_ns, CLIENT, self.local_port, SERVER, PORT, start % 2**32, number % 2**32, flags, length)
        )

    def server(self, at_ns: int, start: int, length: int = 0, flags: int = ACK, ack: int | None = None) -> None:
        number = self.client_next if ack is None else ack
        self.packets.append(
            Packet(at_ns, SERVER, PORT, CLIENT, self.local_port, start % 2**32, number % 2**32, flags, length)
        )

    def handshake(self, at_ns: int, rtt_ns: int) -> None:
        self.client(at_ns, self.client_isn, flags=SYN, ack=0)
        self.server(at_ns + rtt_ns, self.server_isn, flags=SYN | ACK)
        self.client(at_ns + rtt_ns, self.client_next)


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
            first_payload_wall_ns=2_000,
            last_payload_wall_ns=2_300,
            last_ack_wall_ns=2_340,
            payload_bytes=300,
            retransmitted_bytes=200,
            unseen_bytes=0,
            packets=3,
            handshake_rtt_ns=40,
        ),
        WireTransfer(
            client=CLIENT,
            local_port=40000,
            server=SERVER,
            exchange=0,
            direction="downlink",
            first_payload_wall_ns=2_500,
            last_payload_wall_ns=2_500,
            last_ack_wall_ns=2_510,
            payload_bytes=1000,
            retransmitted_bytes=0,
            unseen_bytes=0,
            packets=1,
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
