"""The campaign's points while a trial runs, on request: what the follower reads of the server host, as it comes.

    with Live(table, run_dir, say) as live:
        live.began(trial); live.saw(records); live.over()

Nothing here waits for the server but a thread of its own, and nothing raises into the trial. What the server does not
take, or not fast enough, is dropped, counted and told once: the export after the trial writes every point again, by
the same keys.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from instrument.records import Record
from testbed.errors import FedprobeError
from testbed.sink.table import InfluxTable

if TYPE_CHECKING:
    from analysis.influx.live_points import LivePoints
    from testbed.sink.server import Writer

WAITING = 120  # batches, of about a second each
ANSWER_S = 5.0
LEFT_ALONE_S = 10.0  # after a failure
ENDS_S = 1.0
_log = logging.getLogger(__name__)


class Live:
    """Written to for the length of a `with` block; without `live = true` in the table it does nothing."""

    def __init__(self, table: InfluxTable | None, run_dir: Path, say: Callable[[str], None]) -> None:
        self.on = table is not None and table.live
        self._table = table
        self._run_dir = run_dir
        self._say = say
        self._points: LivePoints | None = None
        self._waiting: queue.Queue[list[str]] = queue.Queue(WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="influxdb-live", daemon=True)
        self._lock = threading.Lock()
        self._dropped, self._why, self._told = 0, "", False

    @property
    def dropped(self) -> int:
        """How many points were not written."""
        with self._lock:
            return self._dropped

    @property
    def waiting(self) -> int:
        """How many batches are not yet on their way."""
        return self._waiting.qsize()

    def __enter__(self) -> Live:
        if self.on:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.on:
            self._stop.set()
            self._thread.join(ENDS_S)  # one that waits for an answer ends with the process

    def began(self, trial: str) -> None:
        """A trial begins, whose trial.json is written."""
        if not self.on:
            return
        from analysis.influx.live_points import LivePoints

        try:
            self._points = LivePoints(self._run_dir, trial)
        except (LookupError, OSError, TypeError, ValueError) as error:
            _log.warning("influxdb: no live points of %s: %r", trial, error)

    def saw(self, records: Sequence[Record]) -> None:
        """New records of the server host."""
        if self._points is None:
            return
        try:
            lines = self._points.lines(records)
        except (ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:  # never ends a trial
            self._points = None
            _log.warning("influxdb: no more live points of this trial: a record is not understood: %r", error)
            return
        if not lines:
            return
        try:
            self._waiting.put_nowait(lines)
        except queue.Full:
            self._lost(len(lines), "the server is too slow.")

    def over(self) -> None:
        """The trial has ended; tells once that points were dropped."""
        self._points = None
        with self._lock:
            dropped, why = self._dropped, self._why
        if dropped and not self._told:
            self._told = True
            self._say(
                f"influxdb: {dropped} live points are dropped until now: {why} The campaign goes on; the "
                "export after each trial writes them too."
            )

    def _write_on(self) -> None:
        writer: Writer | None = None
        while not self._stop.is_set():
            try:
                lines = self._waiting.get(timeout=ENDS_S / 2)
            except queue.Empty:
                continue
            try:
                writer = writer or self._connected()
                writer.write(("\n".join(lines) + "\n").encode())
            except FedprobeError as error:
                self._lost(len(lines) + self._emptied(), str(error))
                self._stop.wait(LEFT_ALONE_S)
        if writer is not None:
            writer.close()

    def _connected(self) -> Writer:
        """The server of the table, asked what it is. Raises FedprobeError."""
        from testbed.sink.options import Options, target_of
        from testbed.sink.server import found, prepared, writer
        from testbed.token import INFLUXDB, token

        target, file = target_of(Options(), self._run_dir)
        secret = token(os.environ, INFLUXDB, file)
        server = found(replace(target, timeout_s=ANSWER_S), secret)
        prepared(server, secret)
        return writer(server, secret)

    def _emptied(self) -> int:
        """Leaves nothing that waits: how many points that were."""
        lines = 0
        while True:
            try:
                lines += len(self._waiting.get_nowait())
            except queue.Empty:
                return lines

    def _lost(self, points: int, why: str) -> None:
        with self._lock:
            self._dropped += points
            self._why = why
