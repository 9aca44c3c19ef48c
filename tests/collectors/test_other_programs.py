"""Programs that are not the campaign's, seen beside real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collectors.other_programs import EVERY_TICKS, OtherPrograms, is_the_campaigns, process_stat

BURN = "import time; end = time.process_time() + {cpu_s}\nwhile time.process_time() < end: pass\n"
WAIT = "print('there', flush=True); import sys; sys.stdin.readline()\n"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python program that says "there" and then waits; it is gone after the test."""
    started: list[subprocess.Popen[str]] = []

    def one(program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], **environment},
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        return process

    yield one
    for process in started:
        process.kill()
        process.communicate()


def used_s(poller: OtherPrograms) -> dict[str, float]:
    """What a reading says, by subject; the readings between are made until one comes."""
    for _ in range(EVERY_TICKS):
        readings = list(poller.read())
        if readings:
            return {reading.subject: reading.values["other_cpu_time_s"] for reading in readings}
    raise AssertionError("no reading in so many ticks")


def test_what_a_program_uses_between_two_readings_is_counted(start: Start) -> None:
    process = start(f"{WAIT}{BURN.format(cpu_s=0.3)}{WAIT}")
    poller = OtherPrograms()
    assert used_s(poller)["all"] == 0.0
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "there\n"
    found = used_s(poller)
    (mine,) = [seconds for subject, seconds in found.items() if subject.endswith(f":{process.pid}")]
    assert mine >= 0.29  # of 0.3 s, in ticks of 10 ms
    assert found["all"] >= mine


def test_a_program_that_began_between_two_readings_is_counted_whole(start: Start) -> None:
    poller = OtherPrograms()
    used_s(poller)
    process = start(f"{BURN.format(cpu_s=0.3)}{WAIT}")
    found = used_s(poller)
    assert [seconds >= 0.29 for subject, seconds in found.items() if subject.endswith(f":{process.pid}")] == [True]


@pytest.mark.parametrize("mark", ["FEDPROBE_TRIAL", "FEDPROBE_HOST", "FEDPROBE_TESTBED"])
def test_the_campaigns_own_programs_are_not(start: Start, mark: str) -> None:
    poller = OtherPrograms()
    used_s(poller)
    process = start(f"{BURN.format(cpu_s=0.3)}{WAIT}", **{mark: "x"})
    for _ in range(4):  # past the looks in which a process is asked again
        assert not [subject for subject in used_s(poller) if subject.endswith(f":{process.pid}")]


def test_a_child_that_nobody_has_waited_for_is_nobodys_program(start: Start) -> None:
    """SuperNodes leave ended ClientApps for a while: nothing of them tells any more whose they were."""
    poller = OtherPrograms()
    used_s(poller)
    child = subprocess.Popen([sys.executable, "-c", BURN.format(cpu_s=0.3)])
    deadline = time.monotonic() + 30
    while (found := process_stat(child.pid)) is None or not found.ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert found.cpu_s >= 0.29
    assert not [subject for subject in used_s(poller) if subject.endswith(f":{child.pid}")]
    child.wait()


def test_it_reads_at_every_third_tick() -> None:
    poller = OtherPrograms()
    assert [bool(list(poller.read())) for _ in range(7)] == [True, False, False, True, False, False, True]


def test_a_kernel_thread_and_this_process_are_told_apart() -> None:
    this = process_stat(os.getpid())
    assert this is not None
    assert not this.kernel_thread
    assert not this.ended
    kernel_threads = [found for pid in range(2, 40) if (found := process_stat(pid)) and found.kernel_thread]
    assert all(not Path(f"/proc/{pid}/cmdline").read_bytes() for pid in range(2, 40) if _is_kernel_thread(pid))
    assert all(found.name for found in kernel_threads)


def _is_kernel_thread(pid: int) -> bool:
    found = process_stat(pid)
    return found is not None and found.kernel_thread


@pytest.mark.parametrize(
    ("command_line", "ours"),
    [
        ("/usr/bin/python3 /opt/venv/bin/fedprobe run quickstart", True),
        ("python -P -m testbed.cli run quickstart", True),
        ("python -m collectors --out spool", True),
        ("/opt/venv/bin/python /opt/venv/bin/flwr run app", True),
        ("python /opt/venv/bin/flower-superexec --plugin-type clientapp", True),
        ("python -m pytest", False),
        ("stress-ng --cpu 1", False),
        ("vim fedprobe.txt", False),
        ("python -m", False),
        ("", False),
    ],
)
def test_whose_a_command_line_is(command_line: str, ours: bool) -> None:
    assert is_the_campaigns(command_line.encode().split(), [b"PATH=/bin"]) is ours
