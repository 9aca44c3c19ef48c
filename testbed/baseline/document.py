"""What of the links is kept: RUN_DIR/baseline.json, which `analysis.baseline` reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from analysis.baseline import SCHEMA
from testbed.baseline.iperf3 import Carried
from testbed.baseline.ping import Latency
from testbed.baseline.plan import PACKET_BYTES, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineLink:
    """What one node's link on one network can do; None is what was not measured, and `problems` say why.

    `moved_bytes` is what each of the node's interfaces carried meanwhile, both ways.
    """

    node: str
    network: str
    device: str | None = None
    device_mtu: int | None = None
    path_mtu: int | None = None
    up: Carried | None = None
    down: Carried | None = None
    latency_idle: Latency | None = None
    latency_up: Latency | None = None
    latency_down: Latency | None = None
    moved_bytes: Mapping[str, int | None] = field(default_factory=dict)
    problems: Sequence[str] = ()


def document(links: Sequence[BaselineLink], plan: Plan) -> dict[str, Any]:
    """The file's content: seconds, bytes, bit/s and ratios of 0 to 1, as the names say."""
    moved = {
        network: sum(link.moved_bytes.get(network) or 0 for link in links if link.network == network)
        for network in dict.fromkeys(link.network for link in links)
    }
    return {
        "schema": SCHEMA,
        "plan": {**asdict(plan), "loaded_pings": plan.loaded_pings, "packet_bytes": PACKET_BYTES},
        "moved_bytes": moved,
        "links": [asdict(link) for link in links],
    }
