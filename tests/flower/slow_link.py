"""A slow link on loopback: a TCP relay that lets so many bytes a second up through each connection."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType

CHUNK = 16_384


class SlowLink:
    """Listens on `address` and relays to `target`; `up` counts the bytes that came from the client's side."""

    def __init__(self, target: str, bytes_per_s: float) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._bytes_per_s = bytes_per_s
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listening.getsockname())
        self.up = 0

    def __enter__(self) -> SlowLink:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listening, *self._sockets):
            with one:  # a shutdown wakes whoever is blocked in it
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._sockets.append(client)
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            self._sockets.append(server)
            # what the relay takes in before it slows down is at most this
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
            threading.Thread(target=self._relay, args=(client, server, self._bytes_per_s), daemon=True).start()
            threading.Thread(target=self._relay, args=(server, client, None), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, bytes_per_s: float | None) -> None:
        try:
            while data := source.recv(CHUNK):
                sink.sendall(data)
                if bytes_per_s is not None:
                    self.up += len(data)
                    time.sleep(len(data) / bytes_per_s)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one of the two has gone: so does the other
            for one in (source, sink):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
