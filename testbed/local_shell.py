"""The shell of this machine: what runs over SSH runs here in the same way."""

from __future__ import annotations

import getpass
import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from instrument.clock import SystemClock
from testbed.framed import Frame
from testbed.host_shell import HostShell
from testbed.local_files import LocalFiles
from testbed.shell import Shell

_BLOCK_BYTES = 128 * 1024


def local_shell(name: str = "this machine") -> Shell:
    """A shell here, as the user of this process. Its relative paths begin at the user's home folder, as over SSH."""
    return HostShell(name, getpass.getuser(), LocalConnection(Path.home()))


class LocalConnection:
    """A `testbed.connection.Connection` to this machine, by child processes."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.files = LocalFiles(home)

    def execute(self, argv: Sequence[str], stdout: Frame, stderr: Frame, *, limit_s: float) -> None:
        """Run a command and fill the frames: see Connection."""
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        with subprocess.Popen(
            argv, stdin=nothing, stdout=pipe, stderr=pipe, cwd=self._home, start_new_session=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                _fill({process.stdout.fileno(): stdout, process.stderr.fileno(): stderr}, limit_s)
            except TimeoutError:
                process.kill()
                raise
            except BaseException:
                os.killpg(process.pid, signal.SIGUSR1)  # the limit is now
                raise

    def close(self) -> None:
        """Nothing is kept open."""


def _fill(frames: dict[int, Frame], limit_s: float) -> None:
    """Read streams, by their descriptors, until each is whole or ends. Raises TimeoutError after `limit_s`."""
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + int(limit_s * 1e9)
    with selectors.DefaultSelector() as selector:
        for descriptor, frame in frames.items():
            selector.register(descriptor, selectors.EVENT_READ, frame)
        while selector.get_map():
            left_ns = deadline_ns - clock.mono_ns()
            if left_ns <= 0:
                raise TimeoutError(f"no answer within {limit_s:g} s")
            for key, _ in selector.select(left_ns / 1e9):
                block = os.read(key.fd, _BLOCK_BYTES)
                if not block or key.data.feed(block):
                    selector.unregister(key.fileobj)
