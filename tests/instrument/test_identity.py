"""A segment's header says which process it is, since when, under which conditions, and no secret."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instrument.clock import ClockId
from instrument.identity import (
    ROLES,
    command_line,
    exec_mono_ns,
    host_name,
    role_of,
    run_queue_wait_ns,
    run_queue_wait_s,
    segment_header,
    versions,
)
from instrument.records import decode, encode


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "command",
    [["{}"], ["/venv/bin/python", "/venv/bin/{}", "--insecure"], ["python3", "-u", "/venv/bin/{}"]],
)
def test_a_flower_process_is_known_by_its_command(role: str, command: list[str]) -> None:
    assert role_of([word.format(role) for word in command]) == role


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["python"],
        ["python", "-c", "import flwr"],
        ["flwr", "run", "."],
        ["python", "flower-superlink.py"],
        ["python", "-m", "testbed.cli", "instrument", "--", "flower-superlink"],
    ],
)
def test_other_processes_have_no_role(command: list[str]) -> None:
    assert role_of(command) is None


def test_the_host_is_named_by_the_variable_else_by_the_kernel() -> None:
    assert host_name({"FEDPROBE_HOST": "pi-23"}) == "pi-23"
    assert host_name({}) == os.uname().nodename


def test_a_header_describes_this_process() -> None:
    header = segment_header(
        "flwr-clientapp", {"FEDPROBE_HOST": "pi-23", "FEDPROBE_TRIAL": "t"}, ["a", "--token", "b"]
    )
    assert decode(encode(header)) == header
    assert (header.host, header.trial, header.role) == ("pi-23", "t", "flwr-clientapp")
    assert (header.pid, header.parent_pid) == (os.getpid(), os.getppid())
    assert header.argv == ["a", "--token", "..."]
    assert ClockId.parse(header.clock).name == "monotonic"
    assert header.exec_mono_ns < header.mono_ns
    assert header.scheduler in {"other", "batch", "idle", "fifo", "rr"}
    assert header.versions["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_process_was_started_between_the_fork_and_its_own_first_reading(repository: Path) -> None:
    code = "import time; from instrument.identity import exec_mono_ns; print(exec_mono_ns(), time.monotonic_ns())"
    before = time.monotonic_ns()
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    started, inside = map(int, done.stdout.split())
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    assert before - 2 * tick_ns <= started <= inside


def test_this_process_was_started_in_the_past() -> None:
    assert exec_mono_ns() < time.monotonic_ns()
    assert exec_mono_ns() == pytest.approx(exec_mono_ns(), abs=1_000_000)  # two clocks read one after the other


def test_the_run_queue_wait_is_a_time_or_unknown() -> None:
    waited = run_queue_wait_s()
    assert waited is None or waited >= 0
    assert run_queue_wait_s(2**22 + 1) is None


def test_a_kernel_that_keeps_no_counts_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where scheduler statistics are compiled in and off, the file is there and holds three zeros."""
    monkeypatch.setattr(os, "read", lambda _file, _count: b"0 0 0\n")
    assert run_queue_wait_ns() is None
    monkeypatch.setattr(os, "read", lambda _file, _count: b"500 0 1\n")
    assert run_queue_wait_ns() == 0


def test_versions_name_what_shapes_a_measurement() -> None:
    assert {"python", "kernel", "flwr", "httpx", "uvicorn", "numpy"} <= versions().keys()


def test_the_command_line_is_that_of_the_interpreter() -> None:
    assert command_line() == sys.orig_argv
