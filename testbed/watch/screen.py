"""The live view on the terminal of the campaign itself; the lines that it prints stay above."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live

from testbed.watch.drawing import drawn
from testbed.watch.glyphs import glyphs_for
from testbed.watch.live import LiveRun
from testbed.watch.reading import RunReader

DRAWN_PER_S = 1.0  # an emulated testbed shares this machine's cores with what draws


class LiveScreen:
    """Redraws from a thread of rich's own, and restores the terminal when it is stopped."""

    def __init__(self, run: LiveRun, console: Console) -> None:
        self._run = run
        self._console = console
        self._reader: RunReader | None = None
        self._live = Live(
            get_renderable=self._picture,
            console=console,
            refresh_per_second=DRAWN_PER_S,
            transient=True,
            vertical_overflow="crop",
            redirect_stdout=False,
        )

    def start(self) -> None:
        """Begin to draw."""
        self._reader = RunReader(self._run.folder)
        self._live.start()

    def stop(self) -> None:
        """Take the picture away."""
        self._live.stop()

    def _picture(self) -> Group:
        """Called by the run's own thread too, when it prints: whatever fails here must not end a trial."""
        if self._reader is None:
            return Group()
        try:
            width, height = self._console.size
            view = self._reader.seen_by_controller(self._run.now())
            return drawn(view, width=width, height=height - 1, glyphs=glyphs_for(self._console.encoding))
        except Exception as error:
            return Group(f"live view: {error!r}")
