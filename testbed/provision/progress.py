"""Progress of provisioning: a bar for each host on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class HostsProgress:
    """What each host is at. Several threads may tell."""

    def __init__(self, hosts: Sequence[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal
        columns = (TextColumn("{task.fields[host]}", markup=False), BarColumn(bar_width=16), MofNCompleteColumn())
        more = (TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        self._bar: Progress = Progress(*columns, *more, console=self._console, transient=True, disable=not self._live)
        self._tasks: dict[str, TaskID] = {
            host: self._bar.add_task("waiting", total=None, host=host) for host in hosts
        }
        self._lock = threading.Lock()

    def __enter__(self) -> HostsProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def found(self, host: str, changes: int) -> None:
        """So many changes are to be made on a host."""
        self._bar.update(self._tasks[host], total=max(changes, 1), completed=0)

    def doing(self, host: str, text: str) -> None:
        """A change is being made."""
        self._bar.update(self._tasks[host], description=text)
        self._line(f"{host}: {text}")

    def made(self, host: str) -> None:
        """A change has been made."""
        self._bar.advance(self._tasks[host])

    def ended(self, host: str, text: str) -> None:
        """All is done on a host, or it failed."""
        task = self._tasks[host]
        self._bar.update(task, description=text, total=1, completed=1)
        self._line(f"{host}: {text}")

    def _line(self, text: str) -> None:
        if not self._live:
            with self._lock:
                self._console.print(text, markup=False, soft_wrap=True)
