from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.clock_exchange import BURST, PACKET_BYTES, Address, Packet, Responder, burst
from collectors.errors import ClockServerError
from collectors.run import Listening
from instrument.clock import SystemClock, this_clock

CLOCK = SystemClock()
NS = st.integers(-(2**63), 2**63 - 1)


@given(
    answer=st.booleans(),
    burst_id=st.binary(min_size=8, max_size=8),
    sequence=st.integers(0, 2**32 - 1),
    received_ns=NS,
    sent_ns=NS,
    clock=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=96),
)
def test_a_packet_reads_as_it_was_written(
    answer: bool, burst_id: bytes, sequence: int, received_ns: int, sent_ns: int, clock: str
) -> None:
    packet = Packet(
        answer=answer,
        burst=burst_id,
        sequence=sequence,
        received_mono_ns=received_ns,
        sent_mono_ns=sent_ns,
        clock=clock,
    )
    assert len(packet.encode()) == PACKET_BYTES
    assert Packet.decode(packet.encode()) == packet


@given(st.binary(max_size=200))
def test_anything_else_is_no_packet(data: bytes) -> None:
    assert Packet.decode(data) is None


@pytest.mark.parametrize(
    "text", ["", "nonsense", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999999999", "a b:1", ":7"]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ClockServerError, match="no address of a clock server"):
        Address.parse(text)


@contextmanager
def serving() -> Iterator[Address]:
    with (
        Responder(Address.parse("127.0.0.1:0"), clock=CLOCK, clock_id=str(this_clock())) as responder,
        Listening(responder),
    ):
        yield Address.parse(f"127.0.0.1:{responder.port}")


def test_a_burst_gives_its_exchanges_each_in_causal_order() -> None:
    with serving() as address:
        exchanges = burst(address, clock=CLOCK, spacing_ns=0)
    assert len(exchanges) == BURST == 23
    for exchange in exchanges:
        assert exchange.path == "management"
        assert exchange.peer == address.text
        assert exchange.peer_clock == str(this_clock())
        moments = (
            exchange.sent_mono_ns,
            exchange.peer_received_mono_ns,
            exchange.peer_sent_mono_ns,
            exchange.received_mono_ns,
        )
        assert list(moments) == sorted(moments)  # one clock here


def test_the_responder_passes_over_strays_and_ends_when_told() -> None:
    with serving() as address, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(address.sockaddr)
        for stray in (b"", b"hello", os.urandom(PACKET_BYTES), os.urandom(4096)):
            stranger.send(stray)
        stranger.send(Packet(answer=True, burst=b"12345678", sequence=0).encode())
        assert len(burst(address, clock=CLOCK, count=3, spacing_ns=0)) == 3
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.recv(4096)


@contextmanager
def answering(reply: Callable[[Packet], list[bytes]]) -> Iterator[Address]:
    """A server of a test's own making: each request is answered with the datagrams that `reply` gives."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def run() -> None:
            while True:
                data, sender = server.recvfrom(4096)
                if data == b"end":
                    return
                request = Packet.decode(data)
                assert request is not None
                for answer in reply(request):
                    server.sendto(answer, sender)

        thread = threading.Thread(target=run)
        thread.start()
        yield Address.parse(f"127.0.0.1:{server.getsockname()[1]}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as farewell:
            farewell.sendto(b"end", server.getsockname())
        thread.join()


def answer_to(request: Packet, **changes: object) -> bytes:
    fields = {"answer": True, "burst": request.burst, "sequence": request.sequence, "clock": "c", **changes}
    return Packet(**fields).encode()  # type: ignore[arg-type]


def test_only_the_answer_to_the_request_counts() -> None:
    def reply(request: Packet) -> list[bytes]:
        return [
            b"noise",
            answer_to(request, burst=b"another!", received_mono_ns=1),
            answer_to(request, sequence=request.sequence + 1, received_mono_ns=2),
            answer_to(request, answer=False, received_mono_ns=3),
            answer_to(request)[:-1],
            answer_to(request, received_mono_ns=42, sent_mono_ns=43),
            answer_to(request, received_mono_ns=4),  # a duplicate that is late for this request and none of the next
        ]

    with answering(reply) as address:
        exchanges = burst(address, clock=CLOCK, count=5, spacing_ns=0)
    assert [(item.peer_received_mono_ns, item.peer_sent_mono_ns) for item in exchanges] == [(42, 43)] * 5


def test_lost_requests_are_sent_again_as_others() -> None:
    asked: list[int] = []

    def reply(request: Packet) -> list[bytes]:
        asked.append(request.sequence)
        return [] if request.sequence == 1 else [answer_to(request)]

    with answering(reply) as address:
        exchanges = burst(address, clock=CLOCK, count=3, spacing_ns=0)
    assert len(exchanges) == 3
    assert asked == [0, 1, 2, 3]


def test_silence_ends_at_the_budget_with_no_exchange() -> None:
    with answering(lambda _: []) as address:
        assert burst(address, clock=CLOCK, budget_ns=1_000_000) == []


def test_a_port_that_nobody_listens_on_gives_no_exchange() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        address = Address.parse(f"127.0.0.1:{closed.getsockname()[1]}")
    assert burst(address, clock=CLOCK, budget_ns=50_000_000) == []


SERVER = """
import sys
from collectors.clock_exchange import Address, Responder
from collectors.run import Listening
from instrument.clock import SystemClock, this_clock
address, name = Address.parse("127.0.0.1:0"), str(this_clock())
with Responder(address, clock=SystemClock(), clock_id=name) as responder, Listening(responder):
    print(responder.port, name, flush=True)
    sys.stdin.read()
"""
OFFSET_S = 5000


@pytest.mark.netns
def test_the_offset_between_two_time_namespaces_is_found_within_half_the_least_round_trip() -> None:
    unshare = ["unshare", "--time", "--monotonic", str(OFFSET_S), "--fork", "--kill-child"]
    if os.geteuid() != 0 or subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("no time namespaces here: root and a kernel with CONFIG_TIME_NS are needed")
    argv = [*unshare, sys.executable, "-c", SERVER]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port, clock_id = server.stdout.readline().split()
        exchanges = burst(Address.parse(f"127.0.0.1:{port}"), clock=CLOCK, spacing_ns=1_000_000)
        server.communicate()
    assert len(exchanges) == BURST
    assert {item.peer_clock for item in exchanges} == {clock_id}
    assert clock_id != str(this_clock())
    estimates = []
    for item in exchanges:
        there_ns = item.peer_sent_mono_ns - item.peer_received_mono_ns
        round_trip_ns = item.received_mono_ns - item.sent_mono_ns - there_ns
        twice_offset_ns = (
            item.peer_received_mono_ns - item.sent_mono_ns + item.peer_sent_mono_ns - item.received_mono_ns
        )
        estimates.append((round_trip_ns, twice_offset_ns / 2))
    least_ns, offset_ns = min(estimates)
    assert abs(offset_ns - OFFSET_S * 1e9) <= least_ns / 2
