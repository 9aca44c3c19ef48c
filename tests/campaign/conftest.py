"""Campaigns through the real command: `fedprobe run` in a process of its own, as a user starts it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from instrument.polling import Polling

QUICKSTART = Path("examples/quickstart.toml")
ROUNDS = 3  # of the quickstart's five: what is asked of them is asked of each
ANY_LOAD = "[validity]\nother_load_cpu = 1.0"  # what else a machine does decides no test that is not about it
SMALL = """
name = "small"
seed = 5
rounds = {rounds}
clients = {clients}
[factors]
interface = ["{interface}"]
[workload]
app = "{app}"
{validity}
[priorities]
flower-superlink = -5
flower-supernode = -5
flwr-clientapp = 10
[limits]
repeats = 0
"""


@dataclass(frozen=True)
class Ran:
    """A finished `fedprobe run`."""

    folder: Path
    code: int
    stdout: str
    stderr: str


def fedprobe(*arguments: str | Path) -> list[str]:
    """The command, by the interpreter that runs the tests."""
    return [sys.executable, "-m", "testbed.cli", *map(str, arguments)]


def small_campaign(
    folder: Path,
    *,
    rounds: int = 1,
    clients: int = 1,
    interface: str = "ethernet",
    app: str = "fl_app",
    validity: str = ANY_LOAD,
    polling: Sequence[Polling] = ("stock",),
) -> Path:
    """A campaign file of one short trial for each level of polling; `validity` is its table of limits."""
    path = folder / "small.toml"
    text = SMALL.format(rounds=rounds, clients=clients, interface=interface, app=app, validity=validity)
    text = text.replace("[workload]", f"polling = {list(polling)!r}\n[workload]")
    path.write_text(text, encoding="utf-8")
    return path


def ran(campaign: Path, folder: Path, *, limit_s: float = 900) -> Ran:
    """Run a campaign to its end."""
    done = subprocess.run(
        fedprobe("run", campaign, "--out", folder), capture_output=True, text=True, timeout=limit_s, check=False
    )
    return Ran(folder=folder, code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def captured_quickstart(repository: Path, folder: Path, *networks: str) -> Path:
    """The shipped quickstart with fewer rounds and captures at both ends, on all networks or on those named."""
    text = (repository / QUICKSTART).read_text(encoding="utf-8")
    assert "\nrounds = 5\n" in text
    text = text.replace("\nrounds = 5\n", f"\nrounds = {ROUNDS}\n")
    if networks:
        line = next(line for line in text.splitlines() if line.startswith("interface"))
        text = text.replace(line, f"interface = {list(networks)!r}")
    campaign = folder / "quickstart.toml"
    campaign.write_text(f"{text}\n[collect]\ncapture = true\n{ANY_LOAD}\n", encoding="utf-8")
    return campaign


@pytest.fixture(scope="session")
def quickstart_run(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Ran:
    """The shipped quickstart, shorter, with captures at both ends added; about two minutes, shared by many tests."""
    folder = tmp_path_factory.mktemp("quickstart")
    result = ran(captured_quickstart(repository, folder), folder / "run")
    assert "run folder:" in result.stdout, result.stderr
    return result


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `fedprobe ...` and ends it with the test, whatever happens."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        with (tmp_path / "stdout").open("w") as stdout, (tmp_path / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                fedprobe(*arguments), stdout=stdout, stderr=stderr, text=True, start_new_session=True
            )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(reached: Callable[[], bool], *, limit_s: float = 120.0) -> None:
    """Return as soon as a condition holds; fails the test where it never does."""
    deadline = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
