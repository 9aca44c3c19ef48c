"""The states of a trial, the limits on them, and what is said of a run that stands still."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.joins import GRID
from instrument.clock import sleep_s
from instrument.records import Dispatch, Reply, Segment, Sleep, Span
from testbed.campaign import Limits
from testbed.conducting import costs
from testbed.deadline import DeadlineError, deadline
from testbed.quick_look import Found, problems
from testbed.run_state import SAMPLING, RunState
from testbed.states import BEGUN, MEASURED, STATES, limit_s

OWN = {"fedprobe": "0.1.0", "flwr": "1.41.0"}
HEADER = Segment(
    schema_version=1, host="server", role="flwr-serverapp", pid=7, clock="c", mono_ns=0, wall_ns=0, exec_mono_ns=0
)


def sent(message: str) -> Dispatch:
    return Dispatch(
        message_id=message, mono_ns=1, round=1, round_source="strategy", message_type="train", node_id="9", run_id="1"
    )


def answered(message: str, code: int | None = None) -> Reply:
    return Reply(
        message_id="r",
        reply_to=message,
        mono_ns=2,
        message_type="train",
        node_id="9",
        error_code=code,
        error_reason=None,
    )


def slept(where: str) -> Sleep:
    return Sleep(where=where, asked_s=1.0, start_mono_ns=1, end_mono_ns=2)


@pytest.mark.parametrize("state", [state for state in STATES if state not in {"planned", "done"}])
@given(hosts=st.integers(1, 250), rounds=st.integers(1, 1000))
def test_every_state_in_which_something_is_done_has_a_limit(state: str, hosts: int, rounds: int) -> None:
    few, more = (limit_s(state, Limits(), rounds=rounds, hosts=number) for number in (hosts, hosts + 1))  # type: ignore[arg-type]
    assert 0 < few < more


def test_what_is_measured_comes_after_what_is_begun() -> None:
    assert BEGUN[0] == "preparing"
    assert set(MEASURED) < set(BEGUN)
    assert "stopping" not in MEASURED


def test_a_deadline_ends_a_wait_that_has_none_and_leaves_nothing_behind() -> None:
    with pytest.raises(DeadlineError, match="registering took longer than 0 s"), deadline(0.02, "registering"):
        sleep_s(30.0)
    with deadline(0.02, "quick"):
        pass
    sleep_s(0.05)  # the alarm of the block that ended must not ring


def test_each_wait_of_a_run_is_told_from_the_others() -> None:
    state = RunState()
    assert "has not begun" in state.waits_for(2)
    state.take(HEADER)
    assert "ServerApp itself is at work" in state.waits_for(2)
    state.take(slept(SAMPLING))
    assert "waits for nodes to connect (min_available_nodes), which it does for ever" in state.waits_for(2)
    state.take(sent("a"))
    state.take(sent("b"))
    state.take(slept(GRID))
    assert state.waits_for(2) == "Flower waits for 2 of 2 clients' replies to round 1"
    state.take(answered("a"))
    assert state.waits_for(2) == "Flower waits for 1 of 2 clients' replies to round 1"
    state.take(answered("b", code=5))
    assert [reply.error_code for reply in state.errors] == [5]
    state.take(Span(name="aggregate", start_mono_ns=1, end_mono_ns=2, message_type="train", round=1))
    assert (state.round, state.unanswered) == (1, {})


def test_after_a_round_without_a_reply_it_waits_for_nodes() -> None:
    state = RunState()
    for record in (HEADER, sent("a"), slept(GRID), answered("a", code=8), slept(SAMPLING)):
        state.take(record)
    assert "min_available_nodes" in state.waits_for(1)


def test_a_host_that_is_fit_has_no_problem() -> None:
    assert problems("pi1", Found(free_bytes=10**9, left=[], versions=OWN), OWN) == []


def test_what_speaks_against_a_host_is_told_with_its_next_step() -> None:
    found = Found(
        free_bytes=1000,
        left=[(12, "000-5g-r1", "me@laptop:/runs/a"), (13, "000-5g-r1", "me@laptop:/runs/a")],
        versions={"fedprobe": "0.1.0", "flwr": ""},
    )
    room, left, version = problems("pi1", found, OWN)
    assert room.reason == left.reason == "not started"
    assert "0 MB free" in room.detail
    assert "processes 12 13 of trial 000-5g-r1 of me@laptop:/runs/a" in left.detail
    assert left.detail.endswith("kill 12 13")
    assert str(version) == (
        "version mismatch: pi1 has flwr not installed, the controller 1.41.0. Make them the same: fedprobe provision."
    )


def test_conducting_is_what_a_trial_took_without_its_rounds() -> None:
    from analysis.load import Records, SegmentRecords

    spans = [
        Span(name="configure", start_mono_ns=10**9, end_mono_ns=2 * 10**9, message_type="train", round=1),
        Span(name="aggregate", start_mono_ns=3 * 10**9, end_mono_ns=4 * 10**9, message_type="train", round=1),
        Span(name="configure", start_mono_ns=5 * 10**9, end_mono_ns=6 * 10**9, message_type="train", round=2),
        Span(name="strategy", start_mono_ns=0, end_mono_ns=9 * 10**9),
    ]
    records = Records(segments=[SegmentRecords(name="s", header=HEADER, records=spans, end=None)])
    entered = {
        "planned": "2026-01-01T00:00:00.000+00:00",
        "preparing": "2026-01-01T00:00:05.000+00:00",
        "running": "2026-01-01T00:00:07.000+00:00",
        "done": "2026-01-01T00:00:15.500+00:00",
    }
    assert costs(entered, records) == {
        "steps_s": {"preparing": 2.0, "running": 8.5},
        "wall_s": 10.5,
        "rounds_s": 4.0,
        "conducting_s": 6.5,
    }
