"""Text that fits: what an encoding can show, cut with a mark, or folded. Pure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What a terminal's encoding can show: the parts of a bar, a line, the mark of what was cut."""

    full: str
    rest: str
    rule: str
    more: str


UNICODE = Glyphs(full="━", rest="╌", rule="─", more="…")
ASCII = Glyphs(full="#", rest=".", rule="-", more="~")


def glyphs_for(encoding: str) -> Glyphs:
    """Lines and ellipses, where the encoding has them."""
    return UNICODE if encoding.lower().replace("-", "").startswith("utf") else ASCII


def fitted(line: Text, width: int, glyphs: Glyphs, *, cut_mark: bool = True) -> Text:
    """One line of at most so many columns; where it is cut, a mark says so."""
    line.no_wrap = True
    if line.cell_len <= width:
        return line
    line.truncate(width - cell_len(glyphs.more) if cut_mark else width)
    return line.append(glyphs.more) if cut_mark else line


def wrapped(words: str, width: int, style: str = "") -> list[Text]:
    """The same words on as many lines as they take, the later ones indented."""
    lines = textwrap.wrap(" ".join(words.split()), width, subsequent_indent="  ")
    return [Text(line, style, no_wrap=True) for line in lines]
