"""The probe: takes records off the measured threads, and a thread of its own writes them down.

`emit` only appends to a list: no I/O, no encoding, no waiting inside a measured interval, and never an
exception. A record may be given as a function that makes it, so that costly parsing also happens on the
writer's thread. What cannot be written is kept and tried again; what cannot be kept is counted.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from instrument.clock import Clock, SystemClock
from instrument.identity import run_queue_wait_s
from instrument.records import End, Fault, Record, Span, encode
from instrument.spool import SegmentWriter, SpoolError
from instrument.threads import native_id

# how often records are written and synced, from the start of one write to the start of the next: with 0.1 s for the
# write, 1 s is the most that a SIGKILL or a power cut can lose (docs/records.md). A fixed beat: waking the writer
# costs the measured thread a system call and a fight for the interpreter. Each beat takes 0.35 ms of processor time,
# mostly cold caches and the sync: with 0.5 s it was most of what the probes of a server cost
BEAT_S = 0.9
REST_S = (
    0.1  # between two writes, however long the first took: a disk that is too slow must not take the processor too
)
LATE_S = 2.0  # records that were not on the disk for so long are told of: twice what is promised
CAPACITY = 200_000  # records kept in memory while the disk refuses them: about 100 MB

# a function that makes a record, or a tuple of one and its arguments, which costs the measured thread the least
Maker = Callable[[], Record | None] | tuple[Any, ...]


class Probe:
    """Buffers records of one process and appends them to its spool file.

    `open_writer` is called on the writer's thread, when it starts. A forked process has a copy of the probe, which
    writes nothing there: what had gathered is its parent's.
    """

    def __init__(
        self,
        open_writer: Callable[[], SegmentWriter],
        *,
        clock: Clock | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self.clock = clock or SystemClock()
        self._open_writer = open_writer
        self._capacity = capacity
        self._pid = os.getpid()
        self._pending: deque[Record | Maker] = deque()
        self._unwritten: list[str] = []
        self._dropped = 0
        self._writer: SegmentWriter | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._closing_lock = threading.RLock()  # a signal handler may close while its thread is closing
        self._closed = False
        self._thread: threading.Thread | None = None
        self._safe_ns = self.clock.mono_ns()  # what was handed over before is on the disk
        self._latest_ns = int(LATE_S * 1e9 / 2)
        self.failure: str | None = None

    def emit(self, record: Record | Maker) -> None:
        """Hand over a record, or a function that makes one. Never raises, blocks, or takes a lock."""
        if len(self._pending) >= self._capacity:
            self._dropped += 1
            return
        self._pending.append(record)

    def fault(self, where: str, error: BaseException | str) -> None:
        """Record that the instrument itself failed at something."""
        text = error[:500] if isinstance(error, str) else described(error)
        self.emit(Fault(where=where, error=text, mono_ns=self.clock.mono_ns()))

    def start(self) -> None:
        """Start the writer's thread."""
        self._thread = threading.Thread(target=self._write_on, name="fedprobe-spool", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Write down everything handed over so far. Keeps what the disk refuses; never raises."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            taken_ns = self.clock.mono_ns()
            self._unwritten += self._encoded()
            self._keep_capacity()
            try:
                self._append()
            except Exception as error:
                self._tell(error)
            self._tell_of_risk()
            if self._writer is not None and not self._unwritten and not self._writer.unsynced:
                self._safe_ns = taken_ns

    def close(self) -> None:
        """Write what is left and the trailer. What still cannot be written is counted on stderr.

        A second thread that closes waits for the first, so that neither ends the process before the trailer.
        """
        if os.getpid() != self._pid:
            return
        with self._closing_lock:
            if self._closed:
                return
            self._closed = True
            self._ended.set()
            self.flush()
            if self._pending:  # such as what the writing itself gave cause to tell
                self.flush()
            try:
                if self._writer is not None:
                    self._writer.end(self._trailer())
            except Exception as error:
                self._tell(error)
            lost = len(self._unwritten) + self._dropped
            if lost:
                _say(f"fedprobe: {lost} records could not be written: {self.failure}")

    def _write_on(self) -> None:
        while not self._closed:
            begun_ns = self.clock.mono_ns()
            if self._has_work():
                self.flush()
            else:
                self._safe_ns = begun_ns
            self._ended.wait(max(BEAT_S - (self.clock.mono_ns() - begun_ns) / 1e9, REST_S))

    def _has_work(self) -> bool:
        """Whether something is to be written or synced.

        The file is made at once: a process that is killed before it measures anything has still been there.
        """
        return bool(self._pending or self._unwritten or self._writer is None or self._writer.unsynced)

    def _append(self) -> None:
        fresh = self._writer is None
        if self._writer is None:
            self._writer = self._open_writer()
        self._writer.append(self._unwritten)
        self._unwritten = []
        if not self._closed and not fresh:  # the first lines are synced with the next beat, or with the trailer
            self._writer.sync()

    def _tell_of_risk(self) -> None:
        """Record that records were at risk for longer than is promised, each time they were for twice as long."""
        age_ns = self.clock.mono_ns() - self._safe_ns
        if age_ns >= 2 * self._latest_ns:
            self._latest_ns = age_ns
            why = f" ({self.failure})" if self.failure else ""
            self.fault("spool", f"records were {age_ns / 1e9:.1f} s old and not yet safe on the disk{why}")

    def _encoded(self) -> list[str]:
        lines: list[str] = []
        for _ in range(len(self._pending)):
            item = self._pending.popleft()
            try:
                record = made_of(item)
                if record is not None:
                    lines.append(encode(record))
            except Exception as error:
                lines.append(encode(Fault(where="encode", error=described(error), mono_ns=self.clock.mono_ns())))
        return lines

    def _keep_capacity(self) -> None:
        excess = len(self._unwritten) - self._capacity
        if excess > 0:
            del self._unwritten[-excess:]
            self._dropped += excess

    def _tell(self, error: Exception) -> None:
        text = str(error) if isinstance(error, OSError) else described(error)
        if self.failure is None:
            _say(f"fedprobe: {text}; records are kept in memory and tried again")
        self.failure = text

    def _trailer(self) -> End:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return End(
            records=0,
            sha256="",
            mono_ns=self.clock.mono_ns(),
            dropped=self._dropped + len(self._unwritten),
            cpu_s=used.ru_utime + used.ru_stime,
            run_queue_wait_s=run_queue_wait_s(),
            max_rss_bytes=used.ru_maxrss * 1024,
        )


def made_of(item: Record | Maker) -> Record | None:
    """The record that was handed over, made if it has yet to be; None where its maker has none to tell."""
    if isinstance(item, tuple):
        record: Record | None = item[0](*item[1:])
        return record
    return item() if callable(item) else item


class Timed:
    """Context manager that records a Span around its block; an exception passes through unchanged.

    The Span is made on the writer's thread: fields that it does not have are a fault there, and nothing in the block.
    """

    __slots__ = ("_end_ns", "_fields", "_name", "_probe", "_start_ns")

    def __init__(self, probe: Probe, name: str, /, **span_fields: str | int | None) -> None:
        self._probe = probe
        self._name = name
        self._fields = span_fields
        self._start_ns = 0
        self._end_ns = 0

    def stop(self) -> None:
        """End the interval here, before the block ends."""
        self._end_ns = self._probe.clock.mono_ns()

    def set(self, **span_fields: str | int | None) -> None:
        """Add fields of the Span that are only known inside the block."""
        self._fields.update(span_fields)

    def __enter__(self) -> Timed:
        self._start_ns = self._probe.clock.mono_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end_ns = self._end_ns or self._probe.clock.mono_ns()
        thread, reason = native_id(), described(error) if error is not None else None
        self._probe.emit(
            lambda: Span(
                name=self._name,
                start_mono_ns=self._start_ns,
                end_mono_ns=end_ns,
                thread=thread,
                error=reason,
                **self._fields,  # type: ignore[arg-type]
            )
        )


def described(error: BaseException) -> str:
    """An exception as text of at most 500 characters; one whose own repr fails is named by its type."""
    try:
        return repr(error)[:500]
    except Exception:
        return f"{type(error).__name__} (its repr fails)"


def _say(text: str) -> None:
    with suppress(Exception):  # a process without a standard error goes on all the same
        sys.stderr.write(f"{text}\n")


def disabled(environment: dict[str, str] | os._Environ[str]) -> bool:
    """Whether FEDPROBE_DISABLE switches the probes off."""
    return environment.get("FEDPROBE_DISABLE", "") not in {"", "0"}


__all__ = ["Maker", "Probe", "SpoolError", "Timed", "described", "disabled"]
