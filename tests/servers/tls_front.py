"""TLS before a server of loopback: what comes over it is passed on byte by byte, and back."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from testbed.certificates import certificates_for


class TlsFront:
    """Listens for the length of a `with` block, with a certificate for `names` of the authority in `ca`."""

    def __init__(self, folder: Path, port: int, *names: str) -> None:
        made = certificates_for(names)
        self.ca = folder / "ca.pem"
        self.ca.write_text(made.authority)
        shown, key = folder / "server.pem", folder / "server.key"
        shown.write_text(made.server)
        key.write_text(made.server_key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(shown, key)
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> TlsFront:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        """One connection; a client that does not trust the certificate ends it."""
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with (
            plain,
            suppress(OSError),
            self._context.wrap_socket(plain, server_side=True) as client,
            socket.create_connection(("127.0.0.1", self._target)) as server,
        ):
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _pass_on(client, server)


def _pass_on(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Both ways in one thread, until one side ends: a TLS connection is not for two threads at once."""
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for one in ready:
            block = one.recv(1 << 16)
            if not block:
                return
            (server if one is client else client).sendall(block)
