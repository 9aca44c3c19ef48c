"""The probe: what goes in comes out, exactly, and nothing it meets reaches the app."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from made_records import header

from instrument.clock import ManualClock
from instrument.probe import Probe, Timed, described, disabled
from instrument.records import End, Fault, Record, Span
from instrument.spool import SegmentFile, SegmentWriter, SpoolError, read_segment

IN = 23  # a prime: a record lost or doubled cannot be made good by another


def fault(number: int) -> Fault:
    return Fault(where="test", error="", mono_ns=number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "a.jsonl"


@pytest.fixture
def make(path: Path) -> Iterator[Callable[..., Probe]]:
    """Makes a probe that writes to `path`; it is closed after the test, so that its thread ends."""
    made: list[Probe] = []

    def probe(open_writer: Callable[[], SegmentWriter] | None = None, **options) -> Probe:
        made.append(
            Probe(open_writer or (lambda: SegmentWriter(path, header())), clock=ManualClock(mono_ns=41), **options)
        )
        return made[-1]

    yield probe
    for one in made:
        one.close()


def closed(probe: Probe, path: Path) -> SegmentFile:
    probe.close()
    return read_segment(path)


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


class FullDisk:
    """A writer that refuses until `full` is made False."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: SegmentWriter | None = None
        self.full = True
        self.refused = 0
        self.unsynced = False

    def __call__(self) -> FullDisk:
        return self

    def append(self, lines: Sequence[str]) -> None:
        if self.full:
            self.refused += 1
            raise SpoolError(28, "cannot write: No space left on device")
        self._writer = self._writer or SegmentWriter(self._path, header())
        self._writer.append(lines)

    def sync(self) -> None:
        pass

    def end(self, trailer: End) -> None:
        if self.full or self._writer is None:
            raise SpoolError(28, "cannot write: No space left on device")
        self._writer.end(trailer)


def test_every_record_of_every_thread_is_written_once(make, path: Path) -> None:
    probe = make()
    probe.start()

    def hand_over(thread: int) -> None:
        for number in range(IN):
            probe.emit(fault(thread * IN + number))

    threads = [threading.Thread(target=hand_over, args=(number,)) for number in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    segment = closed(probe, path)
    assert sorted(record.mono_ns for record in segment.records) == list(range(7 * IN))
    assert segment.whole
    assert segment.end is not None
    assert segment.end.records == 7 * IN


def test_records_of_one_thread_keep_their_order(make, path: Path) -> None:
    probe = make()
    for number in range(IN):
        probe.emit(fault(number) if number % 2 else lambda number=number: fault(number))
    assert closed(probe, path).records == [fault(number) for number in range(IN)]


def test_a_running_probe_writes_without_being_closed(make, path: Path) -> None:
    probe = make()
    probe.start()
    for number in range(IN):
        probe.emit(fault(number))
    wait_for(lambda: path.exists() and path.read_bytes().count(b"\n") == IN + 1)
    assert read_segment(path).end is None


def test_a_process_that_measured_nothing_leaves_a_whole_segment(make, path: Path) -> None:
    segment = closed(make(), path)
    assert segment.records == []
    assert segment.whole


def test_a_maker_that_raises_becomes_a_fault_and_the_others_stay(make, path: Path) -> None:
    probe = make()
    probe.emit(fault(1))
    probe.emit(lambda: 1 / 0)
    probe.emit(lambda: None)
    probe.emit(lambda: "no record")
    probe.emit(fault(2))
    records = closed(probe, path).records
    assert [record.mono_ns for record in records if record.where == "test"] == [1, 2]
    first, second = (record for record in records if record.where == "encode")
    assert "ZeroDivisionError" in first.error
    assert "AttributeError" in second.error
    assert (first.mono_ns, second.mono_ns) == (41, 41)


class Unspeakable(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def raise_unspeakable() -> None:
    raise Unspeakable


def test_an_exception_whose_repr_fails_is_still_told(make, path: Path) -> None:
    probe = make()
    probe.emit(raise_unspeakable)
    probe.fault("hook", Unspeakable())
    with pytest.raises(Unspeakable), Timed(probe, "strategy"):
        raise Unspeakable
    errors = [record.error for record in closed(probe, path).records]
    assert errors == ["Unspeakable (its repr fails)"] * 3


def test_a_description_is_never_long() -> None:
    assert len(described(ValueError("x" * 10_000))) == 500


def test_a_lone_surrogate_reaches_the_file(make, path: Path) -> None:
    probe = make(lambda: SegmentWriter(path, header(argv=["caf\udce9"])))
    probe.emit(Fault(where="\ud800", error="", mono_ns=1))
    segment = closed(probe, path)
    assert segment.header.argv == ["caf\udce9"]
    assert segment.records[0].where == "\ud800"


def test_what_exceeds_the_capacity_is_counted(make, path: Path) -> None:
    probe = make(capacity=IN)
    for number in range(IN + 7):
        probe.emit(fault(number))
    segment = closed(probe, path)
    assert segment.records == [fault(number) for number in range(IN)]
    assert segment.end is not None
    assert segment.end.dropped == 7
    assert not segment.whole


def test_a_full_disk_keeps_the_records_and_is_told_once(make, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    disk = FullDisk(path)
    probe = make(disk)
    for number in range(IN):
        probe.emit(fault(number))
        probe.flush()
    assert disk.refused == IN
    assert capfd.readouterr().err.count("No space left on device") == 1
    disk.full = False
    segment = closed(probe, path)
    assert segment.records == [fault(number) for number in range(IN)]
    assert segment.whole
    assert capfd.readouterr().err == ""


def test_a_disk_that_stays_full_loses_what_exceeds_the_memory_and_says_how_much(
    make, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    disk = FullDisk(path)
    probe = make(disk, capacity=IN)
    for number in range(IN + 7):
        probe.emit(fault(number))
        probe.flush()
    probe.close()
    assert f"fedprobe: {IN + 7} records could not be written" in capfd.readouterr().err


def test_the_writer_tries_again_by_itself(make, path: Path) -> None:
    disk = FullDisk(path)
    probe = make(disk)
    probe.start()
    probe.emit(fault(1))
    wait_for(lambda: disk.refused > 0)
    disk.full = False
    wait_for(path.exists)
    assert read_segment(path).records == [fault(1)]


def test_a_disk_that_kept_records_waiting_is_told_of(make, path: Path) -> None:
    disk = FullDisk(path)
    probe = make(disk)
    probe.emit(fault(1))
    probe.flush()
    probe.clock.advance(7_300_000_000)
    disk.full = False
    probe.flush()
    probe.flush()
    probe.clock.advance(14_000_000_000)  # less than twice as long: told already
    probe.flush()
    probe.clock.advance(14_600_000_000)
    probe.flush()
    told = [record for record in closed(probe, path).records if record.where == "spool"]
    assert [record.error.partition(" s old and not yet safe on the disk")[0] for record in told] == [
        "records were 7.3",
        "records were 14.6",
    ]
    assert "No space left on device" in told[0].error


def test_a_disk_that_never_syncs_is_told_of_in_the_file(make, path: Path) -> None:
    class NeverSynced(SegmentWriter):
        def sync(self) -> None:
            raise SpoolError(5, "cannot sync: Input/output error")

    probe = make(lambda: NeverSynced(path, header()))
    for number in range(IN):
        probe.emit(fault(number))
        probe.flush()
        probe.clock.advance(900_000_000)
    probe.close()
    records = read_segment(path).records
    assert [record for record in records if record.where == "test"] == [fault(number) for number in range(IN)]
    told = [record.error.split()[2] for record in records if record.where == "spool"]
    assert told == ["2.7", "5.4", "10.8"]


def test_records_of_the_first_beat_are_synced_with_the_next_one(make, path: Path) -> None:
    """Although nothing more is recorded."""
    made: list[SegmentWriter] = []

    def open_writer() -> SegmentWriter:
        made.append(SegmentWriter(path, header()))
        return made[0]

    probe = make(open_writer)
    probe.emit(fault(1))
    probe.start()
    wait_for(lambda: bool(made) and path.read_bytes().count(b"\n") == 2)
    wait_for(lambda: not made[0].unsynced)


def test_a_name_that_is_taken_is_not_written_to(make, path: Path) -> None:
    """The next try is under a name of its own: two processes never share a file."""
    other = path.with_name("b.jsonl")
    SegmentWriter(path, header(pid=7)).append([])
    before = path.read_bytes()
    names = iter([path, other])
    probe = make(lambda: SegmentWriter(next(names), header()))
    probe.emit(fault(1))
    probe.flush()
    assert "cannot create" in str(probe.failure)
    assert closed(probe, other).records == [fault(1)]
    assert path.read_bytes() == before


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_writes_nothing_of_its_parents(make, path: Path) -> None:
    probe = make()
    probe.emit(fault(1))
    child = os.fork()
    if child == 0:
        try:
            probe.emit(fault(2))
            probe.flush()
            probe.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert not path.exists()
    assert closed(probe, path).records == [fault(1)]


@pytest.mark.parametrize("error", [SpoolError(13, "cannot create"), PermissionError("no"), KeyError("FEDPROBE_OUT")])
def test_a_spool_that_cannot_be_opened_does_not_stop_anything(
    make, error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> SegmentWriter:
        raise error

    probe = make(refuse)
    probe.start()
    probe.emit(fault(1))
    wait_for(lambda: probe.failure is not None)
    assert probe._thread is not None
    assert probe._thread.is_alive()
    probe.close()
    err = capfd.readouterr().err
    assert "1 records could not be written" in err
    assert "Traceback" not in err


class BrokenStderr:
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("stderr", [None, BrokenStderr()])
def test_a_process_without_stderr_is_not_stopped(make, path: Path, monkeypatch: pytest.MonkeyPatch, stderr) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    probe = make(FullDisk(path))
    probe.emit(fault(1))
    probe.flush()
    probe.close()
    assert "No space" in str(probe.failure)


def test_closing_twice_writes_one_trailer(make, path: Path) -> None:
    probe = make()
    probe.close()
    probe.close()
    assert path.read_bytes().count(b'"kind":"end"') == 1


def test_a_second_thread_that_closes_waits_for_the_trailer(make, path: Path) -> None:
    """Flower ends a process from a timer's thread while the main thread is still on its way out."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow(SegmentWriter):
        def end(self, trailer: End) -> None:
            inside.set()
            assert go_on.wait(20)
            super().end(trailer)

    probe = make(lambda: Slow(path, header()))
    first = threading.Thread(target=probe.close)
    second = threading.Thread(target=probe.close)
    first.start()
    assert inside.wait(20)
    second.start()
    second.join(0.1)
    assert second.is_alive()
    go_on.set()
    first.join(20)
    second.join(20)
    assert read_segment(path).whole


def test_a_signal_handler_may_close_while_its_own_thread_closes(make, path: Path) -> None:
    class Interrupted(SegmentWriter):
        def end(self, trailer: End) -> None:
            probe.close()
            super().end(trailer)

    probe = make(lambda: Interrupted(path, header()))
    probe.close()
    assert read_segment(path).whole


def test_a_span_is_timed_and_its_exception_passes_through_unchanged(make, path: Path) -> None:
    probe = make()
    problem = ValueError("theirs")
    with Timed(probe, "aggregate", round=1) as span:
        probe.clock.advance(23)
        span.stop()
        probe.clock.advance(29)
        span.set(count=2)
    with pytest.raises(ValueError, match="theirs") as caught, Timed(probe, "configure"):  # noqa: PT012 the block is timed
        probe.clock.advance(31)
        raise problem
    assert caught.value is problem
    thread = threading.get_native_id()
    assert closed(probe, path).records == [
        Span(name="aggregate", start_mono_ns=41, end_mono_ns=64, thread=thread, round=1, count=2),
        Span(name="configure", start_mono_ns=93, end_mono_ns=124, thread=thread, error="ValueError('theirs')"),
    ]


def test_the_trailer_tells_what_the_process_used(make, path: Path) -> None:
    end = closed(make(), path).end
    assert end is not None
    assert end.cpu_s is not None
    assert end.cpu_s > 0
    assert end.max_rss_bytes is not None
    assert end.max_rss_bytes > 1_000_000


@pytest.mark.parametrize(("value", "off"), [("1", True), ("yes", True), ("", False), ("0", False)])
def test_one_variable_switches_the_probes_off(value: str, off: bool) -> None:
    assert disabled({"FEDPROBE_DISABLE": value}) is off
    assert disabled({}) is False


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 kB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    mounted = tmp_path / "tiny"
    mounted.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mounted)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"no tmpfs here: {done.stderr.strip()}")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


@pytest.mark.netns
def test_a_disk_that_is_really_full_tears_nothing(make, tiny_disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tiny_disk / "a.jsonl"
    probe = make(lambda: SegmentWriter(path, header()))
    probe.emit(fault(0))
    probe.flush()
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"x" * 50_000)
    count = 997
    records: list[Record] = [fault(number) for number in range(count)]
    for record in records[1:]:
        probe.emit(record)
        probe.flush()
    during = read_segment(path)
    assert during.torn_bytes == 0
    assert 0 < len(during.records) < count
    assert capfd.readouterr().err.count("fedprobe:") == 1
    ballast.unlink()
    probe.close()
    segment = read_segment(path)
    assert segment.records == records
    assert segment.whole
