"""How a stored reply comes to the ServerApp: what it waited for, and its own pull.

The ServerApp often begins to pull before a reply is whole: Flower announces a reply with its first object. That
time is waiting, so the collection proper begins where the last back-off inside the pull ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis.intervals import overlaps, tiled
from analysis.joins import BACK_OFF, GRID, ServerSide
from analysis.model import Interval
from analysis.offsets import ClockMap
from instrument.records import Rpc, Sleep, Span

PARTS = ("back_off", "earlier_replies", "grid_sleep", "other")


def collect_of(side: ServerSide, server: ClockMap) -> Interval | None:
    """The ServerApp's pull of this reply, after the last back-off in it, up to the end of its inflation."""
    pull, inflate = side.collect_pull, side.collect_inflate
    last = inflate or pull
    if last is None:
        return None
    start_ns = last.start_mono_ns if pull is None else max([pull.start_mono_ns, *_too_early_ns(side, pull)])
    return Interval(server.at(start_ns), server.at(max(start_ns, last.end_mono_ns)))


def _too_early_ns(side: ServerSide, pull: Span) -> list[int]:
    """Ends of the back-offs inside a pull, or of the answers "not yet" where no back-off was recorded."""
    slept = [sleep.end_mono_ns for sleep in side.sleeps if sleep.where == BACK_OFF and _inside(sleep, pull)]
    if slept:
        return slept
    return [rpc.end_mono_ns for rpc in side.too_early if _inside(rpc, pull)]


def _inside(record: Sleep | Rpc, span: Span) -> bool:
    return span.start_mono_ns <= record.start_mono_ns and record.end_mono_ns <= span.end_mono_ns


def wait_parts(side: ServerSide, server: ClockMap, phases: Mapping[str, Interval]) -> dict[str, float]:
    """What a stored reply waited for, in seconds, each instant once: the first of PARTS that explains it.

    Back-off inside the pull of an earlier reply counts as that earlier reply.
    """
    wait = phases.get("wait_collect")
    if wait is None:
        return {}
    own = side.collect_pull
    own_pull = _mapped(own, server) if own is not None else Interval(wait.end_ns, wait.end_ns)
    layers = []
    for sleep in side.sleeps:
        interval = _mapped(sleep, server)
        if sleep.where == BACK_OFF and overlaps(interval, own_pull):
            layers.append(("back_off", interval))
    layers += [("earlier_replies", _mapped(span, server)) for span in side.collected if span is not own]
    layers += [("grid_sleep", _mapped(sleep, server)) for sleep in side.sleeps if sleep.where == GRID]
    parts = dict.fromkeys(PARTS, 0.0)
    for name, tile in tiled(wait, [layer for layer in layers if overlaps(layer[1], wait)], "other"):
        parts[name] += tile.seconds
    return parts


def _mapped(record: Sleep | Span, server: ClockMap) -> Interval:
    return Interval(server.at(record.start_mono_ns), server.at(record.end_mono_ns))
