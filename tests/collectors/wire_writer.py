"""Packets of one TCP connection as its two ends would send them, for tests of what is read out of them."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.segments import ACK, FIN, SYN, Packet

CLIENT, SERVER, PORT = "10.0.0.7", "10.0.0.1", 9092
HEADER_BYTES = 66  # Ethernet, IPv4, TCP with timestamps


@dataclass
class Wire:
    """Writes packets; sequence numbers wrap. What `say` and `answer` write is one message in one packet, in order."""

    client_isn: int = 100
    server_isn: int = 900
    local_port: int = 40000

    def __post_init__(self) -> None:
        self.packets: list[Packet] = []
        self.client_next = self.client_isn + 1
        self.server_next = self.server_isn + 1
        self.now_ns = 0

    def client(
        self, at_ns: int, start: int, length: int = 0, flags: int = ACK, ack: int | None = None, head: bytes = b""
    ) -> None:
        number = self.server_next if ack is None else ack
        ends = (CLIENT, self.local_port, SERVER, PORT)
        self._write(at_ns, ends, (start, number), flags, length, head)

    def server(
        self, at_ns: int, start: int, length: int = 0, flags: int = ACK, ack: int | None = None, head: bytes = b""
    ) -> None:
        number = self.client_next if ack is None else ack
        ends = (SERVER, PORT, CLIENT, self.local_port)
        self._write(at_ns, ends, (start, number), flags, length, head)

    def handshake(self, at_ns: int, rtt_ns: int) -> None:
        self.client(at_ns, self.client_isn, flags=SYN, ack=0)
        self.server(at_ns + rtt_ns, self.server_isn, flags=SYN | ACK)
        self.client(at_ns + rtt_ns, self.client_next)
        self.now_ns = at_ns + rtt_ns

    def say(self, head: bytes, length: int | None = None, *, heard: int | None = None) -> None:
        """The client's next packet with payload; it has the server's bytes up to `heard`, by default all."""
        size = len(head) if length is None else length
        self.now_ns += 10
        self.client(self.now_ns, self.client_next, size, ack=heard, head=head[:12])
        self.client_next += size

    def answer(self, head: bytes, length: int | None = None, *, heard: int | None = None) -> None:
        """The server's next packet with payload; it has the client's bytes up to `heard`, by default all."""
        size = len(head) if length is None else length
        self.now_ns += 10
        self.server(self.now_ns, self.server_next, size, ack=heard, head=head[:12])
        self.server_next += size

    def close(self) -> None:
        self.now_ns += 10
        self.client(self.now_ns, self.client_next, flags=FIN | ACK)
        self.client_next += 1

    def _write(
        self,
        at_ns: int,
        ends: tuple[str, int, str, int],
        numbers: tuple[int, int],
        flags: int,
        length: int,
        head: bytes,
    ) -> None:
        seq, ack = (number % 2**32 for number in numbers)
        self.packets.append(Packet(at_ns, *ends, seq, ack, flags, length, HEADER_BYTES + length, head))


def record(kind: int, length: int) -> bytes:
    """A TLS record of this type whose body has this length."""
    return bytes([kind, 3, 3]) + length.to_bytes(2, "big") + bytes(length)
