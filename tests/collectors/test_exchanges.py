from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire_writer import PORT, Wire, record

from collectors.packets import WireTransfer, transfers_on_wire
from collectors.segments import ACK, FIN, RST, Packet

REQUEST, RESPONSE, CONTINUE = b"POST /flwr HTTP/1.1", b"HTTP/1.1 200 OK", b"HTTP/1.1 100 Continue\r\n\r\n"
HELLO, SPEC_AND_FINISHED = record(22, 512), record(20, 1) + record(23, 69)
SERVER_HELLO = record(22, 122) + record(20, 1) + record(23, 500)
TICKET, CLOSE_NOTIFY = record(23, 250), record(23, 19)


def sizes(packets: list[Packet]) -> list[tuple[int, str, int]]:
    """Exchange, direction and payload of each transfer that is no handshake of TLS, in its order."""
    return [(one.exchange, one.direction, one.payload_bytes) for one in transfers(packets) if not one.tls_handshake]


def transfers(packets: list[Packet]) -> list[WireTransfer]:
    return sorted(
        transfers_on_wire(packets, server_port=PORT), key=lambda one: (one.exchange, one.direction == "downlink")
    )


def opened() -> Wire:
    wire = Wire()
    wire.handshake(1_000, 40)
    return wire


def test_a_request_that_waits_for_100_continue_is_one_request() -> None:
    wire = opened()
    for _ in range(2):
        wire.say(REQUEST, 200)
        wire.answer(CONTINUE)
        wire.say(b"body", 5_000)
        wire.answer(RESPONSE, 300)
    wire.close()
    assert sizes(wire.packets) == [
        (0, "uplink", 5_200),
        (0, "downlink", 300),
        (1, "uplink", 5_200),
        (1, "downlink", 300),
    ]


def test_a_copy_that_joins_100_continue_and_the_response_does_not_hide_the_response() -> None:
    wire = opened()
    wire.say(REQUEST, 200)
    wire.answer(CONTINUE)
    wire.answer(RESPONSE, 300)
    wire.server(wire.now_ns + 10, wire.server_next - 325, 325, head=CONTINUE[:12])
    assert sizes(wire.packets) == [(0, "uplink", 200), (0, "downlink", 300)]


def test_a_response_that_begins_before_the_whole_request_is_there_does_not_part_it() -> None:
    wire = opened()
    wire.say(REQUEST, 200)
    had = wire.client_next
    wire.say(b"body", 1_000)
    wire.answer(RESPONSE, 90, heard=had)
    wire.say(b"more body", 1_000)
    wire.answer(b"rest", 10)
    wire.say(REQUEST, 70)
    wire.answer(RESPONSE, 40)
    assert sizes(wire.packets) == [
        (0, "uplink", 2_200),
        (0, "downlink", 100),
        (1, "uplink", 70),
        (1, "downlink", 40),
    ]


@pytest.mark.parametrize("body_left", [0, 1_000])
def test_a_response_that_ends_before_its_request_does_not_join_the_next_request_to_it(body_left: int) -> None:
    wire = opened()
    wire.say(REQUEST, 200)
    had = wire.client_next
    wire.say(b"body", 1_000)
    wire.answer(b"HTTP/1.1 413 Too Large", 90, heard=had)
    if body_left:
        wire.say(b"more body", body_left)
    wire.say(REQUEST, 70)
    wire.answer(RESPONSE, 40)
    assert sizes(wire.packets) == [
        (0, "uplink", 1_200 + body_left),
        (0, "downlink", 90),
        (1, "uplink", 70),
        (1, "downlink", 40),
    ]


def test_short_messages_of_any_other_protocol_are_exchanges_too() -> None:
    wire = opened()
    for number in range(1, 4):
        wire.say(b"?" * number)
        wire.answer(b"!" * number)
    assert sizes(wire.packets) == [
        (number - 1, direction, number) for number in range(1, 4) for direction in ("uplink", "downlink")
    ]


@given(
    tickets_at=st.lists(st.integers(0, 3), min_size=2, max_size=2),
    before_any_request=st.booleans(),
    request_bytes=st.integers(60, 20_000),
    response_bytes=st.integers(60, 20_000),
    together=st.booleans(),
)
@example(tickets_at=[1, 2], before_any_request=False, request_bytes=60, response_bytes=60, together=False)
@example(tickets_at=[0, 0], before_any_request=True, request_bytes=250, response_bytes=250, together=True)
def test_tls_tickets_neither_part_nor_join_requests(
    tickets_at: list[int], before_any_request: bool, request_bytes: int, response_bytes: int, together: bool
) -> None:
    """The first request is in three packets; tickets arrive before the first, second or third of them, or after."""
    wire = opened()
    wire.say(HELLO)
    wire.answer(SERVER_HELLO)
    wire.say(SPEC_AND_FINISHED)
    finished = wire.client_next
    first, second = sorted(tickets_at)
    places = [first, first] if together else [first, second]
    for part in range(4):
        heard = finished if before_any_request and part == places[0] else wire.client_next
        if together and part == first:
            wire.answer(TICKET * 2, heard=heard)
        elif not together:
            for _ in range(places.count(part)):
                wire.answer(TICKET, heard=heard)
        if part < 3:
            wire.say(record(23, request_bytes))
    for _ in range(2):
        wire.answer(record(23, response_bytes + 1_000))
        wire.say(record(23, request_bytes))
    wire.answer(record(23, response_bytes))
    wire.say(CLOSE_NOTIFY)
    wire.close()
    wire.answer(CLOSE_NOTIFY)
    found = transfers(wire.packets)
    assert [(one.exchange, one.direction, one.payload_bytes) for one in found if one.tls_handshake] == [
        (0, "uplink", len(HELLO)),
        (0, "downlink", len(SERVER_HELLO)),
        (1, "uplink", len(SPEC_AND_FINISHED)),
        (1, "downlink", 2 * len(TICKET)),
    ]
    assert sizes(wire.packets) == [
        (2, "uplink", 3 * (request_bytes + 5)),
        (2, "downlink", response_bytes + 1_005),
        (3, "uplink", request_bytes + 5),
        (3, "downlink", response_bytes + 1_005),
        (4, "uplink", request_bytes + 5),
        (4, "downlink", response_bytes + 5),
    ]


def test_one_ticket_is_told_where_it_was_sent_before_any_request() -> None:
    wire = opened()
    wire.say(HELLO)
    wire.answer(SERVER_HELLO)
    wire.say(SPEC_AND_FINISHED)
    finished = wire.client_next
    wire.say(record(23, 500))
    wire.answer(TICKET, heard=finished)
    wire.answer(record(23, 300))
    assert sizes(wire.packets) == [(2, "uplink", 505), (2, "downlink", 305)]


@pytest.mark.parametrize("same_packet", [True, False])
def test_two_tickets_that_were_sent_after_the_request_are_told_by_their_length(same_packet: bool) -> None:
    wire = opened()
    wire.say(HELLO)
    wire.answer(SERVER_HELLO)
    wire.say(SPEC_AND_FINISHED)
    wire.say(record(23, 500))
    for tickets in [TICKET * 2] if same_packet else [TICKET, TICKET]:
        wire.answer(tickets)
    wire.answer(record(23, 300))
    assert sizes(wire.packets) == [(2, "uplink", 505), (2, "downlink", 305)]


def test_a_ticket_that_shares_a_packet_with_the_response_is_told_from_it() -> None:
    """As Nagle's algorithm joins them, which holds the second ticket back until the first is acknowledged."""
    wire = opened()
    wire.say(HELLO)
    wire.answer(SERVER_HELLO)
    wire.say(SPEC_AND_FINISHED)
    wire.say(record(23, 500))
    wire.answer(TICKET)
    wire.answer(TICKET + record(23, 300))
    assert sizes(wire.packets) == [(2, "uplink", 505), (2, "downlink", 305)]


def test_equal_responses_of_a_server_without_tickets_are_no_tickets() -> None:
    wire = opened()
    wire.say(HELLO)
    wire.answer(SERVER_HELLO)
    wire.say(SPEC_AND_FINISHED)
    for _ in range(3):
        wire.say(record(23, 500))
        wire.answer(record(23, 300))
    assert sizes(wire.packets) == [
        (number, direction, size) for number in (2, 3, 4) for direction, size in (("uplink", 505), ("downlink", 305))
    ]


def test_a_finished_without_change_cipher_spec_is_told_by_its_length() -> None:
    wire = opened()
    wire.say(HELLO)
    wire.answer(record(22, 122) + record(23, 500))
    wire.say(record(23, 53))
    wire.say(record(23, 500))
    wire.answer(record(23, 300))
    assert sizes(wire.packets) == [(2, "uplink", 505), (2, "downlink", 305)]


def test_tls_1_2_shows_its_handshake() -> None:
    wire = opened()
    wire.say(HELLO)
    wire.answer(record(22, 65) + record(22, 400))
    wire.say(record(22, 37) + record(20, 1) + record(22, 40))
    wire.answer(record(22, 186) + record(20, 1) + record(22, 40))
    for _ in range(2):
        wire.say(record(23, 500))
        wire.answer(record(23, 300))
    wire.say(record(21, 26))
    wire.close()
    wire.answer(record(21, 26))
    assert [one.exchange for one in transfers(wire.packets) if one.tls_handshake] == [0, 0, 1, 1]
    assert sizes(wire.packets) == [
        (number, direction, size) for number in (2, 3) for direction, size in (("uplink", 505), ("downlink", 305))
    ]


@pytest.mark.parametrize("client_says_so", [True, False])
@pytest.mark.parametrize("server_says_so", [True, False])
def test_a_last_record_as_short_as_an_alert_is_part_of_its_response(
    client_says_so: bool, server_says_so: bool
) -> None:
    wire = opened()
    wire.say(record(23, 300))
    wire.answer(record(23, 100))
    wire.answer(record(23, 2 + 17))  # "ok"
    if client_says_so:
        wire.say(CLOSE_NOTIFY)
    wire.close()
    if server_says_so:
        wire.answer(CLOSE_NOTIFY)
    wire.server(wire.now_ns + 10, wire.server_next, flags=FIN | ACK)
    assert sizes(wire.packets) == [(0, "uplink", 305), (0, "downlink", 105 + 24)]


def test_a_server_that_closes_first_says_so_before() -> None:
    wire = opened()
    wire.say(record(23, 300))
    wire.answer(record(23, 100))
    wire.answer(CLOSE_NOTIFY)
    wire.server(wire.now_ns, wire.server_next, flags=FIN | ACK)
    wire.server_next += 1
    wire.close()
    assert sizes(wire.packets) == [(0, "uplink", 305), (0, "downlink", 105)]


def test_a_server_that_says_so_first_may_get_a_reset_for_an_answer() -> None:
    """Seen of httpx: five seconds after the last response, as long as uvicorn keeps an idle connection."""
    wire = opened()
    wire.say(record(23, 300))
    wire.answer(record(23, 100))
    wire.now_ns += 5_000_000_000
    wire.answer(CLOSE_NOTIFY)
    wire.client(wire.now_ns + 10, wire.client_next, flags=RST | ACK)
    (response,) = [one for one in transfers(wire.packets) if one.direction == "downlink" and not one.tls_handshake]
    assert response.payload_bytes == 105
    assert response.payload_time_ns == 0


def test_a_short_last_record_of_a_connection_that_nobody_closed_is_part_of_its_response() -> None:
    wire = opened()
    wire.say(record(23, 300))
    wire.answer(record(23, 100))
    wire.answer(record(23, 2 + 17))  # "ok"
    assert sizes(wire.packets) == [(0, "uplink", 305), (0, "downlink", 105 + 24)]


def test_a_request_that_crosses_the_close_of_its_server_has_no_response() -> None:
    wire = opened()
    wire.say(record(23, 300))
    wire.answer(record(23, 100))
    wire.answer(CLOSE_NOTIFY)
    wire.server(wire.now_ns, wire.server_next, flags=FIN | ACK)
    wire.say(record(23, 300))
    assert sizes(wire.packets) == [(0, "uplink", 305), (0, "downlink", 105), (1, "uplink", 305)]


def test_an_encrypted_100_continue_that_the_client_did_not_wait_for_is_no_start_of_a_response() -> None:
    wire = opened()
    wire.say(record(23, 300))
    wire.say(record(23, 9_000))
    wire.answer(record(23, 25 + 17))
    wire.answer(record(23, 400))
    assert sizes(wire.packets) == [(0, "uplink", 305 + 9_005), (0, "downlink", 405)]


def test_an_encrypted_100_continue_is_told_by_its_length() -> None:
    wire = opened()
    wire.say(record(23, 300))  # the capture began after the handshake
    wire.answer(record(23, 25 + 17))
    wire.say(record(23, 9_000))
    wire.answer(record(23, 400))
    wire.say(record(23, 200))
    assert sizes(wire.packets) == [(0, "uplink", 305 + 9_005), (0, "downlink", 405), (1, "uplink", 205)]


@given(random=st.randoms(use_true_random=False))
def test_both_ends_of_a_lossy_path_give_the_same_exchanges(random: Random) -> None:
    """The sender's capture has every copy, the receiver's has none of those that were lost on the way."""
    sent, received = opened(), opened()
    for number in range(4):
        for parts, by_client in ((random.randrange(1, 8), True), (random.randrange(1, 8), False)):
            for part in range(parts):
                write = Wire.say if by_client else Wire.answer
                head = (REQUEST if by_client else RESPONSE) if part == 0 else b"body"
                for wire in (sent, received):
                    write(wire, head, 100 + number)
                lost = random.random() < 0.3
                if lost:  # the copy is sent later, and arrives after what followed
                    sent.packets.append(sent.packets[-1]._replace(wall_ns=sent.now_ns + 15))
                    received.packets[-1] = received.packets[-1]._replace(wall_ns=received.now_ns + 15)
    for wire in (sent, received):
        wire.packets.sort(key=lambda packet: packet.wall_ns)
    assert sizes(sent.packets) == sizes(received.packets)
    assert len(sizes(sent.packets)) == 8
