"""A run on a terminal, and those who watch it beside: both draw, and whoever is killed harms nobody else."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.campaign.conftest import fedprobe, small_campaign, wait_until
from tests.campaign.machine_state import machine_state
from tests.campaign.test_killed import records_of, state_of, trial_of

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]
ALTERNATE, RESTORED, HIDDEN, SHOWN = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25l", "\x1b[?25h"


@dataclass
class OnTerminal:
    """A command on a terminal of its own, and all that it wrote there."""

    process: subprocess.Popen[bytes]
    terminal: int
    settings: list[object]
    written: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        return self.written.decode(errors="replace")

    def is_whole(self) -> bool:
        """Whether the terminal is as it was: its cursor seen, its first screen back, its settings."""
        seen = self.text
        cursor = seen.rfind(SHOWN) > seen.rfind(HIDDEN)
        screens = seen.count(ALTERNATE) == seen.count(RESTORED)
        return cursor and screens and termios.tcgetattr(self.terminal) == self.settings


@contextmanager
def on_terminal(*arguments: str | Path, rows: int = 24, columns: int = 80) -> Iterator[OnTerminal]:
    """Run `fedprobe ...` on a new terminal of a size; it is killed with the block."""
    reading, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        fedprobe(*arguments),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    )
    made = OnTerminal(process=process, terminal=terminal, settings=termios.tcgetattr(terminal))

    def read() -> None:
        try:
            while block := os.read(reading, 65_536):
                made.written.extend(block)
        except OSError:
            return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield made
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(terminal)
        reader.join(10)
        os.close(reading)


def test_a_run_on_a_terminal_is_watched_by_several_and_ended_while_it_stores(tmp_path: Path) -> None:
    before, folder = machine_state(), tmp_path / "run"
    with ExitStack() as stack:
        run = stack.enter_context(on_terminal("run", small_campaign(tmp_path), "--out", folder))
        wait_until(lambda: (folder / "campaign.toml").exists() or run.process.poll() is not None)
        stays, killed, left, ended = (stack.enter_context(on_terminal("watch", folder)) for _ in range(4))
        lines = stack.enter_context((tmp_path / "lines").open("w"))
        piped = subprocess.Popen(fedprobe("watch", folder), stdout=lines, stderr=lines)
        stack.callback(piped.wait)
        stack.callback(piped.kill)
        watchers = (stays, killed, left, ended)
        wait_until(lambda: state_of(folder) == "running" and all(ALTERNATE in one.text for one in watchers))
        for one, number in ((killed, signal.SIGKILL), (left, signal.SIGINT), (ended, signal.SIGTERM)):
            one.process.send_signal(number)
        assert [one.process.wait(10) for one in (killed, left, ended)] == [-signal.SIGKILL, 0, 1]
        assert RESTORED not in killed.text, "nobody can tidy up after SIGKILL"
        wait_until(lambda: left.is_whole() and ended.is_whole(), limit_s=10)
        wait_until(lambda: state_of(folder) == "storing" or run.process.poll() is not None)
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.process.wait(60) == 1
        wait_until(run.is_whole, limit_s=10)
        assert stays.process.wait(10) == piped.wait(10) == 0
        wait_until(stays.is_whole, limit_s=10)
    wait_until(lambda: machine_state() == before, limit_s=10)
    trial = trial_of(folder)
    assert (trial["state"], trial["outcome"]) == ("done", "ok"), "whoever watched did not touch it"
    assert records_of(folder) > 0
    for one in (run, stays):
        assert "Traceback" not in one.text
        assert "clients, as the server sees them" in one.text
        assert "pi1" in one.text
    told = (tmp_path / "lines").read_text()
    assert "000-ethernet-r1: running, round 1 of 1" in told
    assert "ethernet: round 1: accuracy" in told
    assert "\x1b" not in told
    seen = json.loads((folder / "live.json").read_text())
    assert seen["ended"]
    (last,) = seen["rounds"]
    assert (last["number"], last["clients"]) == (1, 1)
    assert set(last["median_s"]) == {"to pull", "downlink", "on the node", "uplink"}
    assert sum(last["median_s"].values()) <= last["wall_s"]
