"""What the hosts of an emulated testbed run in these tests: echoes, sinks and sources. Standard library only."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
import time

PORT = 9000
_CHUNK = b"\0" * 65536


def echo(address: str) -> None:
    """Answer UDP datagrams for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((address, PORT))
        while True:
            data, peer = bound.recvfrom(64)
            bound.sendto(data, peer)


def rtt(address: str, count: str) -> list[int]:
    """Round trips in ns of datagrams that were answered within 1 s, after one that resolves addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        _first_answer(bound, address)
        found = []
        for number in range(int(count)):
            begin_ns = time.monotonic_ns()
            bound.sendto(str(number).encode(), (address, PORT))
            while select.select([bound], [], [], 1)[0]:
                if bound.recv(64) == str(number).encode():
                    found.append(time.monotonic_ns() - begin_ns)
                    break
    return found


def _first_answer(bound: socket.socket, address: str) -> None:
    for _ in range(100):
        bound.sendto(b"first", (address, PORT))
        if select.select([bound], [], [], 0.1)[0]:
            return
    raise TimeoutError(f"no echo from {address}")


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
