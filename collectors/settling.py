"""How long captures go on when the transfers are over: until tcpdump has read the last packets."""

from __future__ import annotations

import signal

from instrument.clock import Clock

# tcpdump reads its ring when a block of it is full or a second old: a capture that ends sooner lacks its last packets
SETTLE_NS = 1_200_000_000


class Settling:
    """From the first that tells that the transfers are over: a signal, while other things still end, or a call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._over_ns: int | None = None

    def on_signal(self, number: signal.Signals) -> None:
        """Let a signal tell it."""
        signal.signal(number, lambda _number, _frame: self.over())

    def over(self) -> None:
        """Tell it."""
        if self._over_ns is None:
            self._over_ns = self._clock.mono_ns()

    def wait(self) -> None:
        """Return when the last packets are in the file; from now on, where nobody has told."""
        self.over()
        assert self._over_ns is not None
        self._clock.sleep_until_mono_ns(self._over_ns + SETTLE_NS)
