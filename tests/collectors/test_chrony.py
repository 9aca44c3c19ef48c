"""chrony's tracking: its own form, its refusals, and a host without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collectors.chrony import EVERY_TICKS, Chrony, parse_tracking
from collectors.protocol import Site

IN_STEP = "A29FC87B,time.example,3,1776153600.123456789,-0.000010684,0.000000021,0.000000034,17.816,-0.001,0.014,"
IN_STEP += "0.000631374,0.000586493,1033.6,Normal\n"
NOT_IN_STEP = "00000000,,0,0.000000000,0.0,0.0,0.0,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n"


def test_a_tracking_line_is_read_and_bounds_the_wall_clock() -> None:
    found = parse_tracking(IN_STEP)
    assert found is not None
    assert (found.synchronised, found.stratum, found.frequency_ppm) == (True, 3, 17.816)
    assert found.error_bound_s == pytest.approx(0.000010684 + 0.000586493 + 0.000631374 / 2)


def test_a_clock_that_is_not_in_step_says_so() -> None:
    found = parse_tracking(NOT_IN_STEP)
    assert found is not None
    assert not found.synchronised


@pytest.mark.parametrize("text", ["", "506 Cannot talk to daemon\n", "a,b", IN_STEP.replace("17.816", "fast")])
def test_anything_else_is_nothing(text: str) -> None:
    assert parse_tracking(text) is None


def chronyc(folder: Path, text: str, code: int = 0) -> None:
    program = folder / "chronyc"
    program.write_text(f"#!/bin/sh\nprintf \"%s\\n\" \"$*\" >>{folder}/calls\nprintf '%s' '{text}'\nexit {code}\n")
    program.chmod(0o755)


def test_it_is_asked_at_the_first_tick_and_every_sixteenth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chronyc(tmp_path, IN_STEP)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    poller = Chrony(Site(spool=tmp_path))
    found = [list(poller.read()) for _ in range(EVERY_TICKS + 1)]
    assert [len(readings) for readings in found] == [1, *[0] * (EVERY_TICKS - 1), 1]
    assert set(found[0][0].values) == {
        "clock_wall_less_monotonic_ns",
        "chrony_stratum",
        "chrony_error_bound_s",
        "chrony_frequency_ppm",
    }
    assert (tmp_path / "calls").read_text() == "-n -c tracking\n" * 2


@pytest.mark.parametrize(("text", "code"), [(NOT_IN_STEP, 0), (IN_STEP, 1), ("", 0)])
def test_out_of_step_or_without_a_daemon_there_is_no_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: int
) -> None:
    chronyc(tmp_path, text, code)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert list(Chrony(Site(spool=tmp_path)).read()) == []


def test_without_chrony_there_is_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(Chrony(Site(spool=tmp_path)).read()) == []


if RECORDINGS := os.environ.get("FEDPROBE_RECORDINGS"):  # without the folder this tier is not collected

    def test_recorded_lines_are_read() -> None:
        files = sorted(Path(RECORDINGS, "07-time-sync").glob("chronyc_c_tracking*.csv"))
        assert files
        for file in files:
            for line in file.read_text().splitlines():
                assert parse_tracking(line) is not None
