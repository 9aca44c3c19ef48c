"""Two wall clocks that chrony bounds tie two monotonic clocks, and the truth lies within what both bounds allow."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from synthetic import Scene
from writers import hosts

from analysis.chrony_source import Disciplined, chrony_exchanges
from analysis.load import Records
from analysis.offsets import fitted
from analysis.timeline import axis_of
from instrument.records import Exchange, Rpc, Sample

S = 1_000_000_000
BOUNDS = st.integers(0, 50_000_000)


@given(
    offset=st.integers(-(10**16), 10**16),
    epoch=st.integers(0, 2 * 10**18),
    readings=st.lists(st.tuples(st.integers(0, 600), BOUNDS, BOUNDS, st.floats(-1, 1), st.floats(-1, 1)), min_size=1),
)
def test_the_truth_lies_within_both_bounds(offset: int, epoch: int, readings: list) -> None:
    node, server = [], []
    for at_s, node_bound, server_bound, node_share, server_share in readings:
        local, truth = at_s * S, epoch + at_s * S  # by a perfect clock
        node.append(Disciplined(local, truth + round(node_share * node_bound) - local, node_bound))
        there = local + offset
        server.append(Disciplined(there, truth + round(server_share * server_bound) - there, server_bound))
    made = fitted(chrony_exchanges(node, server))
    for one in node:
        assert abs(made.at(one.mono_ns) - (one.mono_ns + offset)) <= made.error_ns(one.mono_ns) + 600


def test_without_the_servers_chrony_it_says_nothing() -> None:
    assert chrony_exchanges([Disciplined(0, 0, 1.0)], []) == []


def test_hosts_that_never_spoke_are_mapped_by_it() -> None:
    scene = Scene(nodes=hosts(1, shift_s=77))
    segments = []
    for segment in scene.records().segments:
        shift_s = 77 if segment.header.host == "pi1" else 0
        sample = Sample(
            collector="chrony",
            subject="chrony",
            scheduled_mono_ns=0,
            mono_ns=segment.header.mono_ns,
            late_ns=0,
            cost_ns=0,
            values={"clock_wall_less_monotonic_ns": 10**18 - shift_s * S, "chrony_error_bound_s": 0.002},
        )
        silent = [
            replace(record, server_clock=None) if isinstance(record, Rpc) else record
            for record in segment.records
            if not isinstance(record, Exchange)
        ]
        segments.append(replace(segment, records=(*silent, sample)))
    (fit,) = [fit for fit in axis_of(Records(segments=segments)).fits if fit.host == "pi1"]
    assert fit.source == "chrony"
    assert abs(fit.offset_s + 77) <= fit.error_s <= 0.02
