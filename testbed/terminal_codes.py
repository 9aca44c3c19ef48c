"""Takes out of a text what steers a terminal: programs colour their logs, and quoting them must not colour ours.

Source: ECMA-48, 5th edition, 5.4 (control sequences) and 5.6 (control strings).
"""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences, such as colours
    r"|\x1b[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # control strings, such as a window's title
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def without_terminal_codes(text: str) -> str:
    """The text alone; tabs and line ends stay, other control characters are spaces."""
    return _CONTROL.sub(" ", _SEQUENCE.sub("", text))
