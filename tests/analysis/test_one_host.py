"""The one-host estimate: its bracket holds whatever the ways are, and late answers do not add up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writers import FLEET, MS, SERVER, Host, Writer

from analysis.joins import NodeSide
from analysis.offsets import ClockMap
from analysis.one_host import bracket_of, error_ns
from analysis.transfers import uplink
from instrument.records import Rpc

NODE = Host(name="pi1", clock="monotonic/pi1/1", shift_ns=-77 * 10**9)
WAYS = st.tuples(st.integers(0, 90 * MS), st.integers(0, 90 * MS))


def asked(sent: int, up: int, down: int, *, served: int = MS, name: str = "PushObject", size: int = 200) -> Rpc:
    """A request whose last byte arrives with its headers, and whose answer takes `served`."""
    node = Writer(host=NODE, role="flower-supernode", pid=7, born_ns=0)
    moments = (sent, sent + up, sent + up, sent + up + served, sent + up + served + down, sent + up + served + down)
    return node.rpc(f"{FLEET}{name}", SERVER, moments, request_bytes=size, session_id="s")


@given(st.lists(WAYS, min_size=1, max_size=9))
def test_the_bracket_holds_the_true_offset_however_unequal_the_ways(ways: list[tuple[int, int]]) -> None:
    found = bracket_of(asked(10**9 + place * 100 * MS, up, down) for place, (up, down) in enumerate(ways))
    assert found is not None
    assert abs(found.offset_ns - (SERVER.shift_ns - NODE.shift_ns)) <= found.error_ns
    fastest_ns = min(up for up, _ in ways) + min(down for _, down in ways)
    assert found.error_ns == pytest.approx(fastest_ns / 2 + 1, abs=2e-4 * 2 * 10**9)


def test_without_stamps_there_is_no_bracket() -> None:
    assert bracket_of([None, replace(asked(10**9, MS, MS), server_arrive_mono_ns=None)]) is None
    assert error_ns(None, 3, 50, [20, 90]) == 40


def test_late_answers_to_small_objects_do_not_add_up() -> None:
    """Twenty objects, 60 ms apart, whose answers come 50 ms late behind others': each was under way for 4 ms."""
    rpcs = [asked(10**9 + place * 60 * MS, 4 * MS, 50 * MS) for place in range(20)]
    push = asked(9 * 10**8, 4 * MS, 4 * MS, name="PushMessages")
    writer = Writer(host=NODE, role="flower-supernode", pid=7, born_ns=0)
    side = NodeSide(supernode=writer.segment(), pull_message=push, push_message=push, push_objects=rpcs)
    made = uplink(side, ClockMap(anchors=()), "ok")
    assert made is not None
    assert made.one_host_s == pytest.approx(20 * 0.004, abs=1e-9)
    assert made.one_host_whole_s == pytest.approx(19 * 0.060 + 0.004, abs=1e-9)
    assert made.one_host_whole_error_s == pytest.approx(0.004, abs=0.0003)
    assert made.estimator == "one-host"
