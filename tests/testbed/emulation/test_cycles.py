"""Cycles of `fedprobe testbed up` and `down`, a third of them cut short by SIGKILL at a random moment: nothing stays.

The moments are drawn from a seed, as shares of how long an `up` and a `down` took here.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from testbed.emulation import ownership
from testbed.emulation.cpu_limit import found_controller

from .leftovers import difference, inventory

pytestmark = [pytest.mark.netns, pytest.mark.timeout(1800)]

REPOSITORY = Path(ownership.this_prefix())
NOTHING_THERE = 2  # exit code of a `down` that finds nothing


def test_six_cycles_leave_nothing(state: Path) -> None:
    killed = cycles(6, seed=12)
    assert (killed["up"], killed["down"]) == (1, 1)


@pytest.mark.long
def test_a_hundred_cycles_leave_nothing(state: Path) -> None:
    killed = cycles(100, seed=100)
    assert killed["up"] + killed["down"] == 33
    assert killed["up mid-way"] >= 5, f"too few kills found a testbed half-built: {killed}"


def cycles(count: int, *, seed: int) -> Counter[str]:
    """Run so many cycles, every third cut short, `up` and `down` in turn; returns what was killed."""
    moments = random.Random(seed)
    options = ["--nodes", "3"]
    if found_controller() is not None:
        options += ["--pi-cpu", "0.2"]
    options += ["--background", "5g=1000000,1000000"]
    before = inventory()
    up_s = timed("up", *options)
    there = set(difference(before, inventory()))
    assert there >= {"named namespaces", "namespaces", "mounts", "processes", "registered", "state folders"}, there
    assert ("control groups" in there) == ("--pi-cpu" in options)
    took_s = {"up": up_s, "down": timed("down")}
    settle(before, "the first cycle")
    killed: Counter[str] = Counter()
    for cycle in range(count):
        victim = ("up", "down")[cycle // 3 % 2] if cycle % 3 == 1 else None
        what = f"cycle {cycle}, {victim or 'nothing'} killed"
        if victim == "up":
            killed["up mid-way"] += kill(took_s["up"] * moments.random(), "up", *options)
            killed["up"] += 1
            if cycle % 12 == 1:  # every second time the next `up` has to clear away
                assert run("up", *options) == 0, what
        else:
            assert run("up", *options) == 0, what
        if victim == "down":
            kill(took_s["down"] * moments.random(), "down")
            killed["down"] += 1
        allowed = {0} if victim is None or (victim == "up" and cycle % 12 == 1) else {0, NOTHING_THERE}
        assert run("down") in allowed, what
        settle(before, what)
    return killed


def fedprobe(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "testbed.cli", "testbed", *arguments]


def run(*arguments: str) -> int:
    done = subprocess.run(
        fedprobe(*arguments), cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode not in {0, NOTHING_THERE}:
        print(done.stdout, done.stderr)
    return done.returncode


def timed(*arguments: str) -> float:
    begin_s = time.monotonic()
    assert run(*arguments) == 0
    return time.monotonic() - begin_s


def kill(after_s: float, *arguments: str) -> bool:
    """Start a command and kill it then; returns whether something of a testbed was there."""
    process = subprocess.Popen(
        fedprobe(*arguments), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return bool(list(ownership.REGISTRY.glob("*")))


def settle(before: dict[str, set[str]], what: str) -> None:
    """Until nothing differs; what has been killed takes a moment to go."""
    deadline_s = time.monotonic() + 10
    while (found := difference(before, inventory())) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert not found, f"after {what}: {found}"
