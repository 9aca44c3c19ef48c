"""Captures of real TLS on loopback: what of them is a request, a response, or TLS's own."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from collectors.capture import CapturePlan, Tcpdump
from collectors.packets import WireTransfer, read_segments, transfers_on_wire
from collectors.settling import SETTLE_NS
from instrument.clock import SystemClock

CLOCK = SystemClock()
RESPONSE_BYTES = 307

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(60),
    pytest.mark.skipif(shutil.which("tcpdump") is None or os.geteuid() != 0, reason="needs root and tcpdump"),
]


@contextmanager
def captured(file: Path, port: int) -> Iterator[list[WireTransfer]]:
    """Captures the block's packets on loopback; the list is filled at its end."""
    found: list[WireTransfer] = []
    with Tcpdump(CapturePlan(device="lo", port=port, file=file), CLOCK) as tcpdump:
        yield found
        CLOCK.sleep_until_mono_ns(CLOCK.mono_ns() + SETTLE_NS)
        tcpdump.stop()
    found += transfers_on_wire(read_segments(file), server_port=port)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after the tickets"])
def test_a_capture_of_tls_tells_its_handshake_from_requests(
    tmp_path: Path, certificate: Path, version: str, waits: bool
) -> None:
    """Each request is two writes, as httpx's are; without a wait OpenSSL's tickets come between them."""
    lengths = [1_003, 1_000_003, 23, 23]
    with (
        serving_tls(certificate, ssl.TLSVersion[version]) as address,
        captured(tmp_path / "x.pcap", address[1]) as found,
        connected_tls(address) as channel,
        channel.makefile("rb") as reader,
    ):
        if waits:
            CLOCK.sleep_until_mono_ns(CLOCK.mono_ns() + 100_000_000)
        for length in lengths:
            channel.sendall(length.to_bytes(4, "big"))
            channel.sendall(b"x" * length)
            assert len(reader.read(RESPONSE_BYTES)) == RESPONSE_BYTES
    handshake = [item for item in found if item.tls_handshake]
    assert [(item.exchange, item.direction) for item in handshake] == [
        (number, direction) for number in (0, 1) for direction in ("uplink", "downlink")
    ]
    requests = [item for item in found if not item.tls_handshake]
    assert [(item.exchange, item.direction) for item in requests] == [
        (number, direction) for number in range(2, 2 + len(lengths)) for direction in ("uplink", "downlink")
    ]
    overhead = {"TLSv1_2": 5 + 8 + 16, "TLSv1_3": 5 + 1 + 16}[version]
    records = [1 + -(-length // 16_384) for length in lengths]
    assert [item.payload_bytes for item in requests if item.direction == "uplink"] == [
        4 + length + count * overhead for length, count in zip(lengths, records, strict=True)
    ]
    assert {item.payload_bytes for item in requests if item.direction == "downlink"} == {RESPONSE_BYTES + overhead}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + secret)
    return path


@contextmanager
def serving_tls(certificate: Path, version: ssl.TLSVersion) -> Iterator[tuple[str, int]]:
    """Answers each request of 4 bytes length + that many with so many bytes, over TLS; one connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.minimum_version = context.maximum_version = version

    def serve(listener: socket.socket) -> None:
        channel, _ = listener.accept()
        with context.wrap_socket(channel, server_side=True) as secure, secure.makefile("rb") as reader:
            while head := reader.read(4):
                reader.read(int.from_bytes(head, "big"))
                secure.sendall(bytes(RESPONSE_BYTES))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()
        thread.join()


def connected_tls(address: tuple[str, int]) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    channel = socket.create_connection(address)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(channel)


CONNECTIONS = 7
SIZES = [(1_003, 2), (11, 211), (700_001, 100_003), (5, 2)]  # of each request's body and its response's


@pytest.mark.parametrize("waits_for_100", [False, True], ids=["", "expect 100-continue"])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_requests_of_http_are_told_one_by_one(
    tmp_path: Path, certificate: Path, tls: bool, waits_for_100: bool
) -> None:
    headers = {"Expect": "100-continue"} if waits_for_100 else {}
    trust = ssl.create_default_context(cafile=str(certificate))
    trust.check_hostname = False
    with serving_http(certificate if tls else None) as port, captured(tmp_path / "x.pcap", port) as found:
        for _ in range(CONNECTIONS):
            with httpx.Client(verify=trust, headers=headers) as client:
                for up, down in SIZES:
                    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/{down}"
                    assert len(client.post(url, content=b"x" * up).content) == down
    payloads: dict[tuple[int, str], list[int]] = defaultdict(list)
    for transfer in found:
        if not transfer.tls_handshake:
            payloads[transfer.local_port, transfer.direction].append(transfer.payload_bytes)
    assert len(payloads) == 2 * CONNECTIONS
    for direction, sizes in (("uplink", [up for up, _ in SIZES]), ("downlink", [down for _, down in SIZES])):
        (told,) = {tuple(found) for (_, whose), found in payloads.items() if whose == direction}
        extra = [payload - size for payload, size in zip(told, sizes, strict=True)]
        assert min(extra) > 0
        assert max(extra) < 300 + (max(sizes) // 16_384 + 1) * 40  # headers, and what each TLS record adds


@contextmanager
def serving_http(certificate: Path | None) -> Iterator[int]:
    """Answers each request, when it has all of it, with so many bytes as its path says."""
    files = {"ssl_certfile": certificate, "ssl_keyfile": certificate} if certificate else {}
    config = uvicorn.Config(answer, host="127.0.0.1", port=0, log_level="error", lifespan="off", ws="none", **files)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        CLOCK.sleep_until_mono_ns(CLOCK.mono_ns() + 10_000_000)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    size = int(scope["path"].strip("/"))
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(size)})
