"""Progress of long work: a bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class RunProgress:
    """Rounds of the whole campaign as one bar, with what is going on beside it."""

    def __init__(self, rounds: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal
        self._bar: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("rounds"),
            TimeElapsedColumn(),
            console=self._console,
            refresh_per_second=2,
            transient=True,
            disable=not self._live,
        )
        self._task: TaskID = self._bar.add_task("", total=rounds)

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def doing(self, what: str) -> None:
        """Show what is going on now."""
        self._bar.update(self._task, description=what)
        if not self._live:
            self._console.print(what, markup=False)

    def rounds_done(self, total: int) -> None:
        """Move the bar to this many rounds of the campaign."""
        self._bar.update(self._task, completed=total)

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False)


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
