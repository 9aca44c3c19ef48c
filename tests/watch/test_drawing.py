"""The picture: it fits whatever terminal there is, counts what it leaves out, and is as it was looked at.

`FEDPROBE_UPDATE_GOLDEN=1 pytest tests/watch/test_drawing.py` writes the files anew: look at their difference.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from testbed.watch.drawing import drawn
from testbed.watch.glyphs import ASCII, UNICODE, Glyphs, glyphs_for
from testbed.watch.overview import Overview
from tests.watch.made_views import view

GOLDEN = Path(__file__).parent / "golden"
SIZES = [(nodes, width) for nodes in (1, 10, 50) for width in (40, 80, 120)]


def text_of(seen: Overview, width: int, height: int | None, glyphs: Glyphs = UNICODE) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False, markup=False, color_system=None)
    with console.capture() as got:
        console.print(drawn(seen, width=width, height=height, glyphs=glyphs))
    return "".join(f"{line.rstrip()}\n" for line in got.get().splitlines())


@pytest.mark.parametrize(("nodes", "width"), SIZES)
def test_it_is_as_it_was_looked_at(nodes: int, width: int) -> None:
    made, path = text_of(view(nodes), width, 23), GOLDEN / f"{nodes}_nodes_{width}_columns.txt"
    if os.environ.get("FEDPROBE_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("height", [5, 10, 23, 39, 60])
@pytest.mark.parametrize("width", [20, 40, 60, 80, 99, 100, 120, 200])
@pytest.mark.parametrize("nodes", [1, 10, 50])
def test_it_never_exceeds_the_terminal(nodes: int, width: int, height: int) -> None:
    lines = text_of(view(nodes), width, height).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_client_is_there_where_there_is_room_and_counted_where_there_is_none(width: int) -> None:
    seen = view(50)
    whole = text_of(seen, width, None)
    assert all(f"{one.node} {one.phase}" in whole for one in seen.clients)
    low = text_of(seen, width, 24)
    named = sum(f"{one.node} {one.phase}" in low for one in seen.clients)
    assert 0 < named < 50
    assert f"and {50 - named} more, whose messages came further" in low
    assert all(f"{one.node} {one.phase}" in low for one in seen.clients[:named]), "stragglers come first"


@pytest.mark.parametrize("encoding", ["ascii", "ISO-8859-1", "ANSI_X3.4-1968"])
def test_a_poor_locale_gets_plain_characters(encoding: str) -> None:
    glyphs = glyphs_for(encoding)
    assert glyphs is ASCII
    assert text_of(view(50), 80, 23, glyphs).isascii()
    assert glyphs_for("utf-8") is glyphs_for("UTF8") is UNICODE


def test_a_run_without_a_plan_yet_is_drawn() -> None:
    from testbed.watch.overview import overview

    seen = overview(None, [], None, now=1.0, controlled=True)
    assert "starting" in text_of(seen, 80, 23)
    assert "no plan yet" in text_of(seen, 80, 23)
