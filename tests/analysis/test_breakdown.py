"""The charges of a round tile it exactly, whatever the intervals are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.breakdown import RESIDUAL, chain_of, charges, critical_message, straggler, t_r_s
from analysis.intervals import merged, overlaps, span_of, tiled, union_ns
from analysis.model import Charge, Interval, MessageTimes, Transfer
from instrument.phases import PHASES

POINTS = st.integers(-50, 250)
INTERVALS = st.builds(lambda one, other: Interval(min(one, other), max(one, other)), POINTS, POINTS)
LAYERS = st.lists(st.tuples(st.sampled_from("abcd"), INTERVALS), max_size=8)
PHASE_SETS = st.dictionaries(st.sampled_from(sorted(PHASES)), INTERVALS, min_size=1)


def message(
    intervals: dict[str, Interval], function: str = "train", node: str = "pi1", **fields: object
) -> MessageTimes:
    made = {"message_id": "m", "round": 1, "outcome": "ok", "downlink": None, "uplink": None, **fields}
    return MessageTimes(function=function, node=node, intervals=intervals, **made)


def transfer(direction: str, whole_s: float) -> Transfer:
    return Transfer(
        direction=direction,
        interval=Interval(0, round(whole_s * 1e9)),
        whole_s=whole_s,
        active_s=whole_s / 2,
        stall_s=whole_s / 2,
        two_ended_error_s=0.0,
        one_host_s=None,
        one_host_error_s=None,
        payload_bytes=1,
        objects=1,
        attempts=1,
        outcome="ok",
    )


@given(window=INTERVALS, layers=LAYERS)
def test_tiles_cover_the_window_once_and_name_the_first_layer(
    window: Interval, layers: list[tuple[str, Interval]]
) -> None:
    tiles = tiled(window, layers, RESIDUAL)
    named = {moment: name for name, tile in tiles for moment in range(tile.start_ns, tile.end_ns)}
    assert sum(tile.end_ns - tile.start_ns for _, tile in tiles) == window.end_ns - window.start_ns == len(named)
    for moment in range(window.start_ns, window.end_ns):
        first = next((name for name, at in layers if at.start_ns <= moment < at.end_ns), RESIDUAL)
        assert named[moment] == first


@given(
    round_of=INTERVALS,
    parts=st.lists(st.lists(PHASE_SETS, min_size=1, max_size=3), max_size=2),
)
def test_charges_tile_the_round(round_of: Interval, parts: list[list[dict[str, Interval]]]) -> None:
    chains = []
    for part in parts:
        for intervals in part:
            intervals.setdefault("configure", Interval(0, 1))
            intervals.setdefault("wait_downlink", Interval(1, 2))
        chains.append([message(intervals) for intervals in part])
    found = charges(round_of, chains)
    assert all(charge.interval.start_ns < charge.interval.end_ns for charge in found)
    assert all(one.interval.end_ns == other.interval.start_ns for one, other in pairwise(found))
    lengths = [charge.interval.end_ns - charge.interval.start_ns for charge in found]
    assert sum(lengths) == round_of.end_ns - round_of.start_ns
    assert all(charge.phase in PHASES or charge.phase == RESIDUAL for charge in found)


def test_an_instant_goes_to_the_first_phase_and_a_gap_to_the_residual() -> None:
    critical = message(
        {
            "configure": Interval(0, 10),
            "downlink": Interval(10, 40),
            "boot": Interval(20, 60),
            "train": Interval(65, 90),
            "aggregate": Interval(90, 100),
        }
    )
    found = charges(Interval(0, 100), [[critical]])
    assert [(charge.phase, charge.interval.start_ns, charge.interval.end_ns) for charge in found] == [
        ("configure", 0, 10),
        ("downlink", 10, 40),
        ("boot", 40, 60),
        (RESIDUAL, 60, 65),
        ("train", 65, 90),
        ("aggregate", 90, 100),
    ]
    assert found[3] == Charge(phase=RESIDUAL, interval=Interval(60, 65), node="")


def test_the_critical_message_is_the_one_that_was_stored_last() -> None:
    early, late = (
        message({"store": Interval(at, at + 5), "collect": Interval(30 - at, 31 - at)}, node=f"pi{at}")
        for at in (1, 7)
    )
    assert critical_message([late, early, message({"train": Interval(0, 99)})]) is late
    assert critical_message([message({})]) is None


def test_a_reply_that_an_earlier_poll_collected_is_not_critical_however_late_it_was_stored() -> None:
    early = message({"store": Interval(1, 20), "collect": Interval(20, 25)}, node="pi1")
    late = message({"store": Interval(1, 5), "collect": Interval(35, 40)}, node="pi2")
    assert critical_message([early, late], last_poll_ns=30) is late
    assert critical_message([early, late]) is early


def test_an_error_that_was_never_stored_counts_from_its_collection() -> None:
    stored = message({"store": Interval(1, 5), "collect": Interval(8, 9)})
    failed = message({"collect": Interval(60, 61)}, node="pi2")
    assert critical_message([failed, stored]) is failed


def test_the_collecting_of_another_reply_is_no_residual() -> None:
    """One poll brings two replies: the last to be stored is collected first."""
    critical = message({"store": Interval(0, 5), "wait_collect": Interval(5, 10), "collect": Interval(10, 20)})
    found = charges(Interval(0, 40), [[critical]], [Interval(10, 20), Interval(20, 33)])
    assert [(charge.phase, charge.interval.end_ns) for charge in found][-2:] == [("collect", 33), (RESIDUAL, 40)]


def test_a_message_waits_for_the_earlier_ones_of_its_own_node() -> None:
    first, second, other = (
        message({"wait_downlink": Interval(0, end), "collect": Interval(90, 90 + end)}, node=node)
        for end, node in ((5, "pi1"), (50, "pi1"), (20, "pi2"))
    )
    assert chain_of(second, [second, other, first]) == [first, second]
    assert chain_of(first, [second, other, first]) == [first]


def test_t_r_is_the_slowest_node_by_the_papers_sum() -> None:
    def node(name: str, down_s: float, up_s: float, train_s: float) -> list[MessageTimes]:
        trained = {"train": Interval(0, round(train_s * 1e9))}
        return [
            message(trained, node=name, downlink=transfer("downlink", down_s), uplink=transfer("uplink", up_s)),
            message({"test": Interval(0, 10**9)}, "test", name, downlink=transfer("downlink", 99.0)),
        ]

    assert t_r_s([*node("pi1", 1.0, 2.0, 4.0), *node("pi2", 1.5, 3.0, 2.0)]) == pytest.approx(8.0)
    assert t_r_s([message({}, outcome="censored")]) is None


def test_the_straggler_is_the_node_whose_model_arrived_last() -> None:
    quick, slow = (
        message({"uplink": Interval(0, end)}, node=node, uplink=transfer("uplink", 1.0))
        for end, node in ((5, "pi1"), (9, "pi2"))
    )
    assert straggler([slow, quick]) == "pi2"
    assert straggler([message({})]) == ""


@given(intervals=st.lists(INTERVALS, max_size=8))
def test_a_union_holds_the_same_moments(intervals: list[Interval]) -> None:
    union = merged(intervals)
    assert all(one.end_ns < other.start_ns for one, other in pairwise(union))
    moments = {moment for item in intervals for moment in range(item.start_ns, item.end_ns)}
    assert moments == {moment for item in union for moment in range(item.start_ns, item.end_ns)}
    assert union_ns(intervals) == len(moments)


def test_touching_is_not_overlapping() -> None:
    assert not overlaps(Interval(0, 5), Interval(5, 9))
    assert overlaps(Interval(0, 6), Interval(5, 9))
    assert span_of([Interval(3, 4), Interval(0, 1)]) == Interval(0, 4)
