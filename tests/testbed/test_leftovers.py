"""What a trial left running is found where its environment cannot be read, as Flower has it, and ended in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from instrument.identity import ROLES
from instrument.records import SCHEMA_VERSION, Segment
from instrument.spool import segment_name
from testbed.leftovers import END_SCRIPT

TRIAL = "000-wifi-r1"
NOBODY = 65534
# as flwr.supercore.utils.disable_process_dumping does it; then the end in order leaves a file
UNREADABLE = f"""
import ctypes, os, pathlib, signal, sys
os.setgid({NOBODY})
os.setuid({NOBODY})
assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0
def end(*_):
    pathlib.Path(sys.argv[1]).touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can reach and write to, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="fedprobe-") as made:
        Path(made).chmod(0o777)
        yield Path(made)


def _started(program: Path, *arguments: str, trial: str | None = None) -> subprocess.Popen[bytes]:
    environment = {**os.environ} | ({"FEDPROBE_TRIAL": trial} if trial else {})
    process = subprocess.Popen([sys.executable, program, *arguments], env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == b"ready\n"
    return process


def _end(folder: Path) -> None:
    subprocess.run(
        ["sh", "-c", END_SCRIPT, "end", f"FEDPROBE_TRIAL={TRIAL}", str(folder / "spool"), *ROLES],
        user=NOBODY,
        group=NOBODY,
        check=True,
        timeout=60,
    )


def _program(folder: Path, name: str) -> Path:
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(UNREADABLE)
    program.chmod(0o755)
    return program


def _spooled(folder: Path, role: str, pid: int) -> None:
    header = Segment(
        schema_version=SCHEMA_VERSION,
        host="pi-1",
        role=role,
        pid=pid,
        clock="c",
        mono_ns=5,
        wall_ns=5,
        exec_mono_ns=5,
    )
    (folder / "spool").mkdir(exist_ok=True)
    (folder / "spool" / segment_name(header)).touch()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_process_that_only_its_spool_names_ends_in_order(folder: Path) -> None:
    process = _started(_program(folder, "flower-superexec"), str(folder / "ended"), trial=TRIAL)
    try:
        assert Path(f"/proc/{process.pid}/environ").stat().st_uid == 0, "it would be found by its environment"
        _spooled(folder, "flower-superexec", process.pid)
        _end(folder)
        assert process.wait(timeout=10) == 0
        assert (folder / "ended").exists()
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_process_id_that_another_program_has_by_now_is_left_alone(folder: Path) -> None:
    process = _started(_program(folder, "somebody-elses"), str(folder / "ended"))
    try:
        _spooled(folder, "flower-superexec", process.pid)
        _end(folder)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_process_with_the_mark_is_ended_and_one_of_another_trial_is_not(tmp_path: Path) -> None:
    ours, other = (
        subprocess.Popen(["sleep", "60"], env={**os.environ, "FEDPROBE_TRIAL": name}) for name in (TRIAL, "001-5g-r1")
    )
    try:
        subprocess.run(
            ["sh", "-c", END_SCRIPT, "end", f"FEDPROBE_TRIAL={TRIAL}", str(tmp_path), *ROLES], check=True, timeout=60
        )
        assert ours.wait(timeout=10) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_without_spool_files_the_mark_alone_tells(tmp_path: Path) -> None:
    """Collectors have a mark of their own: Flower's processes of the same trial go on."""
    collector, flower = (
        subprocess.Popen(["sleep", "60"], env={**os.environ, name: TRIAL})
        for name in ("FEDPROBE_COLLECTS", "FEDPROBE_TRIAL")
    )
    try:
        subprocess.run(["sh", "-c", END_SCRIPT, "end", f"FEDPROBE_COLLECTS={TRIAL}"], check=True, timeout=60)
        assert collector.wait(timeout=10) == -signal.SIGTERM
        assert flower.poll() is None
    finally:
        for process in (collector, flower):
            process.kill()
            process.wait()
