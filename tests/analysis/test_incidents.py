"""What goes wrong in a round is named, counted, and never guessed over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_checks import ALL_KINDS, FACTS, analysed, assert_closes, assert_true, by_id
from synthetic import Incident, Scene
from writers import MS, hosts, on_server_clock

from analysis.load import Records
from analysis.model import MessageTimes
from analysis.trial import analyse
from instrument.records import Reply, Rpc, Span


def test_a_lost_reply_is_lost_although_the_server_said_200() -> None:
    scene = Scene(nodes=on_server_clock(hosts(2)), incidents=(Incident(node="pi2", kind="lost"),))
    message = by_id(trial := analysed(scene))["1-train-pi2"]
    assert message.outcome == message.uplink.outcome == "lost"
    assert message.missing == ["wait_collect", "collect"]
    assert not trial.rounds[0].complete
    assert trial.rounds[0].t_r_s is not None


def test_an_upload_that_was_cut_off_is_censored_and_no_time() -> None:
    """The SuperNode was killed while its biggest object was on the way: what came before says nothing of t_u."""
    message = with_changes(
        Scene(nodes=on_server_clock(hosts(1))),
        {
            Rpc: lambda rpc: (
                replace(rpc, object_ids=[f"{rpc.message_id}.{place}" for place in range(6)])
                if rpc.method.endswith("Fleet/PushMessages")
                else None
                if rpc.method.endswith("Fleet/PushObject") and rpc.object_id.endswith(".0")
                else rpc
            ),
            Reply: lambda reply: replace(reply, error_code=3),
        },
    )
    assert message.outcome == "error:3"
    assert (message.uplink.outcome, message.uplink.objects) == ("censored", 5)
    assert message.missing == ["uplink", "store", "wait_collect"]


def test_a_download_that_was_cut_off_is_censored_though_its_client_app_had_begun() -> None:
    message = with_changes(
        Scene(nodes=on_server_clock(hosts(1))),
        {
            Rpc: lambda rpc: None if "Push" in rpc.method or (rpc.object_id or "").endswith(".0") else rpc,
            Span: lambda span: None if span.name in {"inflate", "app_function"} else span,
            Reply: lambda reply: replace(reply, error_code=5),
        },
    )
    assert (message.outcome, message.error_code, message.downlink.outcome) == ("error:5", 5, "censored")
    assert {"downlink", "dispatch"} <= set(message.missing)
    assert "boot" in message.intervals


def test_a_reply_that_was_collected_is_not_lost_whatever_a_second_try_was_told() -> None:
    scene = Scene(nodes=on_server_clock(hosts(1)), incidents=(Incident(node="pi1", kind="lost"),))
    message = with_changes(scene, {Reply: lambda reply: replace(reply, error_code=None)})
    assert message.outcome == message.uplink.outcome == "ok"


def with_changes(scene: Scene, changes: dict) -> MessageTimes:
    """The scene's only message, with its records changed by their kind, or left out where a change gives None."""
    segments = []
    for segment in scene.records().segments:
        made = (changes[type(one)](one) if type(one) in changes else one for one in segment.records)
        segments.append(replace(segment, records=tuple(one for one in made if one is not None)))
    (message,) = analyse(Records(segments=segments), FACTS).messages
    return message


def test_an_error_reply_keeps_its_code_and_phases() -> None:
    scene = Scene(nodes=on_server_clock(hosts(2)), incidents=(Incident(node="pi1", kind="error"),))
    trial = analysed(scene)
    message = by_id(trial)["1-train-pi1"]
    assert message.outcome == message.uplink.outcome == "error:2"
    assert message.downlink.outcome == "ok"
    assert_true(trial, scene, within_ns=0)
    assert not trial.rounds[0].complete


def test_a_killed_client_is_named_with_what_is_missing() -> None:
    scene = Scene(nodes=hosts(2, shift_s=9), incidents=(Incident(node="pi1", kind="killed"),), rounds=2)
    trial = analysed(scene)
    message = by_id(trial)["1-train-pi1"]
    assert message.outcome == "error:8"
    assert message.uplink is None
    assert message.missing[0] == "app_load"
    assert "boot" in message.intervals
    assert len(trial.cut_segments) == 1
    assert [made.complete for made in trial.rounds] == [False, True]
    assert trial.rounds[0].critical_nodes == ["pi2"]


def test_a_node_that_never_answered_is_censored() -> None:
    scene = Scene(nodes=on_server_clock(hosts(2)), incidents=(Incident(node="pi1", kind="killed"),))
    records = scene.records()
    without = [
        replace(segment, records=tuple(r for r in segment.records if getattr(r, "error_code", None) != 8))
        for segment in records.segments
        if segment.header.host != "pi1"
    ]
    message = by_id(analyse(Records(segments=without), FACTS))["1-train-pi1"]
    assert message.outcome == "censored"
    assert message.node == "node 100"
    assert message.downlink is None
    assert message.missing[:2] == ["wait_downlink", "ctrl_downlink"]


def test_a_failed_attempt_is_stall_and_counted() -> None:
    scene = Scene(nodes=on_server_clock(hosts(1)), incidents=(Incident(node="pi1", kind="retry"),))
    trial = analysed(scene)
    assert_true(trial, scene, within_ns=0)
    uplink = trial.messages[0].uplink
    assert (uplink.attempts, uplink.objects, uplink.outcome) == (7, 6, "ok")
    assert uplink.active_s == scene.active["1-train-pi1", "uplink"] / 1e9
    assert uplink.stall_s >= 0.0


def test_a_clock_that_nothing_ties_to_the_server_keeps_its_lengths() -> None:
    scene = Scene(nodes=hosts(2, shift_s=77))
    records = scene.records()
    untied = [
        replace(
            segment,
            records=tuple(
                replace(record, server_clock=None) if isinstance(record, Rpc) and "Fleet" in record.method else record
                for record in segment.records
            ),
        )
        for segment in records.segments
    ]
    trial = analyse(Records(segments=untied), FACTS)
    assert [fit.error_s for fit in trial.clocks if fit.host != "server"] == [float("inf")] * 2
    for message in trial.messages:
        assert message.missing == ["wait_downlink", "ctrl_downlink", "downlink", "uplink"]
        assert message.uplink.estimator == message.downlink.estimator == "one-host"
        true_s = scene.active[message.message_id, "uplink"] / 1e9
        assert abs(message.uplink.active_s - true_s) <= message.uplink.one_host_error_s
        start, end = scene.truth[message.message_id]["train"]
        assert message.seconds("train") == (end - start) / 1e9


def test_a_server_without_probes_leaves_the_clients_own_view() -> None:
    scene = Scene(nodes=on_server_clock(hosts(2)))
    stamps = dict.fromkeys(("arrive", "first_byte", "last_byte", "response"))
    bare = {f"server_{name}_mono_ns": None for name in stamps}
    unstamped = [
        replace(
            segment,
            records=tuple(
                replace(record, server_clock=None, **bare) if isinstance(record, Rpc) else record
                for record in segment.records
            ),
        )
        for segment in scene.records().segments
    ]
    for message in analyse(Records(segments=unstamped), FACTS).messages:
        assert message.missing == ["store", "wait_collect"]
        for transfer in (message.downlink, message.uplink):
            true_s = scene.active[message.message_id, transfer.direction] / 1e9
            assert transfer.estimator == "one-host"
            assert abs(transfer.active_s - true_s) <= transfer.one_host_error_s


KINDS_OF_INCIDENT = ("lost", "error", "killed", "early", "retry")


@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 4),
    objects=st.integers(1, 9),
    shift_s=st.integers(-5000, 5000),
    trip_ms=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    kinds=st.sampled_from([("train",), ALL_KINDS, ("train", "evaluate"), ("evaluate", "evaluate.validation")]),
    incidents=st.lists(
        st.builds(
            Incident,
            node=st.sampled_from(["pi1", "pi2"]),
            kind=st.sampled_from(KINDS_OF_INCIDENT),
            round=st.integers(1, 2),
        ),
        max_size=3,
    ),
)
def test_whatever_happens_the_truth_is_within_the_error_and_rounds_close(
    seed: int,
    count: int,
    objects: int,
    shift_s: int,
    trip_ms: tuple[int, int],
    kinds: tuple[str, ...],
    incidents: list[Incident],
) -> None:
    scene = Scene(
        nodes=hosts(count, shift_s=shift_s),
        seed=seed,
        rounds=2,
        objects=objects,
        kinds=kinds,
        trip_ns=(trip_ms[0] * MS, trip_ms[1] * MS),
        incidents=tuple(incidents),
    )
    trial = analysed(scene)
    error_ns = max(fit.error_s for fit in trial.clocks) * 1e9
    assert error_ns <= 40 * MS
    assert_true(trial, scene, within_ns=round(error_ns) + 5)
    for made in trial.rounds:
        assert sum(charge.interval.seconds for charge in made.charges) == made.wall_s or made.charges
        assert made.complete == all(m.outcome == "ok" for m in trial.messages if m.round == made.round)
    if not any(incident.kind in {"lost", "killed"} for incident in incidents):
        assert_closes(trial, scene)


def test_bytes_that_were_read_late_are_the_applications_time_and_not_the_networks() -> None:
    scene = Scene(nodes=hosts(2, shift_s=9))
    late_ms = 40

    def read_late(record: object) -> object:
        if not isinstance(record, Rpc) or "Fleet" not in record.method or not record.object_id:
            return record
        if record.method.endswith("PushObject"):
            read_ns = record.server_last_byte_mono_ns + late_ms * MS
            return replace(record, server_last_byte_mono_ns=read_ns, server_late_ms=late_ms)
        return replace(record, body_read_mono_ns=record.body_read_mono_ns + late_ms * MS, late_ms=late_ms)

    late = [
        replace(segment, records=tuple(read_late(record) for record in segment.records))
        for segment in scene.records().segments
    ]
    before, after = analysed(scene), analyse(Records(segments=late), FACTS)
    for prompt, slow in zip(before.messages, after.messages, strict=True):
        assert slow.intervals == prompt.intervals
        for one, other in ((prompt.uplink, slow.uplink), (prompt.downlink, slow.downlink)):
            assert (other.interval, other.active_s) == (one.interval, one.active_s)
            assert other.read_late_s == other.objects * late_ms / 1e3
            assert other.alternatives["to_application_read"] == pytest.approx(one.whole_s + late_ms / 1e3, abs=1e-9)
