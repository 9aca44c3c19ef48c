"""A network between the controller and a host's sshd that goes away in the middle and comes back when told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from testbed.login import Login
from tests.testbed.real_sshd import Sshd

_BLOCK_BYTES = 32_768


@dataclass
class CutNetwork:
    """Forwards to a port of loopback. After `left_bytes` from the host all connections are cut, new ones too."""

    port: int
    left_bytes: int
    refused: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> CutNetwork:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._cut()

    def login(self, sshd: Sshd, name: str, folder: Path) -> Login:
        """The way to the host through this network."""
        port = self._listener.getsockname()[1]
        known = folder / f"known_hosts-{name}"
        known.write_text(f"[127.0.0.1]:{port} {sshd.public}\n")
        return replace(sshd.login, name=name, port=port, known_hosts=known)

    def comes_back(self) -> None:
        """From now on nothing is cut."""
        self.left_bytes = 10**12

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                near, _ = self._listener.accept()
                if self.left_bytes <= 0:
                    near.close()
                    self.refused.set()
                    continue
                far = socket.create_connection(("127.0.0.1", self.port))
                self._open += [near, far]
                threading.Thread(target=self._forward, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._forward, args=(far, near, True), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, down: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(_BLOCK_BYTES):
                if down:
                    with self._lock:
                        self.left_bytes -= len(block)
                    if self.left_bytes <= 0:
                        self._cut()
                        return
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    def _cut(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()
