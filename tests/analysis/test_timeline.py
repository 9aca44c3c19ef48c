"""The axis: which exchanges count, which source is taken, what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic import Scene
from writers import MS, SERVER, Host, Writer, hosts

from analysis.joins import joined, node_names, runs
from analysis.load import Records
from analysis.model import TrialFacts
from analysis.timeline import axis_of, management_exchanges, request_exchanges
from analysis.trial import analyse
from instrument.records import Dispatch, Exchange, Rpc, Span

S = 1_000_000_000
PI = Host(name="pi1", clock="monotonic/pi1/1", shift_ns=77 * S)


def exchange(host: Host, at_ns: int, there_ns: int, back_ns: int) -> Exchange:
    arrived = at_ns + there_ns
    return Exchange(
        peer="server",
        peer_clock=SERVER.clock,
        path="management",
        sent_mono_ns=host.reads(at_ns),
        peer_received_mono_ns=arrived,
        peer_sent_mono_ns=arrived + MS,
        received_mono_ns=host.reads(arrived + MS + back_ns),
    )


def with_exchanges(records: Records, made: list[Exchange]) -> Records:
    collector = Writer(host=PI, role="fedprobe-collect", pid=7, born_ns=0)
    collector.records.extend(made)
    return replace(records, segments=(*records.segments, collector.segment()))


def fit(records: Records) -> tuple[str, float, float]:
    (found,) = (fit for fit in axis_of(records).fits if fit.host == "pi1")
    return found.source, found.offset_s, found.error_s


def test_the_management_path_is_preferred() -> None:
    records = Scene(nodes=[PI], trip_ns=(12 * MS, 2 * MS)).records()
    source, offset_s, error_s = fit(records)
    assert source == "requests"
    assert abs(offset_s + 77) <= error_s
    assert 0.007 <= error_s <= 0.02
    managed = with_exchanges(records, [exchange(PI, at * S, MS // 5, MS // 5) for at in range(0, 12, 2)])
    source, offset_s, error_s = fit(managed)
    assert source == "management"
    assert offset_s == pytest.approx(-77, abs=1e-6)
    assert error_s <= 0.002


def test_a_bad_management_path_is_left_for_good_requests() -> None:
    records = Scene(nodes=[PI], trip_ns=(MS // 2, MS // 2)).records()
    assert fit(with_exchanges(records, [exchange(PI, S, 300 * MS, 9 * MS)]))[0] == "requests"


def test_exchanges_with_another_host_say_nothing_of_the_server() -> None:
    stray = replace(exchange(PI, S, MS, MS), peer_clock="monotonic/elsewhere/1")
    records = with_exchanges(Scene(nodes=[PI]).records(), [stray])
    assert management_exchanges(records.segments, SERVER.clock) == []


def test_a_request_beside_a_model_does_not_count() -> None:
    node = Writer(host=PI, role="flower-supernode", pid=1, born_ns=0)
    node.rpc("m", SERVER, (S, S + MS, S + MS, S + 2 * MS, S + 3 * MS, S + 3 * MS), response_bytes=50)
    node.rpc("m", SERVER, (2 * S, 2 * S, 2 * S, 2 * S, 2 * S, 3 * S), response_bytes=3_000_000)
    beside = 2 * S + 50 * MS
    node.rpc("m", SERVER, (beside, beside + MS, beside + MS, beside + MS, beside + 9 * MS, beside + 9 * MS))
    node.rpc(
        "m", SERVER, (4 * S, 4 * S + MS, 4 * S + MS, 4 * S + MS, 4 * S + 9 * MS, 4 * S + 9 * MS), request_bytes=9000
    )
    counted = request_exchanges([node.segment()], SERVER.clock)
    assert [stamps.sent for stamps in counted] == [PI.reads(S)]


def test_a_restarted_supernode_is_the_same_node_and_two_at_once_are_two() -> None:
    def supernode(pid: int, born_s: int, last_s: int) -> Writer:
        writer = Writer(host=PI, role="flower-supernode", pid=pid, born_ns=born_s * S)
        writer.span("strategy", (last_s * S, last_s * S))
        return writer

    restarted = [supernode(1, 0, 10).segment(), supernode(2, 11, 20).segment()]
    assert set(node_names(restarted).values()) == {"pi1"}
    together = [*restarted, supernode(3, 5, 30).segment()]
    assert sorted(node_names(together).values()) == ["pi1/1", "pi1/1", "pi1/2"]


def test_a_loop_without_a_strategy_has_rounds_from_its_pushes() -> None:
    records = Scene(nodes=hosts(2), rounds=2).records()
    bare = [
        replace(
            segment,
            records=tuple(
                replace(record, round_source="push") if isinstance(record, Dispatch) else record
                for record in segment.records
                if not (isinstance(record, Span) and record.name in {"configure", "aggregate"})
            ),
        )
        for segment in records.segments
    ]
    trial = analyse(Records(segments=bare), TrialFacts(name="bare", interface="unknown"))
    assert [made.round for made in trial.rounds] == [1, 2]
    for made in trial.rounds:
        assert made.complete
        assert made.residual_share < 0.01
        assert made.charges[0].phase == "publish"
    assert all(not message.missing for message in trial.messages)


def test_spools_without_a_dispatch_have_no_runs_and_no_rounds() -> None:
    records = Scene(nodes=hosts(1)).records()
    silent = [
        replace(segment, records=tuple(r for r in segment.records if isinstance(r, Rpc)))
        for segment in records.segments
    ]
    assert runs(Records(segments=silent)) == []
    assert joined(Records(segments=silent)) == []
    assert analyse(Records(segments=silent), TrialFacts(name="x", interface="y")).rounds == []
