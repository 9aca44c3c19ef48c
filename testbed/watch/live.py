"""What a running campaign sees, gathered by its main thread and written into the run folder by another.

    live = LiveRun(folder.path, plan)
    live.start(); live.entered(...); live.saw(...); live.stop()

Nothing here raises into the run, and nothing waits for a disk but the writer.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from instrument.clock import SystemClock
from instrument.records import Record
from testbed.watch.live_document import (
    KEPT_LINES,
    LONGEST_LINE,
    ClientNow,
    Line,
    Live,
    Planned,
    RoundSeen,
    ScoreSeen,
    TrialNow,
    read_live,
    write_live,
)
from testbed.watch.scenario import scenario_of
from testbed.watch.server_view import ServerView

WRITE_S = 1.0
_log = logging.getLogger(__name__)


class LiveRun:
    """Gathers and writes: `start` starts the writer, `stop` writes a last time."""

    def __init__(self, folder: Path, plan: Sequence[Planned]) -> None:
        self.folder = folder
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="live-view", daemon=True)
        before = read_live(folder)
        self._begun = self._wall_s()
        self._resumed = before is not None
        self._plan = list(plan)
        self._rounds = {one.interface: one for one in before.rounds} if before else {}
        self._scores = {one.scenario: one for one in before.scores} if before else {}
        self._said: deque[Line] = deque(before.said if before else (), maxlen=KEPT_LINES)
        self._doing = ""
        self._waits_until: float | None = None
        self._trial: TrialNow | None = None
        self._view = ServerView({})
        self._offset_ns: int | None = None  # of the controller's clock to the server's, by the freshest record
        self._ended = False

    def start(self) -> None:
        """Write from now on."""
        self._write()
        self._writer.start()

    def stop(self) -> None:
        """The run is over."""
        self._stop.set()
        self._writer.join()
        self._ended = True
        self._write()

    def doing(self, what: str) -> None:
        """What is going on now."""
        with self._lock:
            self._doing, self._waits_until = what[:LONGEST_LINE], None

    def waits(self, until_s: float) -> None:
        """It waits for a moment of the Unix epoch."""
        with self._lock:
            self._waits_until = until_s

    def said(self, line: str) -> None:
        """A line that the run prints."""
        with self._lock:
            self._said.append(Line(at=self._wall_s(), text=line[:LONGEST_LINE]))

    def began(self, trial: TrialNow, nodes: Mapping[str, str]) -> None:
        """A trial begins; `nodes` are its clients by the address that the server sees."""
        with self._lock:
            self._trial, self._view, self._offset_ns = trial, ServerView(nodes), None

    def entered(self, state: str, limit_s: float | None) -> None:
        """The trial enters a state, in which it may be so long; None: its steps have limits of their own."""
        now = self._wall_s()
        deadline = None if limit_s is None else now + limit_s
        with self._lock:
            if self._trial is not None:
                self._trial = self._trial.model_copy(update={"state": state, "since": now, "deadline": deadline})

    def done(self) -> None:
        """The trial is over."""
        with self._lock:
            self._trial, self._view = None, ServerView({})

    def rounds(self, done: int) -> None:
        """So many rounds of the trial are over."""
        with self._lock:
            if self._trial is not None:
                self._trial = self._trial.model_copy(update={"done": done})

    def saw(self, records: Iterable[Record]) -> None:
        """New records of the server host."""
        with self._lock:
            try:
                for record in records:
                    self._view.take(record)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # a view never ends a trial
                _log.warning("live view: a record is not understood: %r", error)
            if self._view.latest_ns:
                offset = self._clock.mono_ns() - self._view.latest_ns
                self._offset_ns = offset if self._offset_ns is None else min(offset, self._offset_ns)
            self._learn()

    def _learn(self) -> None:
        trial, view = self._trial, self._view
        if trial is None:
            return
        seen = view.last_round()
        if seen is not None:
            self._rounds[trial.interface] = RoundSeen(
                interface=trial.interface,
                trial=trial.name,
                number=seen.number,
                wall_s=seen.wall_s,
                clients=seen.clients,
                median_s=dict(seen.median_s),
                longest_s=dict(seen.longest_s),
            )
        if view.scores:
            scenario = scenario_of(trial.name)
            self._scores[scenario] = ScoreSeen(
                scenario=scenario, trial=trial.name, round=view.scored_round, values=dict(view.scores)
            )

    def now(self) -> Live:
        """Everything as of now."""
        with self._lock:
            return Live(
                written=self._wall_s(),
                begun=self._begun,
                resumed=self._resumed,
                ended=self._ended,
                doing=self._doing,
                waits_until=self._waits_until,
                plan=self._plan,
                trial=self._trial_now(),
                clients=self._clients(),
                rounds=list(self._rounds.values()),
                scores=list(self._scores.values()),
                faults=list(self._view.faults),
                said=list(self._said),
            )

    def _trial_now(self) -> TrialNow | None:
        if self._trial is None:
            return None
        view = self._view
        of_round = {
            "round": view.round,
            "kind": view.kind,
            "sent": view.sent,
            "replied": view.replied,
            "errors": view.errors,
        }
        return self._trial.model_copy(update=of_round)

    def _clients(self) -> list[ClientNow]:
        return [
            ClientNow(node=node, phase=one.phase, since=self._moment(one.since_ns), heard=self._moment(one.heard_ns))
            for node, one in self._view.clients.items()
        ]

    def _moment(self, server_ns: int) -> float | None:
        """A moment of the server's clock on the controller's wall clock, late by up to a second or two."""
        if not server_ns or self._offset_ns is None:
            return None
        ago_s = (self._clock.mono_ns() - server_ns - self._offset_ns) / 1e9
        return self._wall_s() - max(ago_s, 0.0)

    def _wall_s(self) -> float:
        return self._clock.wall_ns() / 1e9

    def _write_on(self) -> None:
        while not self._stop.wait(WRITE_S):
            self._write()

    def _write(self) -> None:
        try:
            write_live(self.folder, self.now())
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            _log.warning("live view: not written: %r", error)
