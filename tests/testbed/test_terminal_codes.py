"""What steers a terminal does not get into what is said of a log."""

from __future__ import annotations

import pytest

from testbed.terminal_codes import without_terminal_codes


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[92mINFO \x1b[0m: started", "INFO : started"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b(B\x1b=c", "abc"),
        ("10 %\r20 %\x9b31m", "10 % 20 % 31m"),
        ("größe\t5\n[92m is text", "größe\t5\n[92m is text"),
        ("cut \x1b[9", "cut 9"),
        ("", ""),
    ],
)
def test_only_text_is_left(text: str, left: str) -> None:
    assert without_terminal_codes(text) == left
