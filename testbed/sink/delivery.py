"""Gets lines to a server: again where that can succeed, in halves where some are refused: the good ones arrive.

Sending a line twice changes nothing: its series and its moment are its key. So a batch of which a server took a part
(InfluxDB's "partial write") is sent again in halves, until the lines stand alone that it does not take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from instrument.clock import SystemClock, sleep_s
from testbed.sink.errors import AwayError, RefusedError, SinkError
from testbed.sink.server import Writer

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 8.0
MOST_REFUSED = 1000


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that the server does not take, with the status and the words that it said of it."""

    line: str
    status: int
    said: str


@dataclass(slots=True)
class Delivery:
    """`patience_s`: how long to try again where a server is away, busy or full, without one success.

    More than MOST_REFUSED refused lines are no bad lines but a database that cannot take them: SinkError.
    """

    writer: Writer
    patience_s: float
    say: Callable[[str], None]
    wait: Callable[[float], None] = sleep_s
    refused_before: int = field(default=0, init=False)

    def deliver(self, lines: Sequence[str]) -> list[Refused]:
        """Write lines; returns those that are refused. Raises AwayError, SinkError and SinkUsageError."""
        return list(self._delivered(lines))

    def _delivered(self, lines: Sequence[str]) -> Iterator[Refused]:
        try:
            self._patiently(body_of(lines))
        except RefusedError as error:
            if len(lines) > 1:
                middle = len(lines) // 2
                yield from self._delivered(lines[:middle])
                yield from self._delivered(lines[middle:])
                return
            self._count(error)
            yield Refused(lines[0], error.status, error.said)

    def _count(self, error: RefusedError) -> None:
        self.refused_before += 1
        if self.refused_before > MOST_REFUSED:
            raise SinkError(
                f"more than {MOST_REFUSED} points are refused, the last with: {error.said}. The database cannot take "
                "them: use another, or remove from it what is in the way."
            )

    def _patiently(self, body: bytes) -> None:
        self.patiently(lambda: self.writer.write(body))

    def patiently(self, attempt: Callable[[], None]) -> None:
        """Try until it succeeds, or patience is at its end: then the last AwayError is raised."""
        clock = SystemClock()
        began_ns, wait_s = clock.mono_ns(), FIRST_WAIT_S
        while True:
            try:
                attempt()
            except AwayError as error:
                left_s = self.patience_s - (clock.mono_ns() - began_ns) / 1e9
                due_s = max(wait_s, error.after_s or 0.0)
                if due_s > left_s:
                    raise
                if wait_s == FIRST_WAIT_S:
                    self.say(f"{error} Trying again for {self.patience_s:g} s.")
                self.wait(due_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                return


def body_of(lines: Sequence[str]) -> bytes:
    """Lines as a request's body."""
    return ("\n".join(lines) + "\n").encode()
