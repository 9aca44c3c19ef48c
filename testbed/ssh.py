"""Shells over SSH.

    with connect(login_to(inventory, inventory.server)) as shell:
        shell.check(["uname", "-r"], timeout_s=5).text

Only hosts whose keys are known, only by key: the inventory's or the agent's.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from testbed.framed import Frame
from testbed.host_shell import HostShell
from testbed.keep_alive import KeepAlive
from testbed.login import Login
from testbed.sftp_files import SftpFiles
from testbed.shell import Shell
from testbed.ssh_channel import CHANNEL_TIMEOUT_S, open_channel, time_limit
from testbed.ssh_login import close, open_transports

if TYPE_CHECKING:
    from paramiko import Transport

CONNECT_TIMEOUT_S = 15.0
_BLOCK_BYTES = 128 * 1024


def connect(login: Login, *, timeout_s: float = CONNECT_TIMEOUT_S) -> Shell:
    """Log in to a host. `timeout_s` is for each step of it. Raises RemoteError."""
    return HostShell(login.name, login.user, SshConnection(open_transports(login, timeout_s)))


class SshConnection:
    """A `testbed.connection.Connection` to the host at the end of these connections."""

    def __init__(self, transports: Sequence[Transport]) -> None:
        self._transports = transports
        self._host = transports[-1]
        self._keep_alive = KeepAlive(self._host)
        self.files = SftpFiles(self._host)

    def execute(self, argv: Sequence[str], stdout: Frame, stderr: Frame, *, limit_s: float) -> None:
        """Run a command and fill the frames: see Connection."""
        from paramiko import SSHException

        # the login shell gets one line: what it begins takes its place
        line = os.fsencode(f"exec {shlex.join(argv)}")
        try:
            channel = open_channel(self._host, min(limit_s, CHANNEL_TIMEOUT_S))
            try:
                with time_limit(channel, limit_s):
                    channel.exec_command(line)
                    _fill_both(channel.recv, stdout, channel.recv_stderr, stderr)
            finally:
                channel.close()
        except TimeoutError:
            raise
        except (OSError, EOFError, SSHException) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        if stderr.ending is None and not channel.eof_received:
            raise ConnectionError("it ended before the command did")

    def close(self) -> None:
        """Log out, of the jump hosts too."""
        self._keep_alive.stop()
        self.files.close()
        close(self._transports)


def _fill_both(
    read_stdout: Callable[[int], bytes], stdout: Frame, read_stderr: Callable[[int], bytes], stderr: Frame
) -> None:
    """Read both streams, one thread each, so that neither fills up and stops the command."""
    other = threading.Thread(target=_fill, args=(read_stderr, stderr), daemon=True)
    other.start()
    _fill(read_stdout, stdout)
    other.join()


def _fill(read: Callable[[int], bytes], frame: Frame) -> None:
    while block := read(_BLOCK_BYTES):
        if frame.feed(block):
            return
