"""The probes against packets: t_u and t_d beside tcpdump at both ends of the same transfers.

The hosts of the emulated testbed share one wall clock (only their monotonic clocks differ), so that packet stamps of
two hosts can be compared directly. A transfer on the wire begins with its first payload byte at its sender and ends
with its last payload byte at its receiver; it is found by packets and port alone. The probe's records serve only to
name which of a connection's exchanges belong to the same message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pytest

from analysis.load import Records, load_spools
from analysis.trial import load_trial
from collectors.packets import WireTransfer, read_segments, to_mono_ns, transfers_on_wire
from instrument.records import Capture, Rpc
from tests.campaign.conftest import Ran

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]
PORT = 8000
NEAR_NS = 150_000_000


@dataclass(frozen=True)
class Compared:
    """One transfer, by the probe and on the wire, in seconds."""

    direction: str
    probe_s: float
    wire_s: float

    @property
    def error_s(self) -> float:
        return self.probe_s - self.wire_s


@pytest.mark.parametrize("network", ["5g", "wifi"])
def test_probe_and_packets_agree(quickstart_run: Ran, network: str) -> None:
    assert disagreements(_trial_of(quickstart_run.folder, network)) == []


def disagreements(folder: Path) -> list[str]:
    """Where t_u or t_d is off by more than 1 % in the mean, or by more than 5 % and 30 ms in one transfer."""
    compared = list(_compared(folder))
    found = []
    for direction in ("uplink", "downlink"):
        ours = [one for one in compared if one.direction == direction]
        assert len(ours) == 4 * 5
        mean_error = fmean(one.error_s for one in ours) / fmean(one.wire_s for one in ours)
        found += [f"{direction}: mean {mean_error:+.2%}"] if abs(mean_error) > 0.01 else []
        found += [str(one) for one in ours if abs(one.error_s) > max(0.05 * one.wire_s, 0.030)]
    return found


def _trial_of(run: Path, network: str) -> Path:
    return next(path for path in (run / "trials").iterdir() if f"-{network}-" in path.name)


def test_no_packet_was_dropped_by_the_capture(quickstart_run: Ran) -> None:
    captures = [
        record
        for folder in (quickstart_run.folder / "trials").iterdir()
        for _, record in load_spools(folder / "spool").of(Capture)
    ]
    assert len(captures) == 3 * 5
    assert all(capture.dropped == 0 and capture.packets for capture in captures)


def _compared(folder: Path) -> Iterator[Compared]:
    records = load_spools(folder / "spool")
    server = _wire(folder, "server")
    for node in ("pi1", "pi2", "pi3", "pi4"):
        yield from _of_node(folder, records, node, server)


def _wire(folder: Path, host: str) -> dict[tuple[str, int], dict[tuple[int, str], WireTransfer]]:
    """Exchanges by connection (client address, port), then by number and direction."""
    (file,) = (folder / "pcap" / host).glob("*.pcap")
    found: dict[tuple[str, int], dict[tuple[int, str], WireTransfer]] = defaultdict(dict)
    for transfer in transfers_on_wire(read_segments(file), server_port=PORT):
        found[transfer.client, transfer.local_port][transfer.exchange, transfer.direction] = transfer
    return found


def _of_node(
    folder: Path,
    records: Records,
    node: str,
    server: dict[tuple[str, int], dict[tuple[int, str], WireTransfer]],
) -> Iterator[Compared]:
    client = _wire(folder, node)
    capture = next(record for segment, record in records.of(Capture) if segment.header.host == node)
    rpcs = [
        record
        for segment, record in records.of(Rpc)
        if segment.header.host == node and segment.header.role == "flower-supernode"
    ]
    for message in load_trial(folder).messages:
        if message.node != node:
            continue
        for direction, method in (("uplink", "PushObject"), ("downlink", "PullObject")):
            transfer = message.uplink if direction == "uplink" else message.downlink
            assert transfer is not None
            mine = [
                rpc
                for rpc in rpcs
                if rpc.method.endswith(f"Fleet/{method}") and rpc.status and _inside(rpc, message, method, rpcs)
            ]
            exchanges = [_exchange(rpc, client, capture) for rpc in mine]
            begins, ends = (client, server) if direction == "uplink" else (server, client)
            starts = [begins[key][number, direction].first_payload_wall_ns for key, number in exchanges]
            stops = [ends[key][number, direction].last_payload_wall_ns for key, number in exchanges]
            yield Compared(
                direction=direction,
                probe_s=transfer.whole_s,
                wire_s=(max(stops) - min(starts)) / 1e9,
            )


def _inside(rpc: Rpc, message: object, method: str, rpcs: list[Rpc]) -> bool:
    """Whether a request is about this message: by the session its reply opened, or as what was announced last."""
    message_id = message.message_id  # type: ignore[attr-defined]
    if method == "PushObject":
        pushes = [one for one in rpcs if one.method.endswith("Fleet/PushMessages") and one.reply_to == message_id]
        return rpc.session_id is not None and rpc.session_id in {push.session_id for push in pushes}
    pulls = [one for one in rpcs if one.method.endswith("Fleet/PullMessages") and one.message_id]
    before = [one for one in pulls if one.start_mono_ns < rpc.start_mono_ns]
    return bool(before) and max(before, key=lambda one: one.start_mono_ns).message_id == message_id


def _exchange(
    rpc: Rpc, wire: dict[tuple[str, int], dict[tuple[int, str], WireTransfer]], capture: Capture
) -> tuple[tuple[str, int], int]:
    """The exchange of the request's connection that began nearest to it."""
    (key,) = [key for key in wire if key[1] == rpc.local_port]
    assert rpc.headers_sent_mono_ns is not None
    requests = [transfer for (_, direction), transfer in wire[key].items() if direction == "uplink"]

    def distance_ns(transfer: WireTransfer) -> int:
        assert rpc.headers_sent_mono_ns is not None
        return abs(to_mono_ns(transfer.first_payload_wall_ns, capture) - rpc.headers_sent_mono_ns)

    nearest = min(requests, key=distance_ns)
    assert distance_ns(nearest) < NEAR_NS, "no packet near this request"
    return key, nearest.exchange
