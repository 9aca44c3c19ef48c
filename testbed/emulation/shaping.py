"""What the kernel is told about the queues of one network. Pure: a profile in, classes and queues out.

Uplink is shaped where it leaves the router towards the server (`up0`), downlink where it leaves towards the Pis
(`br0`); a half-duplex medium sends both through one device (`ifb0`). Each client has a class per direction below
the shared capacity, with a queue of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from testbed.emulation.addresses import Network
from testbed.emulation.delayer import Impairment
from testbed.emulation.profiles import DirectionProfile, LinkProfile

UPLINK_DEVICE = "up0"
DOWNLINK_DEVICE = "br0"
SHARED_DEVICE = "ifb0"
FRAME_BYTES = 1514
DelayElement = Literal["netem", "nfqueue", "none"]

# Below this the lateness of a user-space delayer (0.03 to 0.2 ms) would be of the size of the delay itself.
_SMALLEST_NFQUEUE_DELAY_NS = 1_000_000
_CAPACITY_MINOR = 1
_FIRST_MINOR = {"uplink": 0x100, "downlink": 0x200}
_QUEUE_NUMBER = {"downlink": 0, "uplink": 1}
# |N(0, s)| has mean s*sqrt(2/pi) and standard deviation s*sqrt(1-2/pi)
_HALF_NORMAL_MEAN = math.sqrt(2 / math.pi)
_HALF_NORMAL_DEVIATION = math.sqrt(1 - 2 / math.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The queue of a class: a plain one, or netem with its delay (`delay_ns` and the rest are 0 for a plain one)."""

    kind: Literal["pfifo", "netem"]
    limit_packets: int
    delay_ns: int = 0
    jitter_ns: int = 0
    loss_ratio: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapedClass:
    """One HTB class; a client's class names its packets by address and has a leaf, a shared one has neither."""

    device: str
    minor: int
    parent_minor: int  # 0: directly below the device
    rate_bit_per_s: int
    ceil_bit_per_s: int
    match: tuple[Literal["src", "dst"], str] | None = None
    leaf: Leaf | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapingPlan:
    """Everything the router of one network is told."""

    network: str
    element: DelayElement
    classes: tuple[ShapedClass, ...]
    redirected: tuple[str, ...]  # devices whose packets go through SHARED_DEVICE
    impairments: tuple[Impairment, ...]  # for the delayer; empty unless element is "nfqueue"

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that carry classes."""
        return tuple(dict.fromkeys(one.device for one in self.classes))


def delay_element(link: LinkProfile, *, netem: bool) -> DelayElement:
    """What makes the delay: netem where the kernel has it, else the delayer if the delay is worth it."""
    if netem:
        return "netem"
    longest_ns = max(side.delay_ns + side.jitter_sigma_ns for side in (link.downlink, link.uplink))
    return "nfqueue" if longest_ns >= _SMALLEST_NFQUEUE_DELAY_NS else "none"


def shaping_plan(link: LinkProfile, network: Network, nodes: int, element: DelayElement) -> ShapingPlan:
    """The plan of a network with `nodes` clients."""
    half_duplex = link.half_duplex_capacity_bit_per_s is not None
    return ShapingPlan(
        network=network.name,
        element=element,
        classes=(*_capacities(link), *_clients(link, network, nodes, element)),
        redirected=(UPLINK_DEVICE, DOWNLINK_DEVICE) if half_duplex else (),
        impairments=_impairments(link) if element == "nfqueue" else (),
    )


def queue_packets(side: DirectionProfile, fair_bit_per_s: int) -> int:
    """Full frames that a queue of `side.queue_ns` holds at a rate."""
    held = fair_bit_per_s * side.queue_ns / 1e9 / 8 / FRAME_BYTES
    return max(side.queue_min_packets, math.ceil(held))


def _device(link: LinkProfile, direction: str) -> str:
    if link.half_duplex_capacity_bit_per_s is not None:
        return SHARED_DEVICE
    return UPLINK_DEVICE if direction == "uplink" else DOWNLINK_DEVICE


def _sides(link: LinkProfile) -> dict[str, DirectionProfile]:
    return {"uplink": link.uplink, "downlink": link.downlink}


def _capacity(link: LinkProfile, side: DirectionProfile) -> int | None:
    return link.half_duplex_capacity_bit_per_s or side.capacity_bit_per_s


def _capacities(link: LinkProfile) -> list[ShapedClass]:
    shared = {
        _device(link, direction): rate
        for direction, side in _sides(link).items()
        if (rate := _capacity(link, side)) is not None
    }
    return [
        ShapedClass(
            device=device,
            minor=_CAPACITY_MINOR,
            parent_minor=0,
            rate_bit_per_s=rate,
            ceil_bit_per_s=rate,
        )
        for device, rate in shared.items()
    ]


def _clients(link: LinkProfile, network: Network, nodes: int, element: DelayElement) -> list[ShapedClass]:
    return [
        _client(link, direction, network.node_address(node), minor, nodes=nodes, element=element)
        for direction, first_minor in _FIRST_MINOR.items()
        for node, minor in enumerate(range(first_minor + 1, first_minor + nodes + 1), start=1)
    ]


def _client(
    link: LinkProfile, direction: str, address: str, minor: int, *, nodes: int, element: DelayElement
) -> ShapedClass:
    side = _sides(link)[direction]
    capacity = _capacity(link, side)
    ceil = side.ceil_bit_per_s if capacity is None else min(side.ceil_bit_per_s, capacity)
    fair = ceil if capacity is None else min(ceil, capacity // nodes)
    sharers = nodes * (2 if link.half_duplex_capacity_bit_per_s is not None else 1)
    return ShapedClass(
        device=_device(link, direction),
        minor=minor,
        parent_minor=0 if capacity is None else _CAPACITY_MINOR,
        rate_bit_per_s=ceil if capacity is None else min(ceil, capacity // sharers),
        ceil_bit_per_s=ceil,
        match=("src" if direction == "uplink" else "dst", address),
        leaf=_leaf(side, ceil, queue_packets(side, fair), element),
    )


def _leaf(side: DirectionProfile, ceil: int, queued: int, element: DelayElement) -> Leaf:
    if element != "netem":
        return Leaf(kind="pfifo", limit_packets=queued)
    delay_ns = side.delay_ns + round(side.jitter_sigma_ns * _HALF_NORMAL_MEAN)
    jitter_ns = round(side.jitter_sigma_ns * _HALF_NORMAL_DEVIATION)
    # netem's limit counts the packets on their way too
    under_way = math.ceil(ceil * (delay_ns + 4 * jitter_ns) / 1e9 / 8 / FRAME_BYTES)
    return Leaf(
        kind="netem",
        limit_packets=queued + under_way,
        delay_ns=delay_ns,
        jitter_ns=jitter_ns,
        loss_ratio=side.loss_ratio,
    )


def _impairments(link: LinkProfile) -> tuple[Impairment, ...]:
    return tuple(
        Impairment(
            queue=_QUEUE_NUMBER[direction],
            delay_ns=side.delay_ns,
            jitter_sigma_ns=side.jitter_sigma_ns,
            loss_ratio=side.loss_ratio,
        )
        for direction, side in _sides(link).items()
    )


def queue_rules(plan: ShapingPlan) -> str:
    """The rules of `iptables-restore` that hand a router's packets to the delayer.

    No bypass: where the delayer is dead the link is dead, so that no trial passes without its delay.
    """
    downlink, uplink = _QUEUE_NUMBER["downlink"], _QUEUE_NUMBER["uplink"]
    rules = [
        f"-A FORWARD -i {UPLINK_DEVICE} -o {DOWNLINK_DEVICE} -j NFQUEUE --queue-num {downlink}",
        f"-A FORWARD -i {DOWNLINK_DEVICE} -o {UPLINK_DEVICE} -j NFQUEUE --queue-num {uplink}",
    ]
    return "\n".join(["*filter", *(rules if plan.element == "nfqueue" else []), "COMMIT", ""])
