"""An injected clock is stepped while another process reads it, and the machine's own never is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instrument.clock_error import VARIABLE, ClockError
from instrument.clock_step import FILE_BYTES, clear_step, set_step, step_of

READS = """
import sys, time
from instrument.clock import SystemClock, this_clock
clock = SystemClock()
print(this_clock().name, flush=True)
for _ in sys.stdin:
    before, mono, after = time.monotonic_ns(), clock.mono_ns(), time.monotonic_ns()
    print(mono - before, mono - after, clock.wall_ns() - time.time_ns(), flush=True)
"""


def test_a_running_process_reads_the_stepped_clock(tmp_path: Path, repository: Path) -> None:
    file = tmp_path / "step"
    clear_step(file)
    environment = {**os.environ, VARIABLE: f"step_file={file}", "PYTHONPATH": str(repository)}
    with subprocess.Popen(
        [sys.executable, "-c", READS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as reader:
        assert reader.stdin
        assert reader.stdout
        assert reader.stdout.readline() == "monotonic+steps\n"

        def ahead_ns() -> tuple[int, int, int]:
            assert reader.stdin
            assert reader.stdout
            reader.stdin.write("read\n")
            reader.stdin.flush()
            most, least, wall = map(int, reader.stdout.readline().split())
            return least, most, wall

        least, most, _ = ahead_ns()
        assert least <= 0 <= most
        for step_ns in (250_000_000, -70_000_000):
            set_step(file, from_ns=time.monotonic_ns(), mono_ns=step_ns, wall_ns=0)
            least, most, wall = ahead_ns()
            assert least <= step_ns <= most
            assert wall <= 0
        set_step(file, from_ns=time.monotonic_ns() + 3600 * 10**9, mono_ns=5 * 10**9, wall_ns=0)
        least, most, _ = ahead_ns()
        assert least <= 0 <= most, "its moment has not come"
        set_step(file, from_ns=1, mono_ns=0, wall_ns=5 * 10**9)
        least, most, wall = ahead_ns()
        assert least <= 0 <= most
        assert 4 * 10**9 < wall <= 5 * 10**9
        clear_step(file)
        assert ahead_ns()[2] <= 0
        reader.stdin.close()


def test_a_step_comes_beside_a_drift(tmp_path: Path) -> None:
    file = tmp_path / "step"
    clear_step(file)
    error = ClockError.of({VARIABLE: f"drift_ppm=100,step_file={file}"})
    assert error.mono_ns(10**9) == 10**9 + 100_000
    set_step(file, from_ns=2 * 10**9, mono_ns=7, wall_ns=0)
    assert [error.mono_ns(ns) for ns in (10**9, 2 * 10**9)] == [10**9 + 100_000, 2 * 10**9 + 200_000 + 7]
    assert error.label == "+100000ppb+steps"


@pytest.mark.parametrize("size", [None, 0, FILE_BYTES - 1])
def test_a_file_that_is_none_is_refused(tmp_path: Path, size: int | None) -> None:
    if size is not None:
        (tmp_path / "step").write_bytes(bytes(size))
    with pytest.raises(ValueError, match="not a file of clock steps"):
        step_of(str(tmp_path / "step"))
