"""Records that are damaged, of another version, or untied: one clear message each, and the other results stand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from scene_checks import FACTS, analysed, by_id
from synthetic import Scene
from test_load import spooled
from writers import SERVER, Writer, hosts

from analysis import store
from analysis.document import to_json
from analysis.html import page
from analysis.load import Records, load_spools
from analysis.model import LinkRates, TrialTimes
from analysis.summary import Summary, summarise
from analysis.terminal import as_text
from analysis.trial import analyse, load_spool, load_trial
from instrument.flower.priority import PRIORITY
from instrument.records import SCHEMA_VERSION, Capture, Fault, Rpc
from instrument.spool import SpoolError
from testbed.commands.report import print_report

LINK = LinkRates(
    interface="ethernet",
    client_down_bit_per_s=1e9,
    client_up_bit_per_s=1e9,
    cell_down_bit_per_s=None,
    cell_up_bit_per_s=None,
)
Damage = Callable[[bytes], bytes]


def scene() -> Scene:
    return Scene(nodes=hosts(3, shift_s=7), rounds=2, seed=5)


def other_digest(content: bytes) -> bytes:
    return content.replace(b'"response_bytes":60', b'"response_bytes":61', 1)


def other_schema(content: bytes) -> bytes:
    version = b'"schema_version":%d' % SCHEMA_VERSION
    return content.replace(version, b'"schema_version":%d' % (SCHEMA_VERSION + 1), 1)


DAMAGES = {"digest": (other_digest, "SHA-256"), "schema": (other_schema, f"schema version {SCHEMA_VERSION + 1}")}


@pytest.fixture(params=DAMAGES)
def damage(request: pytest.FixtureRequest) -> tuple[Damage, str]:
    return DAMAGES[request.param]


def damaged_trial(folder: Path, name: str, damage: Damage) -> Path:
    """A trial's folder with one spool file damaged."""
    spooled(folder / "spool", scene().records())
    (path,) = (folder / "spool").rglob(f"{name}.jsonl")
    changed = damage(path.read_bytes())
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    facts = asdict(replace(FACTS, link=LINK))
    (folder / "trial.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def about(summary: Summary, rule: str) -> list[str]:
    return [verdict.severity for verdict in summary.verdicts if verdict.rule == rule]


def graver_than_info(summary: Summary) -> set[str]:
    return {verdict.rule for verdict in summary.verdicts if verdict.severity != "info"} - {"single_trial"}


def test_a_node_whose_spool_cannot_be_read_costs_its_own_numbers_only(
    tmp_path: Path, damage: tuple[Damage, str]
) -> None:
    trial = load_trial(damaged_trial(tmp_path, "pi2-flower-supernode-110", damage[0]))
    whole = {message.message_id: message for message in analysed(scene()).messages}
    assert trial.facts.outcome == "ok"
    assert len(trial.messages) == len(whole) == 6
    for message in trial.messages:
        if message.message_id.endswith("pi2"):
            assert message.uplink is message.downlink is None
            assert not message.intervals.keys() & {"uplink", "downlink", "boot", "train", "store", "wait_uplink"}
        else:
            assert message.intervals == whole[message.message_id].intervals
    summary = summarise([trial], made_by={})
    assert about(summary, "unreadable_files") == ["warn"]
    assert graver_than_info(summary) == {"unreadable_files", "missing_phases"}
    assert summary.exit_code == 0
    (verdict,) = [verdict for verdict in summary.verdicts if verdict.rule == "unreadable_files"]
    assert "pi2 (flower-supernode)" in verdict.finding
    assert damage[1] in verdict.finding
    assert str(tmp_path) not in verdict.finding


def test_what_a_missing_client_decides_for_all_is_absent_and_not_wrong(tmp_path: Path) -> None:
    """t_r is a maximum over clients, the critical path and the straggler are one of them: which, nobody knows now."""
    trial = load_trial(damaged_trial(tmp_path, "pi2-flower-supernode-110", other_digest))
    for made in trial.rounds:
        assert made.complete
        assert (made.t_r_s, list(made.charges), made.straggler) == (None, [], "")
    document = json.loads(json.dumps(to_json(summary := summarise([trial], made_by={})), allow_nan=False))
    assert document["share"] == document["stragglers"] == {}
    assert "t_r_s" not in document["round"]["ethernet"]
    assert document["round"]["ethernet"]["wall_s"] > 0
    assert document["phases"]["ethernet"]["uplink_active"]["n"] == 4
    assert document["trials"][0]["unreadable"][0]["host"] == "pi2"
    assert page(summary)
    assert "cannot be read" in " ".join(as_text(summary).split())


def test_rounds_without_the_damaged_file_keep_everything(tmp_path: Path) -> None:
    """A ClientApp's file belongs to one message of one round."""
    app = next(
        segment.name
        for segment in scene().records().role("flwr-clientapp")
        if any(getattr(record, "message_id", None) == "1-train-pi2" for record in segment.records)
    )
    trial = load_trial(damaged_trial(tmp_path, app, other_digest))
    whole = analysed(scene())
    first, second = trial.rounds
    assert (first.t_r_s, list(first.charges)) == (None, [])
    assert second == whole.rounds[1]
    message = by_id(trial)["1-train-pi2"]
    assert "train" in message.missing
    assert "uplink" in message.intervals
    document = to_json(summarise([trial], made_by={}))
    assert document["round"]["ethernet"]["t_r_s"] == second.t_r_s
    assert math.fsum(document["share"]["ethernet"].values()) == pytest.approx(1)


@pytest.mark.parametrize("name", ["server-flower-superlink-10", "server-flwr-serverapp-11"])
def test_a_server_whose_spool_cannot_be_read_makes_the_run_unfit(tmp_path: Path, name: str) -> None:
    summary = summarise([load_trial(damaged_trial(tmp_path, name, other_schema))], made_by={})
    assert about(summary, "unreadable_files") == ["unfit"]
    assert summary.exit_code == 3
    if "superlink" in name:  # the stamps of its requests ride on their answers
        assert graver_than_info(summary) == {"unreadable_files"}
        assert summary.measured.rounds["ethernet"].t_r is not None


def test_a_damaged_file_stays_marked_in_parquet(tmp_path: Path, damage: tuple[Damage, str]) -> None:
    folder = damaged_trial(tmp_path, "pi2-flower-supernode-110", damage[0])
    from_spool = load_trial(folder)
    store.write(load_spools(folder / "spool"), folder / "records")
    assert load_trial(folder) == from_spool
    assert [(host, role) for host, role, _ in from_spool.unreadable] == [("pi2", "flower-supernode")]


def test_a_trial_without_any_file_of_the_servers_is_invalid_and_says_which(tmp_path: Path) -> None:
    damaged_trial(tmp_path, "server-flower-superlink-10", other_schema)
    (app,) = (tmp_path / "spool").rglob("server-flwr-serverapp-11.jsonl")
    app.write_bytes(other_digest(app.read_bytes()).replace(b'"kind":"span"', b'"kind":"spam"', 1))
    trial = load_trial(tmp_path)
    assert trial.facts.outcome == "invalid"
    assert len(trial.unreadable) == 2
    assert about(summarise([trial], made_by={}), "unreadable_files") == ["unfit"]
    with pytest.raises(SpoolError, match=r"(?s)no SuperLink.*superlink-10\.jsonl: its records have .*serverapp"):
        load_spool(tmp_path / "spool")


def test_the_report_of_a_damaged_spool_folder_goes_on_with_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = damaged_trial(tmp_path, "pi3-flower-supernode-120", other_schema) / "spool"
    assert print_report([folder], as_json=False, write=False) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "1 spool file cannot be read, of pi3 (flower-supernode)" in printed
    assert f"reads version {SCHEMA_VERSION}" in printed


# a node without a single clock exchange


def untied(records: Records, host: str) -> Records:
    """The records without any exchange of one host: its SuperLink's answers do not name their clock."""
    segments = [
        replace(
            segment,
            records=tuple(
                replace(record, server_clock=None) if isinstance(record, Rpc) and "Fleet" in record.method else record
                for record in segment.records
            ),
        )
        if segment.header.host == host
        else segment
        for segment in records.segments
    ]
    return replace(records, segments=tuple(segments))


@pytest.fixture(scope="module")
def one_untied() -> TrialTimes:
    return analyse(untied(scene().records(), "pi2"), replace(FACTS, link=LINK))


def test_a_node_without_an_exchange_is_named_once_and_the_rest_stands(one_untied: TrialTimes) -> None:
    summary = summarise([one_untied], made_by={})
    assert about(summary, "clock_error") == ["warn"]
    assert graver_than_info(summary) == {"clock_error"}
    assert summary.exit_code == 0
    (verdict,) = [verdict for verdict in summary.verdicts if verdict.rule == "clock_error"]
    assert "no clock exchange maps pi2 onto" in verdict.finding


def test_only_its_phases_across_hosts_are_missing(one_untied: TrialTimes) -> None:
    whole = by_id(analyse(scene().records(), replace(FACTS, link=LINK)))
    for message in one_untied.messages:
        if not message.message_id.endswith("pi2"):
            assert message.intervals == whole[message.message_id].intervals
            assert not message.missing
            continue
        assert message.missing == ["wait_downlink", "ctrl_downlink", "downlink", "uplink"]
        assert message.intervals["train"].seconds == whole[message.message_id].intervals["train"].seconds


def test_its_transfers_are_by_one_hosts_clock(one_untied: TrialTimes) -> None:
    for message in one_untied.messages:
        for transfer in (message.uplink, message.downlink):
            assert transfer is not None
            if message.message_id.endswith("pi2"):
                assert transfer.estimator == "one-host"
                assert transfer.active_s == transfer.one_host_s
                assert transfer.whole_s == transfer.one_host_whole_s
                assert transfer.whole_s == pytest.approx(transfer.active_s + transfer.stall_s)
            else:
                assert math.isfinite(transfer.two_ended_error_s)


def test_who_was_last_is_known_by_the_servers_own_stamps(one_untied: TrialTimes) -> None:
    whole = analyse(scene().records(), replace(FACTS, link=LINK))
    assert [made.straggler for made in one_untied.rounds] == [made.straggler for made in whole.rounds]
    for made, of in zip(one_untied.rounds, whole.rounds, strict=True):
        assert made.t_r_s == pytest.approx(of.t_r_s, abs=0.01)
        assert made.critical_nodes == of.critical_nodes
        assert list(made.charges) == ([] if "pi2" in of.critical_nodes else list(of.charges))


def test_without_any_exchange_nothing_is_left_to_trust() -> None:
    records = scene().records()
    for host in ("pi1", "pi2", "pi3"):
        records = untied(records, host)
    summary = summarise([analyse(records, replace(FACTS, link=LINK))], made_by={})
    assert about(summary, "clock_error") == ["unfit"]
    assert "pi1, pi2 and pi3" in next(v.finding for v in summary.verdicts if v.rule == "clock_error")


# captures


def with_collector(*records: Capture | Fault) -> TrialTimes:
    collector = Writer(host=SERVER, role="collector", pid=7, born_ns=0)
    collector.records.extend(records)
    made = Scene(nodes=hosts(1)).records()
    return analyse(replace(made, segments=(*made.segments, collector.segment())), FACTS)


def capture(**counts: int | None) -> Capture:
    moments = {"start_mono_ns": 1, "start_wall_ns": 1, "end_mono_ns": 2, "end_wall_ns": 2}
    return Capture(interface="eth0", file="x.pcap", bpf="tcp port 1", **moments, **counts)


def test_a_capture_with_drops_takes_the_wire_times_of_its_host_and_nothing_else() -> None:
    summary = summarise([with_collector(capture(packets=1000, dropped=5))], made_by={})
    assert about(summary, "capture_dropped") == ["warn"]
    assert graver_than_info(summary) == {"capture_dropped"}
    finding = next(verdict.finding for verdict in summary.verdicts if verdict.rule == "capture_dropped")
    assert "the capture on server, eth0, lost 5 of 1,005 packets" in finding
    assert "wire times of server are not to be used" in finding
    (trial,) = to_json(summary)["trials"]
    assert trial["captures"] == [{"host": "server", "interface": "eth0", "packets": 1000, "dropped": 5}]


def test_a_refused_priority_is_said_once_and_costs_no_phase() -> None:
    fault = Fault(where=PRIORITY, error="flwr-clientapp: the asked priority was not set whole: no right", mono_ns=3)
    summary = summarise([with_collector(fault)], made_by={})
    assert graver_than_info(summary) == {"no_priorities"}
    finding = next(verdict.finding for verdict in summary.verdicts if verdict.rule == "no_priorities")
    assert "no process priorities in 1 trial" in finding
    assert finding.endswith(f"; 1 refusal, most often: {fault.error}.")
    (trial,) = to_json(summary)["trials"]
    assert trial["refused_priorities"] == [{"host": "server", "reason": fault.error}]
    assert trial["faults"] == []


def test_a_capture_without_drops_is_no_finding() -> None:
    summary = summarise([with_collector(capture(packets=1000, dropped=0))], made_by={})
    assert graver_than_info(summary) == set()


@pytest.mark.parametrize(
    ("made", "says"),
    [([], "no capture on server in 1 trial"), ([capture()], "no whole capture on server in 1 trial")],
)
def test_a_capture_that_failed_is_said_once(made: list[Capture], says: str) -> None:
    fault = Fault(where="collectors.capture", error="eth0: no tcpdump. Install it.", mono_ns=3)
    summary = summarise([with_collector(*made, fault)], made_by={})
    assert graver_than_info(summary) == {"failed_captures"}
    finding = next(verdict.finding for verdict in summary.verdicts if verdict.rule == "failed_captures")
    assert finding == f"{says}: eth0: no tcpdump. Install it."
    assert summary.exit_code == 0
    (trial,) = to_json(summary)["trials"]
    assert trial["failed_captures"] == [{"host": "server", "reason": fault.error}]
    assert trial["faults"] == []
