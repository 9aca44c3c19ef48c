"""A clock that is wrong on purpose is wrong by what was asked, in every process that reads it, and is named so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.clock_error import VARIABLE, ClockError

READS = """
import json, time
from instrument.clock import SystemClock, this_clock
from instrument.identity import exec_mono_ns
clock, kernel = SystemClock(), SystemClock(kernel_wall=True)
rows = [(time.monotonic_ns(), clock.mono_ns(), time.monotonic_ns(), time.time_ns(), clock.wall_ns(), kernel.wall_ns(),
         time.time_ns()) for _ in range(23)]
print(json.dumps({"rows": rows, "name": this_clock().name, "exec": exec_mono_ns(), "now": clock.mono_ns()}))
"""


def read(repository: Path, error: str) -> dict:
    environment = {**os.environ, VARIABLE: error}
    done = subprocess.run(
        [sys.executable, "-c", READS], capture_output=True, text=True, check=True, cwd=repository, env=environment
    )
    return json.loads(done.stdout)


def test_another_process_reads_the_wrong_clock(repository: Path) -> None:
    error = ClockError.of({VARIABLE: "drift_ppm=150,wall_ms=137"})
    found = read(repository, "drift_ppm=150,wall_ms=137")
    for before, wrong, after, wall_before, wall, kernel_wall, wall_after in found["rows"]:
        assert error.mono_ns(before) <= wrong <= error.mono_ns(after)
        assert wall_before + 137_000_000 <= wall <= wall_after + 137_000_000
        assert wall_before <= kernel_wall <= wall_after
    assert found["name"] == "monotonic+150000ppb"
    assert 0 <= found["now"] - found["exec"] <= 60_000_000_000


def test_unset_it_is_the_kernels(repository: Path) -> None:
    found = read(repository, "")
    assert found["name"] == "monotonic"
    assert all(row[0] <= row[1] <= row[2] for row in found["rows"])


@given(st.integers(-500_000, 500_000), st.lists(st.integers(0, 10**17), min_size=2))
def test_a_wrong_clock_never_goes_back_and_is_off_by_its_drift(drift_ppb: int, moments: list[int]) -> None:
    error = ClockError(drift_ppb=drift_ppb)
    readings = [error.mono_ns(moment) for moment in sorted(moments)]
    assert readings == sorted(readings)
    for moment, reading in zip(sorted(moments), readings, strict=True):
        assert abs((reading - moment) - moment * drift_ppb / 1e9) <= 1 + abs(moment * drift_ppb / 1e9) * 1e-12


@pytest.mark.parametrize("text", ["drift", "drift_ppm=", "drift_ppm=x", "wall=1", "drift_ppm=nan", "drift_ppm=1e99"])
def test_what_cannot_be_meant_is_refused_and_told_how_to_write(text: str, repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="drift_ppm=150,wall_ms=137"):
        ClockError.of({VARIABLE: text})
    out = ["--out", str(tmp_path)]
    for command in (["collectors", *out, "--host", "h"], ["testbed.cli", "instrument", *out, "--", "true"]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            capture_output=True,
            text=True,
            cwd=repository,
            env={**os.environ, VARIABLE: text},
            check=False,
        )
        assert done.returncode in {1, 2}
        assert "is no clock error" in done.stderr
        assert "Traceback" not in done.stderr
