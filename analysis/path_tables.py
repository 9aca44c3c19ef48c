"""Which interfaces carried a trial's bytes, as counted on its nodes: the table beside the verdicts on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis import formats
from analysis.model import TrialTimes
from analysis.samples import interface_of, interface_order, is_usable
from analysis.tables import Row, Table

Counted = Mapping[str, int | None]  # by network: bytes both ways, None where a node's could not be read


def paths_table(trials: Sequence[TrialTimes]) -> Table:
    """A row for each trial whose nodes were looked at before it and after it."""
    found = [(trial, counted) for trial in trials if (counted := counted_bytes(trial))]
    networks = sorted({network for _, counted in found for network in counted}, key=interface_order)
    rows = [
        Row(
            cells=[
                trial.facts.name,
                interface_of(trial),
                f"{len(_nodes(trial))}",
                *[_cell(counted, network) for network in networks],
                _routes(trial),
            ],
            look="" if is_usable(trial) else "soft",
        )
        for trial, counted in found
    ]
    return Table(
        name="paths",
        title="Where the bytes went",
        note="Sums over the nodes of what their interfaces sent and received between the looks before and after the "
        "trial, by the kernel's counters. A trial whose payload did not go through the interface of its network is "
        "invalid. Every node's counters and routes: paths of each trial's settings in summary.json.",
        head=["trial", "network", "nodes", *[f"by {network}" for network in networks], "route to the server by"],
        rows=rows,
        numbers=range(2, 3 + len(networks)),
    )


def counted_bytes(trial: TrialTimes) -> Counted:
    """Bytes of a trial by the network whose interfaces carried them."""
    sums: dict[str, int | None] = {}
    for node in _nodes(trial).values():
        interfaces = node.get("interfaces")
        for network, one in interfaces.items() if isinstance(interfaces, dict) else ():
            moved, before = one.get("moved"), sums.get(network, 0)
            bytes_both_ways = None if moved is None else moved["sent_bytes"] + moved["received_bytes"]
            sums[network] = None if bytes_both_ways is None or before is None else before + bytes_both_ways
    return sums


def _nodes(trial: TrialTimes) -> Mapping[str, Mapping[str, object]]:
    paths = trial.facts.settings.get("paths")
    return paths if isinstance(paths, dict) else {}


def _cell(counted: Counted, network: str) -> str:
    if network not in counted:
        return formats.NOTHING
    sum_bytes = counted[network]
    return "not counted" if sum_bytes is None else formats.megabytes(sum_bytes)


def _routes(trial: TrialTimes) -> str:
    """The devices that routes led through, before and after, with the way of pinning."""
    looks = [node.get(look) for node in _nodes(trial).values() for look in ("route_before", "route_after")]
    devices = sorted({str(look.get("device", "none")) for look in looks if isinstance(look, dict)})
    ways = sorted({str(node.get("pinned_by")) for node in _nodes(trial).values()})
    return f"{formats.listed(devices)}, pinned by {formats.listed(ways)}"
