"""Which way a trial's bytes went, proved by three things that are not the probe. Pure.

On each node, before and after the trial: the route that the kernel has to the address dialled, and the byte counters
of every measured interface; at the server: the addresses that it saw. A trial whose payload did not go through the
interface of its network is invalid, whatever else it measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from analysis.formats import listed, megabytes

AS_MUCH = 0.5  # of the payload, on another interface: more than strays, and than what other programs send meanwhile
Way = Literal["sent", "received"]
PinnedBy = Literal["address", "route"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The kernel's answer to `ip route get`; `problem` is its complaint where there is no route."""

    device: str | None = None
    gateway: str | None = None
    source: str | None = None
    problem: str | None = None

    def __str__(self) -> str:
        return self.device or self.problem or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Bytes of one interface since it came up, frames with their headers."""

    received_bytes: int
    sent_bytes: int

    @property
    def total_bytes(self) -> int:
        """Both ways."""
        return self.received_bytes + self.sent_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a node: counters by network; a network whose device is not there is absent."""

    route: Route
    counters: Mapping[str, Counters]


def look_of(document: Mapping[str, Any]) -> Look:
    """The inverse of `dataclasses.asdict` of a look."""
    counters = {network: Counters(**one) for network, one in document["counters"].items()}
    return Look(route=Route(**document["route"]), counters=counters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """Bytes of bodies between a node and the SuperLink that were answered, as the probes counted them."""

    sent_bytes: int
    received_bytes: int

    @property
    def total_bytes(self) -> int:
        """Both ways."""
        return self.sent_bytes + self.received_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePath:
    """A node's way in one trial: the network it was to use, its devices by network, and two looks at it.

    `shared` are the networks that management uses too; `addresses` are the node's own, by network; `seen` how many
    requests the server saw from each of them.
    """

    node: str
    network: str
    server: str
    pinned_by: PinnedBy
    devices: Mapping[str, str]
    addresses: Mapping[str, str]
    before: Look
    after: Look
    shared: Collection[str] = ()
    seen: Mapping[str, int] = field(default_factory=dict)

    def moved(self, network: str) -> Counters | None:
        """What an interface carried between the looks; None where it was not there, or began anew."""
        before, after = self.before.counters.get(network), self.after.counters.get(network)
        if before is None or after is None:
            return None
        received = after.received_bytes - before.received_bytes
        sent = after.sent_bytes - before.sent_bytes
        return None if min(received, sent) < 0 else Counters(received_bytes=received, sent_bytes=sent)

    @property
    def others(self) -> list[str]:
        """The measured networks that this node was not to use."""
        return [network for network in self.devices if network != self.network]

    @property
    def unread(self) -> list[str]:
        """Networks whose counters cannot be compared."""
        return [network for network in self.devices if self.moved(network) is None]


def astray(path: NodePath, payload: Payload) -> str:
    """Why a node's bytes went another way, with every counter; empty where they did not, or it cannot be told."""
    found = [*_too_little(path, payload), *_as_much_elsewhere(path, payload), *_seen_elsewhere(path)]
    if not found:
        return ""
    return (
        f"{path.node}'s bytes went another way than {path.network}: {listed(found)}. Payload "
        f"{megabytes(payload.sent_bytes)} sent, {megabytes(payload.received_bytes)} received; counted: "
        f"{counters_text(path)}. The route to {path.server} was by {path.before.route} before the trial and by "
        f"{path.after.route} after it"
    )


def _too_little(path: NodePath, payload: Payload) -> list[str]:
    moved = path.moved(path.network)
    if moved is None:
        return []
    missing = [
        word
        for word, counted, needed in (
            ("sent", moved.sent_bytes, payload.sent_bytes),
            ("received", moved.received_bytes, payload.received_bytes),
        )
        if counted < needed
    ]
    return [f"{path.devices[path.network]} {' and '.join(missing)} less than the payload"] if missing else []


def _as_much_elsewhere(path: NodePath, payload: Payload) -> list[str]:
    found = []
    for network in path.others:
        moved = path.moved(network)
        if network in path.shared or moved is None or payload.total_bytes == 0:
            continue
        if moved.total_bytes >= AS_MUCH * payload.total_bytes:
            found.append(f"{path.devices[network]} carried {moved.total_bytes / payload.total_bytes:.0%} of it")
    return found


def _seen_elsewhere(path: NodePath) -> list[str]:
    return [
        f"the server saw {path.addresses[network]}, its address on {network}"
        for network in path.others
        if path.seen.get(path.addresses[network]) and path.addresses[network] != path.addresses[path.network]
    ]


def counters_text(path: NodePath) -> str:
    """Every interface with what it carried, the trial's own first."""
    return ", ".join(_counter_text(path, network) for network in (path.network, *path.others))


def _counter_text(path: NodePath, network: str) -> str:
    moved = path.moved(network)
    carried = (
        "not counted"
        if moved is None
        else f"{moved.sent_bytes:,} B sent, {moved.received_bytes:,} B received"
        + (" (management included)" if network in path.shared else "")
    )
    return f"{network} ({path.devices[network]}) {carried}"


def reason(paths: Sequence[NodePath], payloads: Mapping[str, Payload]) -> str:
    """Why a trial is invalid by the way its bytes went, every node counted and the first three told; or nothing."""
    found = [words for path in paths if (words := astray(path, payloads[path.node]))]
    if len(found) > 3:
        found = [*found[:3], f"{len(found) - 3} more nodes are like that"]
    return "; ".join(found)


def as_documents(paths: Iterable[NodePath]) -> dict[str, Any]:
    """What trial.json holds of them, by node."""
    return {
        path.node: {
            "network": path.network,
            "server": path.server,
            "pinned_by": path.pinned_by,
            "route_before": _known(asdict(path.before.route)),
            "route_after": _known(asdict(path.after.route)),
            "seen_by_server": dict(path.seen),
            "interfaces": {network: _interface(path, network) for network in path.devices},
        }
        for path in paths
    }


def _interface(path: NodePath, network: str) -> dict[str, Any]:
    before, after, moved = path.before.counters.get(network), path.after.counters.get(network), path.moved(network)
    return {
        "device": path.devices[network],
        "address": path.addresses[network],
        "management_too": network in path.shared,
        "before": before and asdict(before),
        "after": after and asdict(after),
        "moved": moved and asdict(moved),
    }


def _known(route: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in route.items() if value is not None}
