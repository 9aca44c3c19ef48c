"""The wish to stop: set by a signal handler, waited for by any thread.

A `threading.Event` can deadlock here: its `set` takes a lock that the interrupted main thread may hold inside
`wait`. An eventfd takes none, and a thread can wait for it and a socket together.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from types import TracebackType

from instrument.clock import Clock

STOPPING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Bell:
    """Rung by a signal, any number of times; a thread waits for it beside other things by `select`."""

    def __init__(self) -> None:
        self._eventfd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __enter__(self) -> Bell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._eventfd)

    def fileno(self) -> int:
        """Readable once it has been rung: for `select`."""
        return self._eventfd

    def on_signal(self, number: signal.Signals) -> None:
        """Let a signal do nothing but ring it."""
        signal.signal(number, lambda _number, _frame: os.eventfd_write(self._eventfd, 1))

    def silence(self) -> None:
        """Forget the rings so far."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._eventfd)


class Stop:
    """Set once, by a signal or by a call; stays set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._eventfd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __enter__(self) -> Stop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._eventfd)

    def fileno(self) -> int:
        """Readable once the wish is there: for `select`."""
        return self._eventfd

    def set(self) -> None:
        """Wish to stop. Takes no lock and does no I/O but on the eventfd: safe in a signal handler."""
        os.eventfd_write(self._eventfd, 1)

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT do nothing but `set`."""
        for number in STOPPING_SIGNALS:
            signal.signal(number, lambda _number, _frame: self.set())

    def wait_until(self, deadline_ns: int) -> bool:
        """Whether the wish came before the deadline on the monotonic clock; returns at the earlier of both."""
        remaining_ns = max(0, deadline_ns - self._clock.mono_ns())
        readable, _, _ = select.select([self._eventfd], [], [], remaining_ns / 1e9)
        return bool(readable)
