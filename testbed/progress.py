"""Progress of long work: the live view or a bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from instrument.records import Record

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from testbed.watch.live import LiveRun
    from testbed.watch.live_document import TrialNow
    from testbed.watch.screen import LiveScreen


class RunProgress:
    """Rounds of the whole campaign as one bar, with what is going on beside it; or a `live` run's live view."""

    def __init__(self, rounds: int, live: LiveRun | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._live_run = live
        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._screen: LiveScreen | None = None
        if self._live and live is not None:
            from testbed.watch.screen import LiveScreen

            self._screen = LiveScreen(live, self._console)
        self._bar: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("rounds"),
            TimeElapsedColumn(),
            console=self._console,
            refresh_per_second=2,
            transient=True,
            disable=not self._live or self._screen is not None,
        )
        self._task: TaskID = self._bar.add_task("", total=rounds)

    def __enter__(self) -> RunProgress:
        if self._live_run is not None:
            self._live_run.start()
        if self._screen is not None:
            self._screen.start()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._screen is not None:
            self._screen.stop()
        if self._live_run is not None:
            self._live_run.stop()

    def doing(self, what: str) -> None:
        """Show what is going on now."""
        self._bar.update(self._task, description=what)
        if self._live_run is not None:
            self._live_run.doing(what)
        if not self._live:
            self._console.print(what, markup=False)

    def rounds_done(self, total: int) -> None:
        """Move the bar to this many rounds of the campaign."""
        self._bar.update(self._task, completed=total)

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._live_run is not None:
            self._live_run.said(line)
        self._console.print(line, markup=False)

    def waits(self, until_s: float) -> None:
        """The run waits for a moment of the Unix epoch."""
        if self._live_run is not None:
            self._live_run.waits(until_s)

    def began(self, trial: TrialNow, nodes: Mapping[str, str]) -> None:
        """A trial begins, whose clients are these by the address that the server sees."""
        if self._live_run is not None:
            self._live_run.began(trial, nodes)

    def entered(self, state: str, limit_s: float | None) -> None:
        """The trial enters a state, in which it may be so long."""
        if self._live_run is not None:
            self._live_run.entered(state, limit_s)

    def round_done(self, number: int) -> None:
        """So many rounds of the trial are over."""
        if self._live_run is not None:
            self._live_run.rounds(number)

    def saw(self, records: Iterable[Record]) -> None:
        """New records of the server host."""
        if self._live_run is not None:
            self._live_run.saw(records)

    def over(self) -> None:
        """The trial has ended."""
        if self._live_run is not None:
            self._live_run.done()


class PointsProgress:
    """Points of an export that are written, and then those that were read back."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True, highlight=False)
        self._shown: Progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            refresh_per_second=4,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID = self._shown.add_task("connecting")

    def __enter__(self) -> PointsProgress:
        self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.stop()

    def reached(self, trial: str, what: str, points: int) -> None:
        """So many points of a trial are written, or read back."""
        self._shown.update(self._task, description=f"{trial}: {points} points {what}")

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False)
