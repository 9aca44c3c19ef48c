"""Transfers of the probe beside the same transfers on the wire.

The wire's times come from packets and ports alone. The probe's records only say which of a connection's requests
belong to one message. A transfer on the wire begins with its first payload byte at the sender and ends with its last
at the receiver: on an emulated testbed captures at both ends share one wall clock. Where they do not, the client's
capture alone is the reference, half a handshake's round trip added or taken off for the way it cannot see.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.joins import JoinedMessage, joined
from analysis.load import Records, load_spools
from analysis.model import MessageTimes, Transfer, TrialFacts
from analysis.trial import analyse
from collectors.packets import WireTransfer, read_capture, to_mono_ns, transfers_on_wire
from instrument.records import Capture, Rpc
from testbed.deployment import SUPERLINK_PORT
from testbed.errors import FedprobeError
from testbed.selftest.conduct import BATCHES_FILE
from testbed.selftest.naive import naive_estimates

NEAR_NS = 500_000_000  # a request's first packet comes so soon after the stamp of its headers
PAIR_NS = 1_000_000  # how far the two clocks that a capture pairs may be off
Exchanges = Mapping[tuple[int, str], WireTransfer]
ByPort = Mapping[int, Sequence[Exchanges]]


class NoReferenceError(FedprobeError):
    """The captures do not hold what the probe's transfers are to be compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One transfer of one message: its time on the wire and what each estimator made of it, all in seconds.

    `estimates` has "headline", "two_ended", "one_host" and the common methods; "both" directions together have only
    those methods that cannot tell them apart. `application_read_s` is from the last packet to the application's read.
    """

    trial: str
    node: str
    round: int
    direction: str
    rate_bit_per_s: int | None
    delay_ns: int
    arrays: int
    tls: bool
    payload_bytes: int
    objects: int
    reference: str
    wire_s: float
    estimates: Mapping[str, float]
    application_read_s: float | None = None


def compared(trial: Path, *, shift_ns: int = 0, cell: Mapping[str, Any] | None = None) -> list[Compared]:
    """Every transfer of a self-test's trial. `shift_ns` makes the receiver's stamps late: the test of the test.

    `cell` stands for the trial's own file that says what was run, for trials that are no self-test's.
    Raises NoReferenceError where a capture is missing, dropped packets, or lacks a transfer.
    """
    cell = cell or json.loads((trial / BATCHES_FILE).read_text(encoding="utf-8"))
    records = shifted(load_spools(trial / "spool"), shift_ns)
    _refuse_drops(records)
    facts = TrialFacts(name=trial.name, interface="")
    times = {message.message_id: message for message in analyse(records, facts).messages}
    server = _exchanges(trial, "server")
    found: list[Compared] = []
    for node in cell["networks"]:
        client = _exchanges(trial, node)
        capture = _capture_of(records, node)
        for message in joined(records):
            if message.node == node and times[message.dispatch.message_id].outcome == "ok":
                wires = _Wires(cell, client, server, capture)
                found += _of_message(message, times[message.dispatch.message_id], wires, trial.name)
    return found


def shifted(records: Records, shift_ns: int) -> Records:
    """The records with every stamp of a last byte at its receiver made late by this much."""
    if not shift_ns:
        return records

    def late(record: object) -> object:
        if not isinstance(record, Rpc) or record.server_last_byte_mono_ns is None or record.body_read_mono_ns is None:
            return record
        return replace(
            record,
            server_last_byte_mono_ns=record.server_last_byte_mono_ns + shift_ns,
            body_read_mono_ns=record.body_read_mono_ns + shift_ns,
        )

    segments = [replace(segment, records=tuple(late(one) for one in segment.records)) for segment in records.segments]  # type: ignore[misc]
    return replace(records, segments=segments)


@dataclass(frozen=True, slots=True)
class _Wires:
    """The exchanges of one node's connections as both ends captured them."""

    cell: Mapping[str, Any]
    client: ByPort
    server: ByPort
    capture: Capture

    def seconds(self, requests: Sequence[Rpc], direction: str) -> float:
        """First payload byte at the sender to the last at the receiver, over all requests of a message."""
        keys = [self._exchange(rpc) for rpc in requests]
        here = [exchanges[number, direction] for exchanges, number in keys]
        if not self.cell["shared_wall_clock"]:
            return _from_client(here, direction)
        there = [self._same_at_server(exchanges)[number, direction] for exchanges, number in keys]
        begins, ends = (here, there) if direction == "uplink" else (there, here)
        first_ns = min(transfer.first_payload_wall_ns for transfer in begins)
        return (max(transfer.last_payload_wall_ns for transfer in ends) - first_ns) / 1e9

    def _exchange(self, rpc: Rpc) -> tuple[Exchanges, int]:
        """The next request of this port after the probe's stamp: a connection carries one at a time."""
        sent_ns = rpc.headers_sent_mono_ns
        assert sent_ns is not None
        choices = [
            (to_mono_ns(transfer.first_payload_wall_ns, self.capture) - sent_ns, place, number)
            for place, exchanges in enumerate(self.client.get(rpc.local_port or 0, ()))
            for (number, direction), transfer in exchanges.items()
            if direction == "uplink" and not transfer.tls_handshake
        ]
        choices = [choice for choice in choices if choice[0] >= -PAIR_NS]
        if not choices or min(choices)[0] > NEAR_NS:
            raise NoReferenceError(
                f"no packet of {rpc.method} from port {rpc.local_port} is in the client's capture: "
                "was it started in time? Run the self-test again."
            )
        _, place, number = min(choices)
        return self.client[rpc.local_port or 0][place], number

    def _same_at_server(self, exchanges: Exchanges) -> Exchanges:
        """The same connection in the server's capture: of those with its address and port the one nearest in time."""
        one = next(iter(exchanges.values()))
        same = [
            other for other in self.server.get(one.local_port, ()) if next(iter(other.values())).client == one.client
        ]
        if not same:
            raise NoReferenceError(f"the server's capture lacks the connection from {one.client}:{one.local_port}.")
        first_ns = min(transfer.first_payload_wall_ns for transfer in exchanges.values())
        return min(same, key=lambda other: abs(min(t.first_payload_wall_ns for t in other.values()) - first_ns))


def _from_client(transfers: Sequence[WireTransfer], direction: str) -> float:
    """By the client's capture alone: less, or more, half a round trip of the handshake."""
    first_ns = min(transfer.first_payload_wall_ns for transfer in transfers)
    rtts = [transfer.handshake_rtt_ns for transfer in transfers if transfer.handshake_rtt_ns is not None]
    half_ns = min(rtts, default=0) // 2
    if direction == "uplink":
        last_ns = max(transfer.last_ack_wall_ns or transfer.last_payload_wall_ns for transfer in transfers)
        return (last_ns - first_ns - half_ns) / 1e9
    return (max(transfer.last_payload_wall_ns for transfer in transfers) - first_ns + half_ns) / 1e9


def _of_message(message: JoinedMessage, times: MessageTimes, wires: _Wires, trial: str) -> Iterator[Compared]:
    side, down, up = message.node_side, times.downlink, times.uplink
    if side is None or down is None or up is None:
        return
    naive, cell = naive_estimates(message, times), wires.cell
    row = Compared(
        trial=trial,
        node=message.node,
        round=message.dispatch.round,
        direction="both",
        rate_bit_per_s=cell["rates_bit_per_s"].get(message.node),
        delay_ns=cell["delay_ns"],
        arrays=_arrays(up.objects, cell["arrays"]),
        tls=cell["tls"],
        payload_bytes=up.payload_bytes + down.payload_bytes,
        objects=up.objects + down.objects,
        reference="both ends" if cell["shared_wall_clock"] else "client",
        wire_s=0.0,
        estimates=naive["both"],
    )
    total_s = 0.0
    for transfer, requests in ((down, side.pull_objects), (up, side.push_objects)):
        moved = [rpc for rpc in requests if rpc.status == 200 and rpc.object_available is not False]
        wire_s = wires.seconds(moved, transfer.direction)
        total_s += wire_s
        yield replace(
            row,
            direction=transfer.direction,
            payload_bytes=transfer.payload_bytes,
            objects=transfer.objects,
            wire_s=wire_s,
            estimates={**_ours(transfer), **naive[transfer.direction]},
            application_read_s=transfer.alternatives["to_application_read"]
            - transfer.alternatives["two_ended_whole"],
        )
    yield replace(row, wire_s=total_s)


def _ours(transfer: Transfer) -> dict[str, float]:
    found = {"headline": transfer.whole_s, "two_ended": transfer.alternatives["two_ended_whole"]}
    if transfer.one_host_whole_s is not None:
        found["one_host"] = transfer.one_host_whole_s
    return found


def _arrays(objects: int, choices: Sequence[int]) -> int:
    """How many arrays a message had: each is two objects, and there are some five more."""
    return min(choices, key=lambda arrays: abs(2 * arrays + 5 - objects))


def _refuse_drops(records: Records) -> None:
    for segment, capture in records.of(Capture):
        if capture.dropped:
            raise NoReferenceError(
                f"{segment.header.host}: the capture of {capture.interface} dropped {capture.dropped} packets: it is "
                "no reference. Run the self-test on a quieter machine."
            )


def _capture_of(records: Records, host: str) -> Capture:
    for segment, capture in records.of(Capture):
        if segment.header.host == host:
            return capture
    raise NoReferenceError(f"{host}: no packet capture was made. See its collectors' log in the trial's folder.")


def _exchanges(trial: Path, host: str) -> ByPort:
    """A host's captured connections by the client's port: each as its exchanges by number and direction."""
    connections: dict[tuple[str, int, str], dict[tuple[int, str], WireTransfer]] = defaultdict(dict)
    files = sorted((trial / "pcap" / host).glob("*.pcap"))
    if not files:
        raise NoReferenceError(f"{host}: no packet capture in {trial}. See its collectors' log there.")
    for file in files:
        for transfer in transfers_on_wire(read_capture(file).packets, server_port=SUPERLINK_PORT):
            connections[transfer.client, transfer.local_port, file.name][transfer.exchange, transfer.direction] = (
                transfer
            )
    found: dict[int, list[Exchanges]] = defaultdict(list)
    for (_, port, _), exchanges in connections.items():
        found[port].append(exchanges)
    return found
