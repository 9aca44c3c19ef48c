"""What a ClientApp says of its wait for a core, on the kernel that this machine runs: beside hogs, and without."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from instrument.identity import run_queue_wait_ns
from instrument.records import Span
from instrument.spool import SegmentFile, read_segment, spool_files

HOGS = 8
PINNED = "import os; os.sched_setaffinity(0, {%d})\n"
HOG = "print('there', flush=True)\nwhile True: pass\n"
# the app's function of a ClientApp, in a process with its probes: 0.1 s of processor time, however long that takes
CLIENT_APP = """
import time
from instrument.flower import session
from instrument.flower.client_app import _waiting
from instrument.flower.spans import outermost

def function():
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass

session.start("flwr-clientapp")
_waiting(function, "app_function")()
outermost(function, "client_app")()
session.probe().close()
"""


@pytest.fixture(autouse=True)
def needs_counts() -> None:
    if run_queue_wait_ns() is None:
        pytest.skip("this kernel keeps no scheduler statistics")


@contextmanager
def hogs(core: int, count: int) -> Iterator[None]:
    with ExitStack() as running:
        for _ in range(count):
            argv = [sys.executable, "-c", PINNED % core + HOG]
            hog = running.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
            running.callback(hog.kill)
            assert hog.stdout is not None
            assert hog.stdout.readline() == b"there\n"
        yield


def client_app(repository: Path, out: Path, core: int) -> SegmentFile:
    environment = {**os.environ, "FEDPROBE_OUT": str(out)}
    argv = [sys.executable, "-c", PINNED % core + CLIENT_APP]
    subprocess.run(argv, cwd=repository, env=environment, check=True, timeout=60)
    (path,) = spool_files(out)
    return read_segment(path)


def waited_ns(span: Span) -> int:
    assert span.wait_before_ns is not None
    assert span.wait_after_ns is not None
    return span.wait_after_ns - span.wait_before_ns


def spans(segment: SegmentFile) -> Sequence[Span]:
    return [record for record in segment.records if isinstance(record, Span)]


def test_a_process_beside_hogs_waits_for_its_core_and_alone_it_does_not(repository: Path, tmp_path: Path) -> None:
    """Eight hogs take eight of nine turns. A busy machine makes the lonely process wait too, but not so long."""
    core = max(os.sched_getaffinity(0))
    alone = client_app(repository, tmp_path / "alone", core)
    with hogs(core, HOGS):
        beside = client_app(repository, tmp_path / "beside", core)
    short_ns, long_ns = (waited_ns(spans(segment)[0]) for segment in (alone, beside))
    assert long_ns > 2 * short_ns
    lasted_ns = spans(beside)[0].end_mono_ns - spans(beside)[0].start_mono_ns
    assert lasted_ns / 2 < long_ns <= 1.1 * lasted_ns, "most of the interval is waiting, and no more than all of it"


def test_counts_rise_from_the_header_to_the_trailer(repository: Path, tmp_path: Path) -> None:
    segment = client_app(repository, tmp_path, max(os.sched_getaffinity(0)))
    assert segment.end is not None
    (function, other) = spans(segment)
    assert (other.wait_before_ns, other.wait_after_ns) == (None, None)  # what is no ClientApp's is not asked
    counts = [function.wait_before_ns, function.wait_after_ns, round((segment.end.run_queue_wait_s or 0) * 1e9)]
    assert counts == sorted(counts)
    assert segment.header.run_queue_wait_ns is not None
    assert 0 <= segment.header.run_queue_wait_ns <= counts[-1]
