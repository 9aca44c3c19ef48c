"""Checks of a trial against something that is not the probe: interface counters, routes, the addresses a server saw.

Pure functions over records; each finding is a fact with its numbers, passed or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.faults import are_counters_disturbed, killed_by_faults
from analysis.load import Records, SegmentRecords
from instrument.records import Model, Rpc, Sample, Segment, Serve
from testbed.inventory import Security
from testbed.paths import NodePath, Payload, astray, counters_text

PACKET_HEADERS = 66  # bytes: Ethernet 14, IPv4 20, TCP 32 with its timestamps; an acknowledgement is nothing else
REQUEST_HEADERS = 1024  # bytes: HTTP's of a request and its answer, and the records of TLS
SENT_AGAIN = 0.10  # of the payload: a queue that is too short for a window drops some of it; seen: up to 0.05
STRAY_BYTES = 1000
WITH_MANAGEMENT = " (management included)"  # then what is counted has no upper limit
FLEET = "/flwr.proto.Fleet/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: what was compared, whether it held, and the numbers."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Devices:
    """A node's devices by network, the network of the trial, and those networks that management uses too."""

    node: str
    by_network: Mapping[str, str]
    interface: str
    shared: Collection[str] = ()


def all_checks(
    records: Records, devices: Sequence[Devices], server_side: Iterable[str], *, security: Security = "none"
) -> list[Check]:
    """Every check of one trial. `server_side` are the addresses that nodes of the dialled network may have."""
    checks = [] if are_counters_disturbed(records) else [_counters(records, device) for device in devices]
    checks += [_silence(records, device) for device in devices]
    if security != "none":
        checks.append(_secured(records, security))
    return [*checks, _peers(records, set(server_side)), _spools(records), _models(records)]


def path_checks(paths: Sequence[NodePath], payloads: Mapping[str, Payload]) -> list[Check]:
    """Each node's route before and after the trial, and what its interfaces carried meanwhile."""
    return [check for path in paths for check in (_route(path), _carried(path, payloads[path.node]))]


def _route(path: NodePath) -> Check:
    device = path.devices[path.network]
    return Check(
        name=f"{path.node}: route to {path.server}",
        passed={path.before.route.device, path.after.route.device} == {device},
        detail=f"by {path.before.route} before the trial, by {path.after.route} after it, {device} expected",
    )


def _carried(path: NodePath, payload: Payload) -> Check:
    return Check(
        name=f"{path.node}: bytes by interface",
        passed=payload.total_bytes > 0 and not path.unread and not astray(path, payload),
        detail=f"payload {payload.sent_bytes:,} B sent, {payload.received_bytes:,} B received; {counters_text(path)}",
    )


def payload_of(records: Records, node: str) -> Payload:
    """Bytes of all request and response bodies between a node's SuperNode and the SuperLink that were answered.

    An attempt without an answer (a connection that the server had closed) may have sent any part of its body.
    """
    answered = [attempt for attempt in _attempts(records, node) if attempt.status is not None]
    return Payload(
        sent_bytes=sum(record.request_bytes for record in answered),
        received_bytes=sum(record.response_bytes for record in answered),
    )


def _attempts(records: Records, node: str) -> list[Rpc]:
    """All attempts of requests of a node's SuperNode to the SuperLink."""
    return [
        record
        for segment in records.segments
        if segment.header.host == node and segment.header.role == "flower-supernode"
        for record in segment.records
        if isinstance(record, Rpc) and record.method.startswith(FLEET)
    ]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a node's device received and sent in all, by its own counters."""

    bytes: int
    packets: int


def counted(records: Records, node: str, device: str) -> Counted | None:
    """What a node's device carried between the first and the last sample; None without samples."""
    samples = [
        record
        for segment in records.segments
        if segment.header.host == node
        for record in segment.records
        if isinstance(record, Sample) and record.collector == "interfaces" and record.subject == device
    ]
    if len(samples) < 2:
        return None
    samples.sort(key=lambda sample: sample.mono_ns)
    first, last = samples[0].values, samples[-1].values
    return Counted(*(int(_both_ways(last, unit) - _both_ways(first, unit)) for unit in ("bytes", "packets")))


def _both_ways(values: Mapping[str, int | float], unit: str) -> float:
    return values[f"interface_rx_{unit}"] + values[f"interface_tx_{unit}"]


def _counters(records: Records, device: Devices) -> Check:
    """The payload went through the device, and besides it what carrying it takes: headers, and some of it twice."""
    name = f"{device.node}: counters of {device.by_network[device.interface]}"
    payload = payload_of(records, device.node).total_bytes
    moved = counted(records, device.node, device.by_network[device.interface])
    if moved is None or payload == 0:
        nothing = f"nothing to compare: payload {payload} B, counted {moved.bytes if moved else None} B"
        return Check(name=name, passed=False, detail=nothing)
    attempts = _attempts(records, device.node)
    unanswered = sum(attempt.request_bytes for attempt in attempts if attempt.status is None)
    headers = PACKET_HEADERS * moved.packets + REQUEST_HEADERS * len(attempts)
    is_shared = device.interface in device.shared
    return Check(
        name=name,
        passed=moved.bytes >= payload
        and (is_shared or moved.bytes <= headers + unanswered + (1 + SENT_AGAIN) * payload),
        detail=f"payload {payload} B, counted {moved.bytes} B: {moved.bytes / payload - 1:+.1%}, of which headers of "
        f"{moved.packets} packets and {len(attempts)} requests are {headers / payload:.1%}"
        f"{WITH_MANAGEMENT if is_shared else ''}",
    )


def _silence(records: Records, device: Devices) -> Check:
    others = {
        network: counted(records, device.node, name)
        for network, name in device.by_network.items()
        if network != device.interface
    }
    loud = {
        network
        for network, moved in others.items()
        if network not in device.shared and (moved is None or moved.bytes >= STRAY_BYTES)
    }
    parts = [
        f"{network} {moved.bytes if moved else None} B{WITH_MANAGEMENT if network in device.shared else ''}"
        for network, moved in others.items()
    ]
    return Check(
        name=f"{device.node}: silence elsewhere", passed=not loud, detail=", ".join(parts) or "no other interface"
    )


def peers(records: Records) -> dict[str, int]:
    """The addresses from which the SuperLink saw nodes, with the number of their requests."""
    seen: dict[str, int] = defaultdict(int)
    for segment in records.segments:
        if segment.header.role == "flower-superlink":
            for record in segment.records:
                if isinstance(record, Serve) and record.path.startswith("/v1/fleet/"):
                    seen[record.peer] += 1
    return dict(seen)


def _peers(records: Records, allowed: set[str]) -> Check:
    seen = peers(records)
    strangers = {peer: count for peer, count in seen.items() if peer not in allowed}
    detail = ", ".join(f"{peer} {count} requests" for peer, count in sorted(seen.items())) or "no request"
    return Check(name="server: peers", passed=bool(seen) and not strangers, detail=detail)


def _secured(records: Records, security: Security) -> Check:
    """What the processes themselves say that they were told, which their headers hold."""
    headers = [segment.header for segment in records.segments]
    superlinks = [one for one in headers if one.role == "flower-superlink"]
    supernodes = [one for one in headers if one.role == "flower-supernode"]
    asked = {"TLS": ("--ssl-certfile", "--root-certificates")}
    if security == "tls+supernode-auth":
        asked["SuperNode authentication"] = ("--enable-supernode-auth", "--auth-supernode-private-key")
    without = [
        f"{one.role} on {one.host} without {what}"
        for what, (of_superlink, of_supernode) in asked.items()
        for option, group in ((of_superlink, superlinks), (of_supernode, supernodes))
        for one in group
        if not _was_told(one, option)
    ]
    detail = ", ".join(without) or f"{' and '.join(asked)}: {len(superlinks)} SuperLink, {len(supernodes)} SuperNodes"
    return Check(name="security", passed=bool(superlinks and supernodes) and not without, detail=detail)


def _was_told(header: Segment, option: str) -> bool:
    return option in header.argv and "--insecure" not in header.argv


def _spools(records: Records) -> Check:
    killed = killed_by_faults(records)
    cut = [_label(segment) for segment in records.segments if segment.end is None and _who(segment) not in killed]
    dropped = sum(segment.end.dropped for segment in records.segments if segment.end is not None)
    detail = f"{len(records.segments)} files, cut off: {', '.join(cut) or 'none'}, records dropped: {dropped}"
    detail += f", processes killed by the fault: {len(killed)}" if killed else ""
    return Check(name="spools: whole", passed=not cut and dropped == 0, detail=detail)


def _models(records: Records) -> Check:
    digests = {
        record.round: record.sha256
        for segment in records.segments
        for record in segment.records
        if isinstance(record, Model)
    }
    differ = len(set(digests.values())) == len(digests)
    return Check(
        name="server: the model changed every round",
        passed=bool(digests) and differ,
        detail=f"{len(set(digests.values()))} different models after {len(digests)} rounds",
    )


def _who(segment: SegmentRecords) -> tuple[str, int]:
    return segment.header.host, segment.header.pid


def _label(segment: SegmentRecords) -> str:
    return f"{segment.header.role} {segment.header.pid} on {segment.header.host}"


def as_documents(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """What trial.json holds of them."""
    return [{"name": check.name, "ok": check.passed, "detail": check.detail} for check in checks]
