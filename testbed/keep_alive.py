"""Asks a host's sshd now and then whether it is there, and closes the connection where no answer comes.

TCP alone notices a host that was switched off after a quarter of an hour, a host behind a jump host later, and a host
whose kernel lives while its disk hangs never.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramiko import Transport

EVERY_S = 15.0
ANSWER_S = 30.0
"""How long an answer may take: a dead host is noticed EVERY_S + ANSWER_S after its last sign at the latest."""


class KeepAlive:
    """Watches a connection until it ends or `stop` is called."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="fedprobe-keep-alive", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(EVERY_S) and self._transport.is_active():
            timer = threading.Timer(ANSWER_S, self._transport.close)
            timer.daemon = True
            timer.start()
            try:
                self._ask()
            finally:
                timer.cancel()

    def _ask(self) -> None:
        """Return when sshd has answered, which it does by refusing, or when the connection has ended."""
        from paramiko import SSHException

        try:
            self._transport.global_request("keepalive@openssh.com", wait=True)
        except (OSError, EOFError, SSHException):
            return  # it has ended: who uses the connection is told so there
