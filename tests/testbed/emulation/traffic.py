"""What the hosts of an emulated testbed run in these tests: echoes, sinks and sources. Standard library only."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import threading
import time

PORT = 9000
_SO_TIMESTAMPNS = 35  # Source: asm-generic/socket.h
_CHUNK = b"\0" * 65536


def sink(address: str, connections: str) -> dict[str, list[tuple[int, int]]]:
    """Receive from that many connections; per peer (ns, bytes so far) after each read."""
    found: dict[str, list[tuple[int, int]]] = {}
    with socket.create_server((address, PORT)) as server:
        readers = []
        for _ in range(int(connections)):
            accepted, (peer, _port) = server.accept()
            readers.append(threading.Thread(target=_drain, args=(accepted, found.setdefault(peer, []))))
            readers[-1].start()
        for reader in readers:
            reader.join()
    return found


def _drain(accepted: socket.socket, samples: list[tuple[int, int]]) -> None:
    total = 0
    with accepted:
        while data := accepted.recv(65536):
            total += len(data)
            samples.append((time.monotonic_ns(), total))


def send(address: str, count: str) -> str:
    """Send that many bytes; returns the own address of the connection."""
    with _connected(address) as connection:
        own = str(connection.getsockname()[0])
        left = int(count)
        while left > 0:
            left -= connection.send(_CHUNK[:left])
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    return own


def _connected(address: str) -> socket.socket:
    for _ in range(500):
        try:
            return socket.create_connection((address, PORT), timeout=20)
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise TimeoutError(f"no sink at {address}")


def ping(address: str, count: str, interval_ms: str) -> list[int | None]:
    """Round trips in ns of ICMP echoes, sent at a steady rate after one that resolves addresses; None: no answer.

    The answer's time is the kernel's, so that a late reader makes no round trip longer. Source: RFC 792, socket(7).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        found: dict[int, int] = {}
        sent_ns: dict[int, int] = {}
        begin_s = time.monotonic()
        for number in range(int(count) + 1):
            sent_ns[number] = time.time_ns()
            raw.sendto(_echo_request(number), (address, 0))
            _collect_echoes(raw, begin_s + (number + 1) * int(interval_ms) / 1000, sent_ns, found)
        _collect_echoes(raw, time.monotonic() + 1, sent_ns, found)
    return [found.get(number) for number in range(1, int(count) + 1)]


def _echo_request(number: int) -> bytes:
    def packed(checksum: int) -> bytes:
        return struct.pack("!BBHHH", 8, 0, checksum, os.getpid() & 0xFFFF, number) + bytes(48)

    total = sum(struct.unpack("!28H", packed(0)))
    total = (total & 0xFFFF) + (total >> 16)
    return packed(~(total + (total >> 16)) & 0xFFFF)


def _collect_echoes(raw: socket.socket, until_s: float, sent_ns: dict[int, int], found: dict[int, int]) -> None:
    while (left_s := until_s - time.monotonic()) > 0:
        if not select.select([raw], [], [], left_s)[0]:
            return
        data, ancillary, _, _ = raw.recvmsg(2048, 128)
        kind, _, _, identifier, number = struct.unpack_from("!BBHHH", data, 4 * (data[0] & 0xF))
        if kind == 0 and identifier == os.getpid() & 0xFFFF and number in sent_ns:
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            found[number] = seconds * 10**9 + nanoseconds - sent_ns[number]


def flood(address: str, count: str) -> int:
    """Send that many small UDP datagrams, 10 every 2 ms and never more at once; returns how many."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        for number in range(int(count)):
            bound.sendto(b"\0" * 64, (address, PORT))
            if number % 10 == 9:
                time.sleep(0.002)
    return int(count)


def arrived(address: str) -> int:
    """How many datagrams come, until none has come for 1 s after the first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        bound.bind((address, PORT))
        bound.settimeout(20)
        found = 0
        try:
            while bound.recv(100):
                found += 1
                bound.settimeout(1)
        except TimeoutError:
            return found


def spin(seconds: str) -> float:
    """The share of one core that a process gets which never waits, over that many seconds."""
    begin_s, begin_cpu_s = time.monotonic(), time.process_time()
    while time.monotonic() - begin_s < float(seconds):
        pass
    return (time.process_time() - begin_cpu_s) / (time.monotonic() - begin_s)


def facts() -> dict[str, object]:
    """What this host thinks it is."""
    return {
        "hostname": socket.gethostname(),
        "monotonic_s": time.monotonic(),
        "home": os.path.expanduser("~"),  # noqa: PTH111
        "tmpdir": os.environ.get("TMPDIR"),
        "devices": sorted(os.listdir("/sys/class/net")),  # noqa: PTH208
        "pids": sum(name.isdigit() for name in os.listdir("/proc")),  # noqa: PTH208
        "time_namespace": os.readlink("/proc/self/ns/time"),  # noqa: PTH115
    }


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
