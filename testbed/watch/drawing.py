"""Draws an overview for a terminal of a size: whatever does not fit is counted, never left out unsaid. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from testbed.watch import wording
from testbed.watch.glyphs import UNICODE, Glyphs, fitted, wrapped
from testbed.watch.overview import Overview
from testbed.watch.parts import Part, parts_of

WIDE = 100
LEAST_ROWS = 2  # of a part that has anything to say: its title, and a line
STANDINGS = {"finished": "bold green", "gone": "bold red", "waiting": "bold yellow"}


def drawn(view: Overview, *, width: int, height: int | None, glyphs: Glyphs = UNICODE) -> Group:
    """The whole view in at most `height` rows of `width` columns; None: as many rows as it needs."""
    head = _head(view, width, glyphs)[:height]
    room = None if height is None else max(height - len(head), 0)
    if width < WIDE:
        return Group(*head, *_stacked(parts_of(view), width, room, glyphs)[: room if room is not None else None])
    left, right = (width - 3) // 2, width - 3 - (width - 3) // 2
    clients, *others = parts_of(view)
    columns = [_stacked([clients], left, room, glyphs), _stacked(others, right, room, glyphs)]
    if not all(columns):
        return Group(*head, *_stacked(parts_of(view), width, room, glyphs))
    grid = Table.grid(padding=(0, 3, 0, 0), pad_edge=False)
    grid.add_column(width=left, no_wrap=True)
    grid.add_column(width=right, no_wrap=True)
    for row in range(max(map(len, columns))):
        grid.add_row(*(lines[row] if row < len(lines) else Text("") for lines in columns))
    return Group(*head, grid)


def _head(view: Overview, width: int, glyphs: Glyphs) -> list[Text]:
    """Campaign, how it stands, how far it is, the running trial."""
    title = Text(view.campaign or wording.NO_NAME, "bold", no_wrap=True)
    title.append("  ")
    title.append(wording.standing(view), STANDINGS.get(view.standing, "bold cyan"))
    left = wording.remaining(view)
    beside = bool(left) and title.cell_len + len(left) + 2 <= width
    if beside:
        title.append(f", {left}")
    lines = [fitted(title, width, glyphs)]
    filled = round(width * view.rounds_done / view.rounds) if view.rounds else 0
    lines.append(Text.assemble((glyphs.full * filled, "green"), (glyphs.rest * (width - filled), "dim")))
    lines += wrapped("; ".join([wording.progress(view), *[left] * (bool(left) and not beside)]), width)
    told = wording.trial(view)
    if told:
        lines += wrapped(": ".join(told[:2]), width)
        lines += [line for words in told[2:] for line in wrapped(words, width)]
    elif view.doing and view.standing in {"running", "starting"}:
        lines += wrapped(view.doing, width)
    return lines


def _stacked(parts: Sequence[Part], width: int, room: int | None, glyphs: Glyphs) -> list[Text]:
    """The parts one below the other, each with its title, in as many rows as there are."""
    shares = _shares([len(part.rows(width, None, glyphs)) for part in parts], [part.least for part in parts], room)
    lines: list[Text] = []
    for part, share in zip(parts, shares, strict=True):
        if share >= LEAST_ROWS:
            lines.append(_title(part.title, width, glyphs))
            lines += part.rows(width, share - 1, glyphs)
    return lines


def _shares(rows: Sequence[int], least: Sequence[int], room: int | None) -> list[int]:
    """How many rows each part gets, its title counted: first a little for each, then by their order."""
    wants = [count + 1 if count else 0 for count in rows]
    if room is None or sum(wants) <= room:
        return wants
    shares = [0] * len(wants)
    left = room
    for enough in ([min(one, LEAST_ROWS) for one in least], least, wants):
        for place, want in enumerate(wants):
            more = min(min(want, enough[place]) - shares[place], left)
            if shares[place] + more >= LEAST_ROWS:
                shares[place] += more
                left -= more
    return shares


def _title(words: str, width: int, glyphs: Glyphs) -> Text:
    line = Text(no_wrap=True)
    line.append(f"{glyphs.rule * 2} ", "dim")
    line.append(words, "bold")
    line.append(f" {glyphs.rule * width}", "dim")
    return fitted(line, width, glyphs, cut_mark=False)
