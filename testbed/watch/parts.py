"""The parts of the live view below its head, each drawn in the rows that it is given. Pure.

Where a part has fewer rows than it needs, its last one counts what is not shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
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
    """`rows(width, room, glyphs)`: its lines; room None: as many as it needs."""

    title: str
    rows: Rows


def parts_of(view: Overview) -> list[Part]:
    """All parts, the most asked-for first. One without anything to say has no rows."""
    return [
        Part("clients now, as the server sees it", lambda *at: clients(view.clients, view.now, *at)),
        Part("warnings", lambda *at: warnings(view.warnings, *at)),
        Part(
            "last round by network, seen by the server, provisional", lambda *at: last_rounds(view.last_rounds, *at)
        ),
        Part("latest scores", lambda *at: scores(view.scores, *at)),
        Part("said last", lambda *at: said(view.said, *at)),
    ]


def clients(now: Sequence[ClientNow], moment: float, width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """How many are in each phase; then each with its phase and for how long, in columns, stragglers first."""
    if not now:
        return []
    lines = [_counted(now, width, glyphs)]
    cells = [_client(one, moment) for one in now]
    widest = min(max(cell.cell_len for cell in cells), width)
    columns = max((width + GAP) // (widest + GAP), 1)
    rows = -(-len(cells) // columns)
    kept = rows if room is None else min(rows, room - 1)
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
    if len(shown) < len(now) and (room is None or room > 1):
        left = Counter(one.phase for one in now[len(shown) :])
        words = ", ".join(f"{left[phase]} {phase}" for phase in PHASES if left[phase])
        lines.append(fitted(Text(f"and {len(now) - len(shown)} more: {words}", "dim"), width, glyphs))
    return lines


def _counted(now: Sequence[ClientNow], width: int, glyphs: Glyphs) -> Text:
    counts = Counter(one.phase for one in now)
    line = Text(no_wrap=True)
    for phase in PHASES:
        if counts[phase]:
            line.append(", " if line else "")
            line.append(f"{counts[phase]} {phase}", STYLES[phase])
    return fitted(line, width, glyphs)


def _client(one: ClientNow, moment: float) -> Text:
    cell = Text(f"{one.node} ")
    cell.append(one.phase, STYLES[one.phase])
    if one.since is not None:
        cell.append(f" {wording.short(moment - one.since)}", "dim")
    return cell


def last_rounds(seen: Sequence[RoundSeen], width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """One line a network: the round's wall time, the median of each leg; with room, which node was longest where."""
    lines: list[Text] = []
    for one in seen:
        legs = [f"{leg} {one.median_s[leg]:.2f} s" for leg in LEGS if leg in one.median_s]
        head = f"{one.interface}: round {one.number} took {one.wall_s:.1f} s"
        lines += wrapped(f"{head}; medians of {one.clients}: {', '.join(legs) or 'none seen'}", width)
        if one.longest_s and one.clients > 1:
            leg, (length_s, node) = max(one.longest_s.items(), key=lambda pair: pair[1][0])
            lines += wrapped(f"  longest: {node}, {leg} {length_s:.2f} s", width, "dim")
    return _counted_off(lines, room, width, glyphs)


def scores(seen: Sequence[ScoreSeen], width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """One line a combination of levels: its newest accuracy and loss."""
    lines = []
    for one in seen:
        values = ", ".join(f"{name} {value:.4g}" for name, value in sorted(one.values.items()))
        lines.append(fitted(Text(f"{one.scenario}: {values} (round {one.round})"), width, glyphs))
    return _counted_off(lines, room, width, glyphs)


def warnings(told: Sequence[str], width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """Each folded, the most urgent first."""
    lines = [line for words in told for line in wrapped(f"! {words}", width, "yellow")]
    return _counted_off(lines, room, width, glyphs)


def said(told: Sequence[str], width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """The run's last lines, the newest first: as many as there is room for, and three at the most."""
    lines = [fitted(Text(words, "dim"), width, glyphs) for words in reversed(told[-3:])]
    return lines if room is None else lines[:room]


def _counted_off(lines: list[Text], room: int | None, width: int, glyphs: Glyphs) -> list[Text]:
    if room is None or len(lines) <= room:
        return lines
    left = len(lines) - room + 1
    more = Text(f"and {left} line{'' if left == 1 else 's'} more", "dim")
    return [*lines[: room - 1], fitted(more, width, glyphs)]
