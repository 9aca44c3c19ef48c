"""Four-timestamp clock exchanges over the management network: a responder on one host, a client on each other.

A client sends a burst before a trial and one after it, and a short one between rounds when it is told to. The
responder's host must therefore stop its collector last. Requests and answers have one length, so that a slow link
delays both alike and an answer never amplifies a forged request.

Source of the method: RFC 5905, section 8 (on-wire protocol), with monotonic readings in place of wall time.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from collectors.errors import ClockServerError
from collectors.stopping import Stop
from instrument.clock import Clock, sleep_s
from instrument.records import Exchange

BURST = 23
SPACING_NS = 10_000_000
ANSWER_TIMEOUT_NS = 200_000_000
BUDGET_NS = 3_000_000_000  # a burst ends here at the latest, however few answers it has
PATH = "management"

MAGIC = b"fpclock1"
# magic, asking or answering, burst id, sequence, server received, server sent, server's clock id
_LAYOUT = struct.Struct("!8sB8sIqq96s")
_ASK, _ANSWER = 0, 1
PACKET_BYTES = _LAYOUT.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One datagram. A request leaves the server's fields zero and empty."""

    answer: bool
    burst: bytes
    sequence: int
    received_mono_ns: int = 0
    sent_mono_ns: int = 0
    clock: str = ""

    def encode(self) -> bytes:
        """The datagram."""
        kind = _ANSWER if self.answer else _ASK
        return _LAYOUT.pack(
            MAGIC,
            kind,
            self.burst,
            self.sequence,
            self.received_mono_ns,
            self.sent_mono_ns,
            self.clock.encode("ascii"),
        )

    @classmethod
    def decode(cls, data: bytes) -> Packet | None:
        """The packet of a datagram, None for anything that is not one of ours."""
        if len(data) != PACKET_BYTES:
            return None
        magic, kind, burst, sequence, received_ns, sent_ns, clock = _LAYOUT.unpack(data)
        if magic != MAGIC or kind not in (_ASK, _ANSWER) or not clock.isascii():
            return None
        return cls(
            answer=kind == _ANSWER,
            burst=burst,
            sequence=sequence,
            received_mono_ns=received_ns,
            sent_mono_ns=sent_ns,
            clock=clock.rstrip(b"\0").decode("ascii"),
        )


@dataclass(frozen=True, slots=True)
class Address:
    """A UDP address as it was written, and as the kernel wants it."""

    text: str
    family: int
    sockaddr: tuple[str, int]

    @classmethod
    def parse(cls, text: str) -> Address:
        """From "10.0.0.1:7700" or "[fd00::1]:7700". Raises ClockServerError."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ClockServerError(f"{text!r} is no address of a clock server. Write it as ADDRESS:PORT.")
        try:
            found = socket.getaddrinfo(host.removeprefix("[").removesuffix("]"), int(port), type=socket.SOCK_DGRAM)
        except OSError as error:
            raise ClockServerError(f"{text!r} is no address of a clock server: {error}") from error
        family, _, _, _, sockaddr = found[0]
        return cls(text, family, (str(sockaddr[0]), int(sockaddr[1])))


class Responder:
    """Answers clock requests on one address until told to stop: a Listener that owns its socket."""

    def __init__(self, address: Address, *, clock: Clock, clock_id: str) -> None:
        self._clock = clock
        self._clock_id = clock_id
        self._socket = socket.socket(address.family, socket.SOCK_DGRAM)
        try:
            self._socket.bind(address.sockaddr)
        except OSError as error:
            self._socket.close()
            raise ClockServerError(
                f"cannot answer clock requests on {address.text}: {error.strerror}. "
                "Name an address of this host's management interface and a free UDP port."
            ) from error
        self._socket.setblocking(False)

    def __enter__(self) -> Responder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @property
    def port(self) -> int:
        """The port that is bound: of interest where port 0 was asked for."""
        return int(self._socket.getsockname()[1])

    def run(self, stop: Stop) -> None:
        """Answer until `stop` is set."""
        watched: list[socket.socket | Stop] = [self._socket, stop]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if stop in ready:
                return
            self._answer()

    def _answer(self) -> None:
        try:
            data, sender = self._socket.recvfrom(PACKET_BYTES + 1)
            received_ns = self._clock.mono_ns()
            request = Packet.decode(data)
            if request is None or request.answer:
                return
            answer = Packet(
                answer=True,
                burst=request.burst,
                sequence=request.sequence,
                received_mono_ns=received_ns,
                sent_mono_ns=self._clock.mono_ns(),
                clock=self._clock_id,
            )
            self._socket.sendto(answer.encode(), sender)
        except OSError:  # a sender that is gone again: its loss is the client's to record
            return


def burst(
    server: Address,
    *,
    clock: Clock,
    count: int = BURST,
    spacing_ns: int = SPACING_NS,
    budget_ns: int = BUDGET_NS,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Exchange]:
    """Exchanges with one server, `count` of them unless the budget or `stopped` ends the burst before.

    A request that is not answered in time is given up, and another is sent in its place.
    """
    exchanges: list[Exchange] = []
    end_ns = clock.mono_ns() + budget_ns
    burst_id = os.urandom(8)
    with socket.socket(server.family, socket.SOCK_DGRAM) as channel:
        try:
            channel.connect(server.sockaddr)
        except OSError as error:
            raise ClockServerError(f"clock server {server.text} has no route: {error.strerror}.") from error
        sequence = 0
        while len(exchanges) < count and clock.mono_ns() < end_ns and not stopped():
            started_ns = clock.mono_ns()
            exchange = _exchange(channel, server.text, Packet(answer=False, burst=burst_id, sequence=sequence), clock)
            if exchange is not None:
                exchanges.append(exchange)
            sequence += 1
            sleep_s((started_ns + spacing_ns - clock.mono_ns()) / 1e9)
    return exchanges


def _exchange(channel: socket.socket, peer: str, request: Packet, clock: Clock) -> Exchange | None:
    """One exchange, None where no answer came. Answers to other requests, and strays, are passed over."""
    data = request.encode()
    try:
        sent_ns = clock.mono_ns()
        channel.send(data)
        while (remaining_ns := sent_ns + ANSWER_TIMEOUT_NS - clock.mono_ns()) > 0:
            channel.settimeout(remaining_ns / 1e9)
            data = channel.recv(PACKET_BYTES + 1)
            received_ns = clock.mono_ns()
            answer = Packet.decode(data)
            if _answers(answer, request) and answer is not None:
                return Exchange(
                    peer=peer,
                    peer_clock=answer.clock,
                    path=PATH,
                    sent_mono_ns=sent_ns,
                    peer_received_mono_ns=answer.received_mono_ns,
                    peer_sent_mono_ns=answer.sent_mono_ns,
                    received_mono_ns=received_ns,
                )
    except OSError:  # a timeout, or the kernel's word that nobody listens there yet
        return None
    return None


def _answers(answer: Packet | None, request: Packet) -> bool:
    return (
        answer is not None and answer.answer and (answer.burst, answer.sequence) == (request.burst, request.sequence)
    )
