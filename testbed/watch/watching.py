"""Watches a run until it is over: on a terminal's alternate screen, or by lines elsewhere."""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from math import isfinite
from types import FrameType

from rich.console import Console, Group

from instrument.clock import sleep_s
from testbed.watch import wording
from testbed.watch.drawing import drawn
from testbed.watch.glyphs import glyphs_for
from testbed.watch.overview import Overview
from testbed.watch.plain import changes
from testbed.watch.reading import RunReader

LOOK_S = 1.0
OVER = frozenset({"finished", "gone"})
TOLD_TO_END = (signal.SIGTERM, signal.SIGHUP)


class EndedError(Exception):
    """The system, or who closed the terminal, asked the view to end."""


def watch(reader: RunReader) -> int:
    """Show the run until it is over, or the user has seen enough. Returns 0; 1 where its controller is gone."""
    console = _console()
    try:
        with _ending_in_order():
            if console.is_terminal and not console.is_dumb_terminal:
                last = _on_screen(reader, console)
            else:
                last = _by_lines(reader)
    except KeyboardInterrupt:
        return 0
    except EndedError:
        return 1
    return _tell_end(reader, last)


def once(reader: RunReader) -> int:
    """Print the run as of now."""
    console = _console()
    view = reader.look()
    console.print(drawn(view, width=console.width, height=None, glyphs=glyphs_for(console.encoding)))
    return _tell_end(reader, view) if view.standing in OVER else 0


def document(reader: RunReader) -> int:
    """Print the run as of now as one JSON document."""
    print(json.dumps(as_document(reader.look()), indent=2, ensure_ascii=True))
    return 0


def as_document(view: Overview) -> dict[str, object]:
    """The same for scripts: moments in seconds of the Unix epoch, lengths in seconds."""
    body = asdict(view)
    body["trial"] = view.trial and view.trial.model_dump()
    for name in ("clients", "last_rounds", "scores"):
        body[name] = [one.model_dump() for one in body[name]]
    for score in body["scores"]:
        score["values"] = {name: value if isfinite(value) else None for name, value in score["values"].items()}
    return body


def _console() -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for a name that the terminal's encoding lacks
    return Console(highlight=False, markup=False, soft_wrap=False)


def _on_screen(reader: RunReader, console: Console) -> Overview:
    from rich.live import Live

    def picture(view: Overview) -> Group:
        width, height = console.size
        return drawn(view, width=width, height=height - 1, glyphs=glyphs_for(console.encoding))

    view = reader.look()
    with Live(picture(view), console=console, screen=True, auto_refresh=False) as live:
        while view.standing not in OVER:
            sleep_s(LOOK_S)
            view = reader.look()
            live.update(picture(view), refresh=True)
    console.print(drawn(view, width=console.width, height=None, glyphs=glyphs_for(console.encoding)))
    return view


def _by_lines(reader: RunReader) -> Overview:
    before: Overview | None = None
    while True:
        view = reader.look()
        for line in changes(before, view):
            print(line, flush=True)
        if view.standing in OVER:
            return view
        before = view
        sleep_s(LOOK_S)


def _tell_end(reader: RunReader, last: Overview) -> int:
    if last.standing == "gone":
        hint = wording.resume_hint(str(reader.folder))
        print(f"fedprobe: the controller of this run is gone; {wording.progress(last)}. {hint}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Signals that would leave the terminal as it is end the view first; Ctrl-C does so too where it was ignored."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise EndedError

    before = {number: signal.signal(number, end) for number in TOLD_TO_END}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
