"""The parts of the live view below its head, each drawn in the rows that it is given. Pure.

Where a part has fewer rows than it needs, its last one counts what is not shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from testbed.watch import wording
from testbed.watch.glyphs import Glyphs, fitted, wrapped
from testbed.watch.live_document import ClientNow, RoundSeen, ScoreSeen
from testbed.watch.overview import Overview
from testbed.watch.server_view import LEGS, PHASES

Rows = Callable[[int, int | None, Glyphs], list[Text]]
STYLES = {
    "not heard": "red",
    "to pull": "yellow",
    "downlink": "cyan",
    "on the node": "blue",
    "uplink": "magenta",
    "replied": "green",
}
GAP = 2


@dataclass(frozen=True, slots=True)
class Part:
    """`rows(width, room, glyphs)`: its lines; room None: as many as it needs.

    `least`: how many, its title counted, say something where there is little room; 0: it is left out there.
    """

    title: str
    rows: Rows
    least: int


def parts_of(view: Overview) -> list[Part]:
    """All parts, the most asked-for first. One without anything to say has no rows."""
    return [
        Part("clients, as the server sees them", lambda *at: clients(view.clients, view.now, *at), 5),
        Part("warnings", lambda *at: warnings(view.warnings, *at), 3),
        Part("last rounds in s, provisional", lambda *at: last_rounds(view.last_rounds, *at), 6),
        Part("latest scores", lambda *at: scores(view.scores, *at), 4),
        Part("said last", lambda *at: said(view.said, *at), 0),
    ]


def clients(now: Sequence[ClientNow], moment: float, width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """How many are in each phase; then each with its phase and for how long, in columns, stragglers first."""
    if not now:
        return []
    counts = Counter(one.phase for one in now)
    lines = _filled([Text(f"{counts[phase]} {phase}", STYLES[phase]) for phase in PHASES if counts[phase]], width)
    cells = [_client(one, moment) for one in now]
    widest = min(max(cell.cell_len for cell in cells), width)
    columns = max((width + GAP) // (widest + GAP), 1)
    rows = -(-len(cells) // columns)
    kept = rows if room is None else min(rows, room - len(lines))
    if kept < rows:
        kept = max(kept - 1, 0)
    shown = cells[: kept * columns]
    for row in range(kept):
        line = Text(no_wrap=True)
        for cell in shown[row::kept]:
            cut = fitted(cell, widest, glyphs)
            line.append_text(cut).append(" " * (widest + GAP - cut.cell_len))
        line.rstrip()
        lines.append(line)
    if len(shown) < len(now):
        words = f"and {len(now) - len(shown)} more, whose messages came further" if shown else "no room for names"
        lines.append(Text(words, "dim"))
    return lines if room is None else [fitted(line, width, glyphs) for line in lines[:room]]


def _filled(pieces: Sequence[Text], width: int) -> list[Text]:
    """The pieces with commas between them, on as many lines as they take."""
    lines: list[Text] = []
    for piece in pieces:
        if lines and lines[-1].cell_len + piece.cell_len + 3 <= width:
            lines[-1].append(", ").append_text(piece)
            continue
        if lines:
            lines[-1].append(",")
        lines.append(piece.copy())
    return lines


def _client(one: ClientNow, moment: float) -> Text:
    cell = Text(f"{one.node} ")
    cell.append(one.phase, STYLES[one.phase])
    if one.since is not None:
        cell.append(f" {wording.short(moment - one.since)}", "dim")
    return cell


def last_rounds(seen: Sequence[RoundSeen], width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """A line a network: its last round, and the median over clients of each leg; then the client that was longest."""
    if not seen:
        return []
    named = max(len("network"), *(len(one.interface) for one in seen))
    head = Text(f"{'network':<{named}}  rd took pull down node   up", "dim")
    lines = [fitted(head, width, glyphs)]
    for one in seen:
        legs = "".join(f" {_seconds(one.median_s.get(leg)):>4}" for leg in LEGS)
        line = Text(f"{one.interface:<{named}} {one.number:>3} {_seconds(one.wall_s):>4}{legs}")
        lines.append(fitted(line, width, glyphs))
    for one in seen:
        if one.longest_s and one.clients > 1:
            leg, (length_s, node) = max(one.longest_s.items(), key=lambda pair: pair[1][0])
            words = f"{one.interface}: longest of {one.clients}: {node}, {leg} {_seconds(length_s)} s"
            lines.append(fitted(Text(words, "dim"), width, glyphs))
    return _counted_off(lines, room, width, glyphs)


def _seconds(length_s: float | None) -> str:
    """Three digits; a dash where it was not seen."""
    if length_s is None:
        return "-"
    if length_s < 9.995:
        return f"{length_s:.2f}"
    return f"{length_s:.1f}" if length_s < 99.95 else f"{length_s:.0f}"


def scores(seen: Sequence[ScoreSeen], width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """A line a combination of levels: its newest accuracy and loss, the server's own before its clients'."""
    lines = []
    for one in seen:
        shown = [name for what in ("accuracy", "loss") if (name := _name_of(what, one.values))]
        values = ", ".join(f"{name} {one.values[name]:.3g}" for name in shown)
        lines.append(fitted(Text(f"{one.scenario}: {values}, round {one.round}"), width, glyphs))
    return _counted_off(lines, room, width, glyphs)


def _name_of(what: str, values: Mapping[str, float]) -> str:
    named = sorted(name for name in values if name.startswith(what))
    return named[0] if named else ""


def warnings(told: Sequence[str], width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """Each folded, the most urgent first; a line each where there is less room."""
    lines = [line for words in told for line in wrapped(f"! {words}", width, "yellow")]
    if room is not None and len(lines) > room:
        lines = [fitted(Text(f"! {words}", "yellow"), width, glyphs) for words in told]
    return _counted_off(lines, room, width, glyphs)


def said(told: Sequence[str], width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """The run's last lines, the newest first: as many as there is room for, and three at the most."""
    lines = [fitted(Text(words, "dim"), width, glyphs) for words in reversed(told[-3:])]
    return lines if room is None else lines[:room]


def _counted_off(lines: list[Text], room: int | None, width: int, glyphs: Glyphs) -> list[Text]:
    if room is None or len(lines) <= room:
        return lines
    left = len(lines) - room + 1
    more = Text(f"and {left} more", "dim")
    return [*lines[: room - 1], fitted(more, width, glyphs)]
