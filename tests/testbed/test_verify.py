"""A trial is held against its limits: each reason by records that give it, with its number and the limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.load import Records, SegmentRecords, Unreadable, load_spools
from instrument.records import SCHEMA_VERSION, Capture, End, Exchange, Record, Sample
from instrument.spool import SegmentWriter, segment_name
from testbed.paths import Counters, Look, NodePath, Payload, Route
from testbed.validity import Invalid
from testbed.validity_limits import ValidityLimits
from testbed.verify import Judged, conditions, wholeness
from tests.instrument.made_records import header, trailer

SECOND = 1_000_000_000
VERSIONS = {"fedprobe": "0.5.0", "flwr": "1.41.0", "python": "3.11.2"}
ROLES = {"server": ("flower-superlink", "flwr-serverapp"), "pi1": ("flower-supernode", "flwr-clientapp")}


def process(host: str, role: str, *records: Record, dropped: int = 0, **changed: Any) -> SegmentRecords:
    """What one process of a trial wrote, whole unless `end` is None."""
    told: dict[str, Any] = {"host": host, "role": role, "clock": f"monotonic/{host}/0", "versions": VERSIONS}
    end: End | None = changed.pop("end", trailer(dropped=dropped))
    return SegmentRecords(name=f"{host}-{role}-23", header=header(**{**told, **changed}), records=records, end=end)


def exchange(error_ns: int) -> Exchange:
    """An exchange that bounds the offset of a clock to the server's, which reads the same, to about that."""
    return Exchange(
        peer="server",
        peer_clock="monotonic/server/0",
        path="management",
        sent_mono_ns=0,
        peer_received_mono_ns=error_ns,
        peer_sent_mono_ns=error_ns,
        received_mono_ns=2 * error_ns,
    )


GOOD = {
    **{(host, role): process(host, role) for host, roles in ROLES.items() for role in roles},
    ("pi1", "collector"): process("pi1", "collector", exchange(100_000)),
}


def trial(
    *added: SegmentRecords,
    without: Sequence[tuple[str, str]] = (),
    machine: Sequence[Sample] = (),
    ways: Sequence[NodePath] = (),
    unreadable: Sequence[Unreadable] = (),
    empty: Sequence[str] = (),
    **limits: Any,
) -> Judged:
    """A good trial of one node with these processes added, or put in the place of those of their host and role."""
    changed = {(one.header.host, one.header.role): one for one in added}
    kept = {key: one for key, one in {**GOOD, **changed}.items() if key not in without}
    return Judged(
        records=Records(segments=list(kept.values()), unreadable=unreadable, empty=empty),
        server="server",
        nodes=["pi1"],
        ways=ways,
        payloads={"pi1": Payload(sent_bytes=5_000_000, received_bytes=5_000_000)},
        limits=ValidityLimits(**limits),
        machine=machine,
    )


def against(judged: Judged) -> list[Invalid]:
    return [*conditions(judged), *wholeness(judged)]


def only(judged: Judged, reason: str) -> str:
    """The detail of the only reason against a trial."""
    (found,) = against(judged)
    assert found.reason == reason, found
    return found.detail


def samples(collector: str, *values: Mapping[str, float], subject: str = "host", every_s: int = 10) -> list[Sample]:
    return [
        Sample(
            collector=collector,
            subject=subject,
            scheduled_mono_ns=place * every_s * SECOND,
            mono_ns=place * every_s * SECOND,
            late_ns=0,
            cost_ns=0,
            values=dict(one),
        )
        for place, one in enumerate(values)
    ]


def load(*used_s: float, every_s: int = 10) -> list[Sample]:
    """What other programs used of two processors, read every ten seconds."""
    told = [{"system_cpu_logical_count": 2, "other_cpu_time_s": used} for used in used_s]
    return samples("other_programs", *told, subject="all", every_s=every_s)


def test_a_good_trial_has_nothing_against_it() -> None:
    assert against(trial()) == []


def test_other_load_is_a_share_of_all_processors() -> None:
    program = samples(
        "other_programs", {"other_cpu_time_s": 0.5}, {"other_cpu_time_s": 9.0}, subject="stress-ng:3311"
    )
    collected = process("pi1", "collector", exchange(100_000), *load(0.0, 5.0, 10.4), *program)
    assert only(trial(collected), "other load") == (
        "programs that are not the campaign's took 26 % of the 2 processors of pi1 over 20.0 s (allowed: 25 %), most "
        "of it stress-ng (pid 3311): 22 %"
    )
    assert against(trial(collected, other_load_cpu=0.27)) == []


def test_the_machine_that_hosts_share_is_judged_beside_them() -> None:
    collected = process("pi1", "collector", exchange(100_000), *load(0.0, 6.0))
    words = only(trial(collected, machine=load(0.0, 10.0)), "other load")
    assert "took 50 % of the 2 processors of this machine over 10.0 s" in words
    assert words.endswith("; 1 more host over the limit")


@pytest.mark.parametrize("seen", [load(0.0), load(0.0, 2.0, every_s=1), load(0.0, 5.0)])
def test_load_that_cannot_be_told_or_is_allowed_is_no_reason(seen: list[Sample]) -> None:
    assert against(trial(machine=seen)) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([0x0, 0x50005, 0x50005], "under-voltage and throttled, in 2 of 3 readings"),
        ([0x0, 0x20000, 0x20000], "frequency capped, in 1 of 3 readings"),  # between two readings
        ([0x50000, 0x50000, 0xD0000], "soft temperature limit, in 1 of 3 readings"),
    ],
)
def test_a_pi_that_was_slowed_down(flags: list[int], words: str) -> None:
    told = [{"system_throttled_flags": one, "system_temperature_celsius": 81.2} for one in flags]
    collected = process("pi1", "collector", exchange(100_000), *samples("throttling", *told))
    assert only(trial(collected), "throttled") == f"pi1 was slowed down: {words} (allowed: 0), 81 °C at most"
    assert against(trial(collected, throttled_samples=2)) == []


def test_what_a_pi_went_through_before_the_trial_is_no_reason() -> None:
    told = samples("throttling", {"system_throttled_flags": 0x50000}, {"system_throttled_flags": 0x50000})
    assert against(trial(process("pi1", "collector", exchange(100_000), *told))) == []


def test_a_server_that_counts_thermal_events() -> None:
    told = samples("throttling", {"system_cpu_throttle_events": 5}, {"system_cpu_throttle_events": 8})
    words = only(trial(process("server", "collector", *told)), "throttled")
    assert words == "server was slowed down: 3 thermal events of its processors, in 1 of 2 readings (allowed: 0)"


def test_versions_that_differ() -> None:
    other = process("pi1", "flower-supernode", versions={**VERSIONS, "flwr": "1.42.0"})
    words = only(trial(other), "version mismatch")
    assert words == "flwr is 1.41.0 on pi1 and server, 1.42.0 on pi1 (2 versions, allowed: 1)"
    assert against(trial(other, same_versions=["fedprobe"])) == []


def test_other_versions_are_allowed_to_differ_unless_the_campaign_says_so() -> None:
    other = process("pi1", "flower-supernode", versions={**VERSIONS, "python": "3.13.1"})
    assert against(trial(other)) == []
    assert "python is 3.11.2" in only(trial(other, same_versions=["python"]), "version mismatch")


def test_records_of_another_fedprobe_are_a_version_mismatch(tmp_path: Path) -> None:
    for role, version in (("flower-superlink", SCHEMA_VERSION), ("flower-supernode", SCHEMA_VERSION + 1)):
        told = header(role=role, schema_version=version)
        SegmentWriter(tmp_path / segment_name(told), told).append([])
    (file,) = load_spools(tmp_path).unreadable
    judged = trial(without=[("pi1", "flower-supernode")], unreadable=[replace(file, host="pi1")])
    words = only(judged, "version mismatch")
    assert words.startswith("another fedprobe wrote 1 file (allowed: 0) of pi1: ")


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        (
            trial(process("pi1", "flower-supernode", end=None)),
            "1 file without an end (allowed: 0), of flower-supernode 23 on pi1: a process was killed",
        ),
        (
            trial(empty=["pi1-flwr-clientapp-29-31"]),
            "1 file without an end (allowed: 0), of pi1-flwr-clientapp-29-31",
        ),
        (
            trial(process("pi1", "flower-supernode", dropped=7), process("server", "flwr-serverapp", dropped=4)),
            "11 records dropped by a full buffer (allowed: 0) on pi1 and server",
        ),
        (
            trial(without=[("pi1", "flwr-clientapp"), ("server", "flower-superlink")]),
            "no records of flower-superlink on server and flwr-clientapp on pi1 (2 missing, allowed: 0)",
        ),
        (
            trial(
                without=[("pi1", "flwr-clientapp")],
                unreadable=[
                    Unreadable(name="a", host="pi1", role="flwr-clientapp", reason="a.jsonl: digest differs.")
                ],
            ),
            "1 file cannot be read (allowed: 0): a.jsonl: digest differs",
        ),
    ],
)
def test_records_that_are_missing(judged: Judged, words: str) -> None:
    assert only(judged, "records missing").startswith(words)


def test_missing_records_may_be_allowed() -> None:
    cut = process("pi1", "flower-supernode", end=None)
    assert against(trial(cut, process("server", "flwr-serverapp", dropped=4), cut_files=1, dropped_records=4)) == []


def capture(packets: int | None, dropped: int | None) -> Capture:
    return Capture(
        interface="eth0",
        file="a.pcap",
        bpf="tcp port 8000",
        start_mono_ns=0,
        start_wall_ns=0,
        end_mono_ns=1,
        end_wall_ns=1,
        packets=packets,
        dropped=dropped,
    )


def test_captures_that_lack_packets() -> None:
    collected = process("pi1", "collector", exchange(100_000), capture(1993, 7), capture(5, 0))
    words = only(trial(collected), "capture dropped")
    assert words == "captures lack 7 of 2,000 packets (allowed: 0), on pi1 (eth0)"
    assert against(trial(collected, dropped_packets=7)) == []
    ended = process("pi1", "collector", exchange(100_000), capture(None, None))
    assert only(trial(ended), "capture dropped") == "1 capture ended early (allowed: 0), on pi1 (eth0)"


def test_a_clock_that_is_known_too_badly() -> None:
    collected = process("pi1", "collector", exchange(40_000_000))
    words = only(trial(collected), "clock error")
    assert words.startswith("the clock of pi1 is known to ±40.0 ms (allowed: ±25.0 ms)")
    assert against(trial(collected, clock_error_ms=41)) == []


def test_a_clock_that_is_not_known_at_all() -> None:
    assert only(trial(without=[("pi1", "collector")]), "clock error") == (
        "the clock of pi1 is not known: no exchange was answered (allowed: ±25.0 ms)"
    )


def path(*, by_5g: int, by_ethernet: int) -> NodePath:
    """A way over 5g: what each interface moved each way between the looks."""
    route = Route(device="wwan0")
    looks = [
        Look(
            route=route,
            counters={
                network: Counters(received_bytes=moved * later, sent_bytes=moved * later)
                for network, moved in (("5g", by_5g), ("ethernet", by_ethernet))
            },
        )
        for later in (0, 1)
    ]
    return NodePath(
        node="pi1",
        network="5g",
        server="10.0.3.1",
        pinned_by="address",
        devices={"5g": "wwan0", "ethernet": "eth0"},
        addresses={"5g": "10.0.3.11", "ethernet": "10.0.1.11"},
        before=looks[0],
        after=looks[1],
    )


def test_bytes_by_another_interface() -> None:
    words = only(trial(ways=[path(by_5g=1_000, by_ethernet=5_100_000)]), "another interface")
    assert "eth0 carried 102% of it" in words
    assert against(trial(ways=[path(by_5g=5_300_000, by_ethernet=900)])) == []


def test_a_trial_that_failed_is_told_of_its_machines_and_not_of_what_it_lacks() -> None:
    judged = trial(process("pi1", "flower-supernode", end=None), machine=load(0.0, 10.0))
    assert [found.reason for found in conditions(judged)] == ["other load"]
    assert [found.reason for found in wholeness(judged)] == ["records missing"]
