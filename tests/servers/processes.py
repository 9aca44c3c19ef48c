"""A server of the distribution in a process of its own: on a free port of loopback, its data in a folder."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

STARTS_S = 60.0


class ServerProcess:
    """Started by `start`, ended by `stop`; `kill` is SIGKILL, after which `start` takes up the same data and port."""

    def __init__(self, folder: Path, health: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._health = health
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "server.log").read_text(errors="replace")

    def command(self) -> Sequence[str]:
        """What is run."""
        raise NotImplementedError

    def start(self) -> None:
        """Returns when it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + STARTS_S
        while not self._answers():
            assert self._process.poll() is None, self.log[-2000:]
            assert time.monotonic() < deadline, self.log[-2000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """End it by SIGKILL: nothing of it is written any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", self._health)
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
