"""How late received bytes were read, by the kernel's own word: real sockets, with and without TLS."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from instrument.clock import kernel_tick_ns
from instrument.flower.arrival import LEAST_TICKS, TICK_NS, age_ns, late_ms, tcp_info

WAIT_S = 0.2


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        other, _ = listening.accept()
    with one, other:
        yield one, other


def test_the_age_counts_from_the_last_packet_and_not_from_the_read(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, reader = pair
    sender.sendall(b"a" * 1000)
    before = time.monotonic_ns()
    time.sleep(WAIT_S)
    reader.recv(2000)
    waited_ns, passed_ns = age_ns(tcp_info(reader)), time.monotonic_ns() - before
    assert waited_ns is not None
    assert WAIT_S * 1e9 - 2 * TICK_NS <= waited_ns <= passed_ns + 2 * TICK_NS
    sender.sendall(b"b")
    reader.recv(1)
    fresh_ns = age_ns(tcp_info(reader))
    assert fresh_ns is not None
    assert fresh_ns < waited_ns / 2


def test_what_is_no_open_tcp_socket_has_no_age(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        transports = [SimpleNamespace(fileno=one.fileno) for one in (pair[0], datagrams)]
        assert [age_ns(tcp_info(one)) for one in (None, pair[0], datagrams, object(), *transports)] == [None] * 6


def test_a_transports_socket_is_asked_by_its_number(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].sendall(b"a")
    time.sleep(WAIT_S)
    before = age_ns(tcp_info(pair[1]))
    by_number = age_ns(tcp_info(SimpleNamespace(fileno=pair[1].fileno)))
    after = age_ns(tcp_info(pair[1]))
    assert None not in {before, by_number, after}
    assert WAIT_S * 1e9 - 2 * TICK_NS <= before <= by_number <= after


def test_less_than_the_kernel_can_tell_is_nothing() -> None:
    assert kernel_tick_ns() == TICK_NS
    assert 1_000_000 <= TICK_NS <= 10_000_000
    least = LEAST_TICKS * TICK_NS
    assert [late_ms(age) for age in (None, -5, 0, least - 1, least, 90_000_000)] == [
        None,
        0,
        0,
        0,
        least // 1_000_000,
        90,
    ]


def test_a_busy_server_says_how_late_it_read() -> None:
    """A real uvicorn whose event loop is blocked while a body arrives: the stamp is late, and the header says so."""
    import httpx
    import uvicorn

    from instrument.flower.serve import HEADER, StampingApp

    blocked = threading.Event()

    async def app(scope: dict, receive, send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/block":
            blocked.set()
            time.sleep(3 * WAIT_S)  # what a long piece of work in the loop's thread does to everybody else
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    server = uvicorn.Server(uvicorn.Config(StampingApp(app), port=0, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    with httpx.Client(base_url=url) as client:
        client.post("/warm", content=b"x")
        blocker = threading.Thread(target=lambda: httpx.post(f"{url}/block", content=b"x"))
        blocker.start()
        blocked.wait(10)
        late = int(client.post("/late/push-object", content=b"x").headers[HEADER].split(",")[5], 16)
        blocker.join()
        prompt = int(client.post("/prompt/push-object", content=b"x").headers[HEADER].split(",")[5], 16)
    server.should_exit = True
    thread.join(10)
    assert late >= WAIT_S * 1000
    assert prompt < late / 2
