"""The delayer: order, delay and loss of its schedule, its messages, and its histogram."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.emulation import lateness, nfqueue
from testbed.emulation.delayer import Impairment, Schedule, Tally

UP = Impairment(queue=1, delay_ns=14_000_000, jitter_sigma_ns=3_000_000, loss_ratio=0.0)
ONE, TWO = b"\x0a\x4d\x03\x01\x0a\x4e\x03\x01", b"\x0a\x4d\x03\x02\x0a\x4e\x03\x01"


def packet(number: int, addresses: bytes = ONE) -> nfqueue.Packet:
    return nfqueue.Packet(nfqueue.queue_bytes(1), number.to_bytes(4, "big"), addresses)


def drained(schedule: Schedule) -> list[tuple[int, nfqueue.Packet]]:
    return list(iter(lambda: schedule.pop_due(1 << 62), None))


@given(st.lists(st.tuples(st.integers(0, 5_000_000), st.sampled_from([ONE, TWO])), max_size=60), st.integers())
def test_packets_of_a_flow_keep_their_order_and_none_is_early(arrivals, seed: int) -> None:
    schedule = Schedule([UP], seed)
    now_ns, came = 0, {}
    for number, (gap_ns, addresses) in enumerate(arrivals):
        now_ns += gap_ns
        came[number] = now_ns
        assert schedule.add(packet(number, addresses), now_ns)
    out = [
        (deadline_ns, int.from_bytes(one.packet_id, "big"), one.addresses) for deadline_ns, one in drained(schedule)
    ]
    assert sorted(number for _, number, _ in out) == list(range(len(arrivals)))
    for flow in (ONE, TWO):
        numbers = [number for _, number, addresses in out if addresses == flow]
        assert numbers == sorted(numbers)
    assert all(deadline_ns >= came[number] + UP.delay_ns for deadline_ns, number, _ in out)
    assert [deadline_ns for deadline_ns, _, _ in out] == sorted(deadline_ns for deadline_ns, _, _ in out)


def test_one_client_does_not_wait_for_another() -> None:
    schedule = Schedule([UP], seed=1)
    for number in range(200):
        schedule.add(packet(number, ONE if number % 2 else TWO), number)
    order = [int.from_bytes(one.packet_id, "big") for _, one in drained(schedule)]
    assert order != sorted(order)


def test_nothing_is_due_before_its_time() -> None:
    schedule = Schedule([replace(UP, jitter_sigma_ns=0)], seed=1)
    schedule.add(packet(1), 0)
    assert schedule.next_ns == 14_000_000
    assert schedule.pop_due(13_999_999) is None
    assert schedule.pop_due(14_000_000) == (14_000_000, packet(1))
    assert schedule.next_ns is None
    assert len(schedule) == 0


def test_the_seed_decides_the_noise() -> None:
    def run(seed: int) -> list[int]:
        schedule = Schedule([replace(UP, loss_ratio=0.3)], seed)
        kept = [schedule.add(packet(number), number * 10**9) for number in range(500)]
        assert 100 < kept.count(False) < 200
        return [deadline_ns for deadline_ns, _ in drained(schedule)]

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_jitter_is_half_normal() -> None:
    schedule = Schedule([UP], seed=3)
    for number in range(4001):
        schedule.add(packet(number), number * 10**9)
    extra = [deadline_ns % 10**9 - UP.delay_ns for deadline_ns, _ in drained(schedule)]
    assert min(extra) >= 0
    assert sum(extra) / len(extra) == pytest.approx(3e6 * 0.7979, rel=0.05)


@given(
    st.builds(
        Impairment,
        queue=st.integers(0, 65535),
        delay_ns=st.integers(0, 10**12),
        jitter_sigma_ns=st.integers(0, 10**12),
        loss_ratio=st.floats(0, 1, exclude_max=True),
    )
)
def test_options_round_trip(one: Impairment) -> None:
    assert Impairment.parse(str(one)) == one


def test_a_kernel_message_is_a_packet() -> None:
    header = bytes(range(12)) + bytes([10, 77, 3, 1, 10, 78, 3, 1])
    attributes = struct.pack("=HH", 11, 1) + b"\x00\x00\x01\x02\x08\x00\x02\x00" + struct.pack("=HH", 24, 10) + header
    message = struct.pack("=IHHII", 20 + len(attributes), 0x300, 0, 0, 0) + b"\x02\x00\x00\x01" + attributes
    found = nfqueue.parse(message)
    assert found == nfqueue.Packet(b"\x00\x01", b"\x00\x00\x01\x02", bytes([10, 77, 3, 1, 10, 78, 3, 1]))
    assert nfqueue.parse(message[:40]) is None
    assert nfqueue.parse(message[:4] + b"\x02\x00" + message[6:]) is None


def test_a_verdict_names_queue_packet_and_decision() -> None:
    message = nfqueue.verdict(packet(258), nfqueue.ACCEPT)
    assert len(message) == struct.unpack_from("=I", message)[0] == 32
    assert struct.unpack_from("=H", message, 4)[0] == 0x301
    assert message[18:20] == b"\x00\x01"
    assert message[20:] == struct.pack("=HH", 12, 2) + b"\x00\x00\x00\x01" + b"\x00\x00\x01\x02"


@given(st.integers(0, 10**11))
def test_a_bucket_holds_its_lateness(late_ns: int) -> None:
    index = lateness.bucket(late_ns)
    assert index == 0 or late_ns > lateness.EDGES_NS[index - 1]
    assert index == len(lateness.EDGES_NS) or late_ns <= lateness.EDGES_NS[index]


def snapshot(late: list[int], before: Tally | None = None) -> tuple[Tally, lateness.Snapshot]:
    tally = before or Tally("fifo")
    for late_ns in late:
        tally.let_go(late_ns)
    return tally, tally.snapshot(now_ns=0)


def test_a_trial_is_the_difference_of_two_snapshots() -> None:
    tally, before = snapshot([50_000_000] * 7)
    _, after = snapshot([20_000] * 990 + [900_000] * 11, tally)
    found = lateness.between(before, after)
    assert found.packets == 1001
    assert found.mean_ns == pytest.approx((990 * 20_000 + 11 * 900_000) / 1001)
    assert 900_000 <= found.p99_ns <= 900_000 * 1.19  # the 991st of 1001
    assert 900_000 <= found.max_ns < 1_100_000


def test_no_packet_is_no_lateness() -> None:
    _, only = snapshot([5])
    found = lateness.between(only, only)
    assert (found.packets, found.mean_ns, found.p99_ns, found.max_ns) == (0, None, None, None)


def test_a_replaced_delayer_is_no_trial() -> None:
    _, before = snapshot([5])
    with pytest.raises(ValueError, match="was replaced between two snapshots"):
        lateness.between(before, replace(before, pid=1))


def test_snapshots_round_trip_through_their_file(tmp_path: Path) -> None:
    _, written = snapshot([1, 1000, 10**12])
    written.write(tmp_path / "late.json")
    assert lateness.read_snapshot(tmp_path / "late.json") == written
    assert json.loads((tmp_path / "late.json").read_text())["packets"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["late.json"]
