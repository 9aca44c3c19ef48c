"""Tells the kernel a shaping plan and reads back what it understood. Runs inside the router's namespace.

Rates go to the kernel in bytes/s, and `tc -j` reports delays in seconds and losses as ratios.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from testbed.emulation import namespaces, programs
from testbed.emulation.shaping import FRAME_BYTES, SHARED_DEVICE, Leaf, ShapedClass, ShapingPlan
from testbed.errors import EmulationError

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_ROOT = 0x10000
_BURST_BYTES = 4096
_ETHERTYPE_IPV4 = 0x0800
_ADDRESS_OFFSET = {"src": 12, "dst": 16}  # bytes into the IPv4 header
_NETEM_RATE = "10gbit"  # a rate makes netem keep the order of packets. Source: sch_netem.c, "reference point"


def kernel_has_netem() -> bool:
    """Whether netem can be added, tried in a scratch namespace."""

    def attempt() -> bool:
        try:
            programs.output(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"], testbed_id="")
        except EmulationError:
            return False
        return True

    return namespaces.inside_scratch(attempt)


def apply(plan: ShapingPlan, testbed_id: str) -> None:
    """Set up the queues of this namespace, then read them back. Raises EmulationError."""
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        if plan.redirected:
            ip.link("add", ifname=SHARED_DEVICE, kind="ifb")
            ip.link("set", index=_index(ip, SHARED_DEVICE), state="up")
        for device in plan.devices:
            ip.tc("add", "htb", _index(ip, device), _ROOT, default=0)
        for one in plan.classes:
            _add_class(ip, one)
        programs.output(["tc", "-batch", "-"], testbed_id=testbed_id, standard_input="\n".join(batch(plan)) + "\n")
        differences = [*_class_differences(ip, plan), *_leaf_differences(plan, testbed_id)]
    if differences:
        raise EmulationError(
            f"the {plan.network} link is not what was asked: {'; '.join(differences)}. "
            "The kernel changed a setting: correct the profile, or use another kernel."
        )


def change(classes: Sequence[ShapedClass], before: Sequence[ShapedClass], testbed_id: str) -> None:
    """Give classes that are there other rates, those that differ from `before`. Raises EmulationError."""
    known = {(one.device, one.minor): one for one in before}
    lines = [class_change(one) for one in classes if known.get((one.device, one.minor)) != one]
    if lines:
        programs.output(["tc", "-batch", "-"], testbed_id=testbed_id, standard_input="\n".join(lines) + "\n")


def class_change(one: ShapedClass) -> str:
    """The line for `tc -batch` that gives a class which is there its rates. Pure."""
    return (
        f"class change dev {one.device} parent 1:{one.parent_minor:x} classid 1:{one.minor:x} htb "
        f"rate {one.rate_bit_per_s}bit ceil {one.ceil_bit_per_s}bit burst {_BURST_BYTES} cburst {_BURST_BYTES} "
        f"quantum {FRAME_BYTES}"
    )


def batch(plan: ShapingPlan) -> list[str]:
    """The lines for `tc -batch`: what pyroute2 cannot say."""
    return [
        *(line for device in plan.redirected for line in _redirection(device)),
        *(_netem(one, one.leaf) for one in plan.classes if one.leaf and one.leaf.kind == "netem"),
    ]


def _redirection(device: str) -> tuple[str, str]:
    action = f"action mirred egress redirect dev {SHARED_DEVICE}"
    return (
        f"qdisc add dev {device} clsact",
        f"filter add dev {device} egress protocol ip u32 match u32 0 0 {action}",
    )


def _netem(one: ShapedClass, leaf: Leaf) -> str:
    jitter = f" {leaf.jitter_ns / 1000:g}us distribution normal" if leaf.jitter_ns else ""
    loss = f" loss {leaf.loss_ratio * 100:g}%" if leaf.loss_ratio else ""
    return (
        f"qdisc add dev {one.device} parent 1:{one.minor:x} handle {one.minor:x}: netem "
        f"limit {leaf.limit_packets} delay {leaf.delay_ns / 1000:g}us{jitter}{loss} rate {_NETEM_RATE}"
    )


def _index(ip: IPRoute, device: str) -> int:
    found = ip.link_lookup(ifname=device)
    if not found:
        raise EmulationError(f"{device} is gone from its router. Run `fedprobe testbed down`, then up again.")
    return int(found[0])


def _add_class(ip: IPRoute, one: ShapedClass) -> None:
    index, handle = _index(ip, one.device), _ROOT | one.minor
    ip.tc(
        "add-class",
        "htb",
        index,
        handle,
        parent=_ROOT | one.parent_minor,
        rate=_rate_bytes_per_s(one.rate_bit_per_s),
        ceil=_rate_bytes_per_s(one.ceil_bit_per_s),
        burst=_BURST_BYTES,
        cburst=_BURST_BYTES,
        quantum=FRAME_BYTES,
    )
    if one.leaf and one.leaf.kind == "pfifo":
        ip.tc("add", "pfifo", index, one.minor << 16, parent=handle, limit=one.leaf.limit_packets)
    if one.match:
        ip.tc(
            "add-filter",
            "u32",
            index,
            parent=_ROOT,
            prio=1,
            protocol=_ETHERTYPE_IPV4,
            target=handle,
            keys=[_key(*one.match)],
        )


def _rate_bytes_per_s(bit_per_s: int) -> int:
    return bit_per_s // 8


def _key(side: str, address: str) -> str:
    return f"{int(ipaddress.IPv4Address(address)):#010x}/0xffffffff+{_ADDRESS_OFFSET[side]}"


def _class_differences(ip: IPRoute, plan: ShapingPlan) -> Iterable[str]:
    for device in plan.devices:
        index = _index(ip, device)
        found = {message["handle"]: message for message in ip.get_classes(index)}
        targets = {target for message in ip.get_filters(index, parent=_ROOT) if (target := _target(message))}
        for one in (one for one in plan.classes if one.device == device):
            yield from _class_difference(one, found.get(_ROOT | one.minor))
            if one.match and _ROOT | one.minor not in targets:
                yield f"{device}: no filter leads to class {one.minor:x}"


def _target(message: Any) -> int | None:
    options = message.get_attr("TCA_OPTIONS")
    found = options.get_attr("TCA_U32_CLASSID") if options else None
    return None if found is None else int(found)


def _class_difference(one: ShapedClass, message: Any) -> Iterable[str]:
    if message is None:
        yield f"{one.device}: class {one.minor:x} is missing"
        return
    parameters = message.get_attr("TCA_OPTIONS").get_attr("TCA_HTB_PARMS")
    for name, asked in (("rate", one.rate_bit_per_s), ("ceil", one.ceil_bit_per_s)):
        if parameters[name] != asked // 8:
            yield f"{one.device}: class {one.minor:x} has {name} {parameters[name] * 8} bit/s, asked {asked}"


def _leaf_differences(plan: ShapingPlan, testbed_id: str) -> Iterable[str]:
    for device in plan.devices:
        text = programs.output(["tc", "-j", "qdisc", "show", "dev", device], testbed_id=testbed_id)
        found = {one.get("handle"): one for one in json.loads(text)}
        for one in (one for one in plan.classes if one.device == device and one.leaf):
            assert one.leaf
            yield from leaf_difference(one, one.leaf, found.get(f"{one.minor:x}:"))


def leaf_difference(one: ShapedClass, leaf: Leaf, found: dict[str, Any] | None) -> Iterable[str]:
    """How a queue of `tc -j qdisc show` differs from what was asked. Pure."""
    place = f"{one.device}: queue of class {one.minor:x}"
    if found is None or found.get("kind") != leaf.kind:
        yield f"{place} is {found and found.get('kind')}, asked {leaf.kind}"
        return
    options = found.get("options", {})
    if options.get("limit") != leaf.limit_packets:
        yield f"{place} holds {options.get('limit')} packets, asked {leaf.limit_packets}"
    if leaf.kind == "netem" and abs(_netem_delay_ns(options) - leaf.delay_ns) > 1000:
        yield f"{place} delays {_netem_delay_ns(options)} ns, asked {leaf.delay_ns}"


def _netem_delay_ns(options: dict[str, Any]) -> int:
    return round(float(options.get("delay", {}).get("delay", 0)) * 1e9)
