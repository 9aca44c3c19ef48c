"""A command between marks, as its streams may be cut up and what may stand around them."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.framed import Frame, Mark, folder_word, framed, new_mark

MARK = Mark("00ff" * 4, "aa11" * 4)
WHOLE = bytes(MARK)


@given(
    noise=st.binary(max_size=40),
    content=st.binary(max_size=200),
    after=st.binary(max_size=40),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_content_and_ending_are_exact_however_the_stream_is_cut(
    noise: bytes, content: bytes, after: bytes, cuts: list[int]
) -> None:
    stream = noise + WHOLE + b"\n" + content + WHOLE + b" 17\n" + after
    frame = Frame(MARK)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    whole = [frame.feed(stream[start:end]) for start, end in pairwise(edges)]
    assert (frame.content, frame.ending) == (content, "17")
    assert whole == sorted(whole)


@given(content=st.binary(max_size=200))
def test_halves_of_a_mark_are_content(content: bytes) -> None:
    halves = b"0" + WHOLE[:-1] + b"\n" + WHOLE[1:] + content + b" ".join([WHOLE[:16], WHOLE[16:]])
    frame = Frame(MARK)
    frame.feed(WHOLE + b"\n" + halves)
    assert (frame.begun, frame.ending, frame.content) == (True, None, halves)
    assert frame.feed(WHOLE + b" 0\n")
    assert frame.content == halves


def test_a_stream_that_never_began_is_what_the_host_said() -> None:
    frame = Frame(MARK)
    assert not frame.feed(b"This account is currently not available.\n")
    assert (frame.begun, frame.ending) == (False, None)
    assert frame.content == b"This account is currently not available.\n"


def test_marks_differ() -> None:
    assert len({bytes(new_mark()) for _ in range(1000)}) == 1000


def test_a_command_that_shows_processes_does_not_show_the_mark(tmp_path: Path) -> None:
    mark = new_mark()
    one = "tr '\\0' ' ' <$one; tr '\\0' '\\n' <$one; cat $one"
    program = f"for one in /proc/[0-9]*/cmdline; do {one}; done 2>/dev/null"
    done = subprocess.run(
        framed(["sh", "-c", program], mark, timeout_s=30), capture_output=True, check=False, cwd=tmp_path
    )
    assert done.stdout.count(mark.first.encode()) > 2
    assert done.stdout.count(bytes(mark)) == 2


@pytest.mark.parametrize(
    ("cwd", "word"), [(None, "./"), ("", "./"), ("/a b", "/a b"), ("a", "./a"), ("-", "./-"), ("~", "./~")]
)
def test_a_folder_is_no_option_of_cd(cwd: str | None, word: str) -> None:
    assert folder_word(cwd) == word
