"""Whole rounds made up with known intervals come out of the analysis as they were."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from scene_checks import ALL_KINDS, FACTS, analysed, assert_closes, assert_true, by_id
from synthetic import Incident, Scene
from writers import MS, hosts, on_server_clock

from analysis import store
from analysis.load import Records
from analysis.model import LinkRates
from analysis.timeline import TimelineError
from analysis.trial import TrialError, analyse, load_spool, load_trial
from instrument.records import Dispatch, encode


@pytest.mark.parametrize("seed", range(7))
def test_every_phase_is_exact_on_one_clock(seed: int) -> None:
    scene = Scene(nodes=on_server_clock(hosts(3)), seed=seed, rounds=2, kinds=ALL_KINDS)
    trial = analysed(scene)
    assert_true(trial, scene, within_ns=0)
    assert_closes(trial, scene)
    assert all(fit.error_s == 0.0 for fit in trial.clocks)
    for message in trial.messages:
        assert message.outcome == "ok"
        assert not message.missing
        for transfer in (message.downlink, message.uplink):
            assert transfer is not None
            assert transfer.two_ended_error_s == 0.0
            assert transfer.estimator == "two-ended"
            assert transfer.active_s == scene.active[message.message_id, transfer.direction] / 1e9


@pytest.mark.parametrize("objects", [1, 2, 107])
def test_clocks_thousands_of_seconds_apart_are_brought_together(objects: int) -> None:
    scene = Scene(nodes=hosts(2, shift_s=4321), seed=5, rounds=2, objects=objects)
    trial = analysed(scene)
    assert_true(trial, scene, within_ns=3)  # with equal ways there and back the offset is exact but for rounding
    assert_closes(trial, scene)
    for message in trial.messages:
        assert message.uplink is not None
        assert message.uplink.objects == objects
        assert message.uplink.payload_bytes == 2_900_000 + 200 * (objects - 1)
        true_s = scene.active[message.message_id, "uplink"] / 1e9
        assert abs(message.uplink.two_ended_s - true_s) < 1e-6
        assert abs(message.uplink.one_host_s - true_s) <= message.uplink.one_host_error_s
        assert abs(message.uplink.one_host_whole_s - message.uplink.whole_s) < 1e-6, "equal ways: the middle is true"
        assert message.uplink.one_host_whole_error_s < 0.003
        assert abs(message.uplink.active_s - true_s) <= min(
            message.uplink.one_host_error_s, message.uplink.two_ended_error_s
        )


def test_unequal_ways_and_drift_stay_inside_the_stated_error() -> None:
    scene = Scene(
        nodes=hosts(2, shift_s=-700, drift=80e-6), seed=1, rounds=4, trip_ns=(9 * MS, 2 * MS), kinds=ALL_KINDS
    )
    trial = analysed(scene)
    error_ns = max(fit.error_s for fit in trial.clocks) * 1e9
    assert 3.5 * MS <= error_ns <= 15 * MS
    assert_true(trial, scene, within_ns=round(error_ns))
    for message in trial.messages:
        for transfer in (message.downlink, message.uplink):
            true_s = scene.active[message.message_id, transfer.direction] / 1e9
            slack_s = 1e-6 + 1e-4 * true_s  # a drifting clock also measures lengths wrongly, by 80 ppm
            assert abs(transfer.two_ended_s - true_s) <= transfer.two_ended_error_s + slack_s
            assert abs(transfer.one_host_s - true_s) <= transfer.one_host_error_s + slack_s
            start_ns, end_ns = scene.truth[message.message_id][transfer.direction]
            off_s = abs(transfer.one_host_whole_s - (end_ns - start_ns) / 1e9)
            assert off_s <= transfer.one_host_whole_error_s + slack_s
            assert 0.003 <= transfer.one_host_whole_error_s <= 0.012, "half of 11 ms, and some of both ways"


def test_two_messages_to_one_node_wait_for_each_other() -> None:
    scene = Scene(nodes=on_server_clock(hosts(1)), kinds=("evaluate", "evaluate.validation"), seed=3)
    trial = analysed(scene)
    first, second = trial.messages
    assert first.node_busy_s == 0.0
    held = (first.intervals["store"].end_ns - first.intervals["ctrl_downlink"].start_ns) / 1e9
    assert second.node_busy_s == pytest.approx(held)
    (made,) = trial.rounds
    assert made.charged_s("test") == first.seconds("test")
    assert made.charged_s("validate") == second.seconds("validate")
    assert made.charged_s("boot") == first.seconds("boot") + second.seconds("boot")
    assert made.charged_s("wait_downlink") == pytest.approx(second.seconds("wait_downlink") - held)


def test_a_reply_pulled_before_it_was_whole_waits_in_back_off() -> None:
    scene = Scene(nodes=on_server_clock(hosts(2)), incidents=(Incident(node="pi1", kind="early"),), seed=11)
    trial = analysed(scene)
    assert_true(trial, scene, within_ns=0)
    assert_closes(trial, scene)
    parts = by_id(trial)["1-train-pi1"].wait_collect_parts
    assert parts["back_off"] > 0
    assert sum(parts.values()) == pytest.approx(by_id(trial)["1-train-pi1"].seconds("wait_collect"))


def test_a_reply_waits_for_those_pulled_before_it_and_for_the_grid() -> None:
    trial = analysed(Scene(nodes=on_server_clock(hosts(5)), seed=2))
    parts = [message.wait_collect_parts for message in trial.messages]
    assert min(part["grid_sleep"] for part in parts) == pytest.approx(0.5e-3)
    assert any(part["earlier_replies"] > 0 for part in parts)
    for message in trial.messages:
        assert sum(message.wait_collect_parts.values()) == pytest.approx(message.seconds("wait_collect"))


def test_transfers_get_their_fluid_bound() -> None:
    link = LinkRates(
        interface="ethernet",
        client_down_bit_per_s=1e9,
        client_up_bit_per_s=1e9,
        cell_down_bit_per_s=None,
        cell_up_bit_per_s=None,
    )
    trial = analyse(Scene(nodes=on_server_clock(hosts(3))).records(), replace(FACTS, link=link))
    for message in trial.messages:
        for transfer in (message.downlink, message.uplink):
            alone_s = transfer.payload_bytes * 8 / (1e9 * 1448 / 1514)
            assert transfer.bound_s == pytest.approx(alone_s, abs=1e-7)
            assert transfer.alone_bound_s == pytest.approx(alone_s)
            assert transfer.over_bound > 1


def test_of_two_runs_the_last_is_analysed_and_the_other_named() -> None:
    records = Scene(nodes=on_server_clock(hosts(1)), rounds=2).records()
    renamed = [
        replace(
            segment,
            records=tuple(
                replace(record, run_id="66") if isinstance(record, Dispatch) and record.round == 1 else record
                for record in segment.records
            ),
        )
        for segment in records.segments
    ]
    trial = analyse(Records(segments=renamed), FACTS)
    assert [made.round for made in trial.rounds] == [2]
    assert "2 runs" in trial.faults[0]


def write_spool(records: Records, folder: Path) -> None:
    folder.mkdir(parents=True)
    for segment in records.segments:
        lines = [encode(segment.header), *(encode(record) for record in segment.records)]
        (folder / f"{segment.name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_trial_is_the_same_from_spool_and_from_parquet(tmp_path: Path) -> None:
    records = Scene(nodes=hosts(2, shift_s=3)).records()
    write_spool(records, tmp_path / "spool")
    facts = {**asdict(FACTS), "emulator_rates": "read back", "settings": {"arrays": 1}}
    (tmp_path / "trial.json").write_text(json.dumps(facts), encoding="utf-8")
    from_spool = load_trial(tmp_path)
    store.write(Records(segments=[replace(s, end=None) for s in records.segments]), tmp_path / "records")
    from_parquet = load_trial(tmp_path)
    assert from_spool == from_parquet
    assert from_spool.facts.settings == {"arrays": 1, "emulator_rates": "read back"}
    assert load_spool(tmp_path / "spool").facts.interface == "unknown"


def test_a_folder_that_is_no_trial_is_refused(tmp_path: Path) -> None:
    write_spool(Scene(nodes=hosts(1)).records(), tmp_path / "spool")
    with pytest.raises(TrialError, match="is no trial"):
        load_trial(tmp_path)
    (tmp_path / "trial.json").write_text("{", encoding="utf-8")
    with pytest.raises(TrialError, match="is not JSON"):
        load_trial(tmp_path)
    (tmp_path / "trial.json").write_text('{"name": "x"}', encoding="utf-8")
    with pytest.raises(TrialError, match="interface"):
        load_trial(tmp_path)


def test_a_trial_with_unusable_records_is_invalid_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text(json.dumps(asdict(FACTS)), encoding="utf-8")
    trial = load_trial(tmp_path)
    assert (trial.facts.outcome, list(trial.messages)) == ("invalid", [])
    assert "no spool file" in trial.facts.reason
    records = Scene(nodes=hosts(1)).records()
    store.write(Records(segments=records.role("flower-supernode")), tmp_path / "records")
    assert "no SuperLink" in load_trial(tmp_path).facts.reason


def test_records_without_a_server_are_refused() -> None:
    records = Scene(nodes=hosts(1)).records()
    with pytest.raises(TimelineError, match="add the server host's spool"):
        analyse(Records(segments=[s for s in records.segments if s.header.host != "server"]), FACTS)
