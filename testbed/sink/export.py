"""A run folder into a database: each trial written, then read back and compared, what is missing sent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from analysis.influx.chunk import Chunk
from analysis.influx.left_out import LeftOut
from analysis.influx.line_protocol import line
from analysis.influx.point import Point
from analysis.influx.points import chunks_of
from analysis.influx.source import trial_folders
from instrument.clock import SystemClock
from testbed.exports.selection import check_trials
from testbed.run_folder import TrialFolder
from testbed.run_lock import held
from testbed.sink.comparison import EXAMPLES, Comparison
from testbed.sink.cursor import FOLDER, Cursor
from testbed.sink.dead_letters import DeadLetters
from testbed.sink.delivery import Delivery, Refused
from testbed.sink.errors import SinkUsageError
from testbed.sink.reading import Reader, readable, reader
from testbed.sink.server import Found, found, prepared, writer
from testbed.sink.target import Target
from testbed.token import Token

BATCH_LINES = 10_000
BATCH_CHARACTERS = 4_000_000
IN_FLIGHT = 2
"""Batches that are on their way at once: a server has two processors or more."""
AGAIN = 3
"""How often what is missing is sent again before it is told."""


@dataclass(slots=True, kw_only=True)
class TrialOutcome:
    """What became of a trial's points; `write_s` and `read_s` are what it took.

    `verified`: they were read back and compared. `refusal`: the server's words on the first point that it refused.
    """

    trial: str
    points: int = 0
    written: int = 0
    sent_again: int = 0
    missing: int = 0
    different: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    refusal: str = ""
    write_s: float = 0.0
    read_s: float = 0.0
    verified: bool = False
    examples: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is known to be wrong."""
        return not (self.missing or self.different or self.duplicates or self.dead_letters)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a run's points."""

    server: str
    target: Target
    keeps: str
    unverified: str  # why nothing was read back; empty: it was
    trials: list[TrialOutcome] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def ok(self) -> bool:
        """Whether nothing is known to be wrong."""
        return all(trial.ok for trial in self.trials)

    def total(self, name: str) -> int:
        """One of the counts, over all trials."""
        return sum(getattr(trial, name) for trial in self.trials)

    def document(self) -> dict[str, Any]:
        """The same for a script."""
        counts = ("points", "written", "sent_again", "missing", "different", "duplicates", "dead_letters")
        return {
            "server": self.server,
            "url": self.target.url,
            "bucket": self.target.bucket,
            "api": self.target.api,
            "keeps": self.keeps,
            **{name: self.total(name) for name in counts},
            "verified": not self.unverified,
            "unverified": self.unverified,
            "left_out": self.left_out.told(),
            "trials": [asdict(trial) for trial in self.trials],
            "ok": self.ok,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to export: all trials, or those named; `pending` leaves out those that an earlier export has settled."""

    run_dir: Path
    target: Target
    token: Token
    trials: Sequence[str] | None = None
    pending: bool = False
    patience_s: float = 120.0
    say: Callable[[str], None] = lambda _: None
    progress: Callable[[str, str, int], None] = lambda _trial, _what, _points: None


def export(asked: Asked) -> Outcome:
    """Write, read back, compare, send again. Raises AwayError, SinkError and UsageError; the cursor stays."""
    names = _names(asked)
    check_trials(asked.run_dir / "trials" / name for name in names)
    (asked.run_dir / FOLDER).mkdir(exist_ok=True)
    lock = asked.run_dir / FOLDER / f"influxdb-{asked.target.id}.lock"
    with held(lock, f"the export of {asked.run_dir} to {asked.target.name}"):
        server = found(asked.target, asked.token)
        prepared(server, asked.token)
        with _Export(asked, server) as going:
            for name in names:
                if not (asked.pending and going.cursor.settled(name)):
                    going.outcome.trials.append(going.trial(name))
            going.look_again()
            return going.outcome


def _names(asked: Asked) -> list[str]:
    if not (asked.run_dir / "trials").is_dir():
        raise SinkUsageError(
            f"{asked.run_dir} is no run folder: it has no trials. Name the folder that `fedprobe run` made."
        )
    known = [folder.name for folder in trial_folders(asked.run_dir)]
    if not known:
        raise SinkUsageError(
            f"{asked.run_dir}: no trial was begun there, so there is nothing to export. Carry out the run first."
        )
    if asked.pending:  # what has not ended changes yet
        known = [name for name in known if TrialFolder(asked.run_dir / "trials" / name).ended]
    if asked.trials is None:
        return known
    from testbed.validation import nearest

    for name in asked.trials:
        if name not in known:
            raise SinkUsageError(f"{asked.run_dir} has no trial {name!r}. {nearest(name, known)}")
    return [name for name in known if name in asked.trials]


class _Export:
    """One export that goes on: its connections, for the length of a `with` block."""

    def __init__(self, asked: Asked, server: Found) -> None:
        self._asked = asked
        self.cursor = Cursor(asked.run_dir, asked.target)
        self._writer = writer(server, asked.token)
        self._delivery = Delivery(self._writer, asked.patience_s, asked.say)
        # one for all trials: what the allocator keeps for threads that have ended adds up
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="fedprobe-sink")
        self._reader: Reader = reader(server, asked.token)
        self._server = server
        self._life: str | None = None  # of the server, when the first points were written
        self.outcome = Outcome(server=server.words, target=server.target, keeps=self._reader.keeps, unverified="")

    def __enter__(self) -> _Export:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._writer.close()
        self._reader.close()

    def trial(self, name: str) -> TrialOutcome:
        """Write one trial, look at what is there, send again what is missing."""
        outcome = TrialOutcome(trial=name)
        letters = DeadLetters(self._asked.run_dir, self._asked.target, name)
        if self._life is None:
            self._was_ended()
        began_ns = SystemClock().mono_ns()
        self._write(name, outcome, letters)
        written_ns = SystemClock().mono_ns()
        self._patiently(self._see_whether_readable)
        if not self.outcome.unverified:
            self._verify(name, outcome, letters)
        outcome.write_s = (written_ns - began_ns) / 1e9
        outcome.read_s = (SystemClock().mono_ns() - written_ns) / 1e9
        outcome.dead_letters = len(letters)
        outcome.refusal = letters.first.said if letters.first else ""
        letters.forget_earlier()
        self.cursor.advance(name, outcome.points, settled=outcome.ok)
        return outcome

    def look_again(self) -> None:
        """Where the server's process was ended meanwhile: at all trials, of which it may have lost what was there."""
        while self.outcome.trials and not self.outcome.unverified and self._was_ended():
            for trial in self.outcome.trials:
                self.cursor.advance(trial.trial, trial.points)
            for trial in self.outcome.trials:
                letters = DeadLetters(self._asked.run_dir, self._asked.target, trial.trial)
                trial.duplicates = 0
                self._verify(trial.trial, trial, letters)
                trial.dead_letters = max(trial.dead_letters, len(letters))
                self.cursor.advance(trial.trial, trial.points, settled=trial.ok)

    def _was_ended(self) -> bool:
        """Whether the server's process is another one than when this was asked last."""
        lives: list[str] = []
        self._patiently(lambda: lives.append(self._reader.life()))
        before, self._life = self._life, lives[-1]
        return before is not None and before != self._life

    def _see_whether_readable(self) -> None:
        self.outcome.unverified = readable(self._server, self._asked.token)

    def _patiently(self, attempt: Callable[[], None]) -> None:
        self._delivery.patiently(attempt)

    def _write(self, name: str, outcome: TrialOutcome, letters: DeadLetters) -> None:
        """Lines are made while those before them are on their way."""
        before = self.cursor.written(name)
        on_their_way: deque[tuple[Future[list[Refused]], int]] = deque()
        reached = 0
        for reached, lines in batches(self._chunks(name, self.outcome.left_out), after=before):
            if len(on_their_way) == IN_FLIGHT:
                self._arrived(outcome, *on_their_way.popleft(), letters)
            if lines:
                on_their_way.append((self._pool.submit(self._delivery.deliver, lines), reached))
                outcome.written += len(lines)
        while on_their_way:
            self._arrived(outcome, *on_their_way.popleft(), letters)
        outcome.points = reached

    def _arrived(
        self, outcome: TrialOutcome, sent: Future[list[Refused]], reached: int, letters: DeadLetters
    ) -> None:
        refused = sent.result()
        letters.add(refused)
        outcome.written -= len(refused)
        self.cursor.advance(outcome.trial, reached)
        self._asked.progress(outcome.trial, "written", reached)

    def _chunks(self, name: str, left_out: LeftOut | None = None) -> Iterator[Chunk]:
        return chunks_of(self._asked.run_dir, [name], left_out=left_out)

    def _verify(self, name: str, outcome: TrialOutcome, letters: DeadLetters) -> None:
        """Look at all points; where some are wrong, send those again and look at all once more."""
        for looks in range(AGAIN + 1):
            sent_before = outcome.sent_again
            self._patiently(partial(self._reader.settle, looks))
            spans = self._pass(name, outcome, letters, may_send=looks < AGAIN)
            if outcome.sent_again == sent_before:
                break
        for (measurement, trial, campaign), (first, last, count) in spans.items():
            outcome.duplicates += self._surplus(measurement, trial, campaign, (first, last), count)
        outcome.verified = True

    def _pass(
        self, name: str, outcome: TrialOutcome, letters: DeadLetters, *, may_send: bool
    ) -> dict[tuple[str, str, str], tuple[int, int, int]]:
        """Returns first moment, last moment and number of points by measurement, trial and campaign."""
        spans: dict[tuple[str, str, str], tuple[int, int, int]] = {}
        points = 0
        outcome.missing = outcome.different = 0
        outcome.examples = []
        for chunk in self._chunks(name):
            expected = list(chunk.points())
            self._look_at(expected, outcome, letters, may_send=may_send)
            key = (chunk.measurement, chunk.trial, dict(expected[0].tags)["campaign"])
            first, last, count = spans.get(key, (chunk.first_ns, chunk.last_ns, 0))
            spans[key] = (min(first, chunk.first_ns), max(last, chunk.last_ns), count + len(chunk))
            points += len(chunk)
            self._asked.progress(name, "read back", points)
        return spans

    def _look_at(self, points: list[Point], outcome: TrialOutcome, letters: DeadLetters, *, may_send: bool) -> None:
        result = self._compared(points)
        if not result.wrong:
            return
        dead = letters.lines
        missing = [written for point in result.missing if (written := line(point)) not in dead]
        different = [(point, why) for point, why in result.different if line(point) not in dead]
        again = [*missing, *(line(point) for point, _ in different)] if self._reader.overwrites else missing
        outcome.missing += len(missing)
        outcome.different += len(different)
        outcome.examples += [why for _, why in different][: max(0, EXAMPLES - len(outcome.examples))]
        if again and may_send:
            refused = self._delivery.deliver(again)
            letters.add(refused)
            outcome.sent_again += len(again) - len(refused)
            outcome.missing -= len({one.line for one in refused}.intersection(missing))

    def _surplus(self, measurement: str, trial: str, campaign: str, span_ns: tuple[int, int], count: int) -> int:
        found_there: list[int] = []
        self._patiently(
            lambda: found_there.append(self._reader.surplus(measurement, trial, campaign, span_ns, count))
        )
        return found_there[-1]

    def _compared(self, points: list[Point]) -> Comparison:
        results: list[Comparison] = []
        self._patiently(lambda: results.append(self._reader.compared(points)))
        return results[-1]


def batches(chunks: Iterable[Chunk], *, after: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Lines in batches, each with the points up to its end; without the first `after`; the last may be empty."""
    reached, held_lines, size = 0, list[str](), 0
    for chunk in chunks:
        skipped = min(len(chunk), max(0, after - reached))
        lines = chunk.lines()[skipped:] if skipped < len(chunk) else []
        reached += skipped
        for written in lines:
            held_lines.append(written)
            reached += 1
            size += len(written)
            if len(held_lines) >= BATCH_LINES or size >= BATCH_CHARACTERS:
                yield reached, held_lines
                held_lines, size = [], 0
    yield reached, held_lines
