"""Traces of arrivals, and when nodes leave and join."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.faults.arrivals import TraceError, arrivals, datagrams
from testbed.faults.churn import Move, poisson, read

NODES = ["pi1", "pi2", "pi3"]


def test_arrivals_are_read_with_or_without_a_header() -> None:
    lines = ["0,100", "0.5,2000"]
    assert arrivals(["seconds,bytes", *lines], "t") == arrivals(lines, "t")
    assert [one.size_bytes for one in arrivals(lines, "t")] == [100, 2000]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["1,100", "0,100"], "t:2: 0 s is before"),
        (["x,100"], "t:1: not `seconds,bytes`"),
        (["0,0"], "t:1: expected"),
        ([], "no arrivals"),
        (["0,99000000"], "Mbit/s on the average"),
    ],
)
def test_a_trace_that_cannot_be_meant_is_refused(lines: list[str], words: str) -> None:
    with pytest.raises(TraceError) as refused:
        arrivals(lines, "t")
    assert words in str(refused.value)


@given(st.integers(1, 10**6))
def test_datagrams_carry_every_byte_in_frames_of_1514(size_bytes: int) -> None:
    sizes = list(datagrams(size_bytes))
    assert sum(sizes) == size_bytes
    assert max(sizes) <= 1514 - 14 - 20 - 8


def moves(*, seed: int, nodes: list[str] = NODES, join: float | None = 60.0) -> list[Move]:
    return poisson(nodes, leave_per_h=120, join_per_h=join, duration_s=3600, seed=seed)


@given(st.integers(0, 10**9))
def test_nodes_leave_and_join_in_turns_as_the_seed_says(seed: int) -> None:
    drawn = moves(seed=seed)
    assert drawn == moves(seed=seed)
    for node in NODES:
        own = [move for move in drawn if move.node == node]
        assert own == moves(seed=seed, nodes=[node])
        assert [move.event for move in own] == [("leave", "join")[place % 2] for place in range(len(own))]
        assert all(early.after_s < late.after_s for early, late in pairwise(own))


def test_the_rates_are_those_that_were_asked_for() -> None:
    """A node that is here for 1/120 h and away for 1/60 h on the average leaves 40 times an hour."""
    leaves = sum(move.event == "leave" for seed in range(200) for move in moves(seed=seed))
    assert 38 < leaves / (200 * len(NODES)) < 42


def test_without_a_rate_of_joining_nobody_comes_back() -> None:
    assert {move.event for seed in range(20) for move in moves(seed=seed, join=None)} == {"leave"}


def test_moves_are_read_from_a_trace() -> None:
    assert read(["seconds,node,move", "1,pi1,leave", "3.5,pi1,join"], "t", NODES) == [
        Move(1.0, "pi1", "leave"),
        Move(3.5, "pi1", "join"),
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["1,pi1,join"], "pi1 is there already"),
        (["1,pi1,leave", "2,pi1,leave"], "pi1 is away already"),
        (["1,pi9,leave"], "no node 'pi9'"),
        (["1,pi1,leav"], "Did you mean leave?"),
        (["2,pi1,leave", "1,pi1,join"], "order of time"),
        (["pi1,leave"], "not `seconds,node,leave|join`"),
    ],
)
def test_moves_that_no_node_can_make_are_refused(lines: list[str], words: str) -> None:
    with pytest.raises(TraceError) as refused:
        read(lines, "t", NODES)
    assert words in str(refused.value)
