"""Ctrl-C and SIGTERM: the first one ends what is going on, in order; nothing interrupts the taking down."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """The user, or the system, asked this command to end."""


class Interrupts:
    """While entered, the first signal raises Interrupted, or waits for the end of a shielded block."""

    def __init__(self) -> None:
        self._shields = 0
        self._noted = False

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """A block that no signal interrupts; a signal that came meanwhile is raised at its end."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self.raise_noted()

    def raise_noted(self) -> None:
        """Raise Interrupted if a signal came during a shielded block."""
        if self._noted and not self._shields:
            self._noted = False
            raise Interrupted

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._shields:
            if not self._noted:
                print("fedprobe: ending in order, a few seconds more", file=sys.stderr)
            self._noted = True
            return
        raise Interrupted
