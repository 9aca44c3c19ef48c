"""The commands that cut a link, make it lose packets or slow it down, and those that take this back. Pure.

On the emulated testbed they run in the router of a network: netfilter drops what it forwards from and to a node, and
the node's HTB classes get other rates. On real hosts they run there, as root: netfilter drops what node and server
receive of each other, each on its own device, and a token bucket (tc-tbf(8)) slows down what leaves the node. Source
of the match that drops at random: iptables-extensions(8), `statistic`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from testbed.emulation.shaping import ShapedClass
from testbed.emulation.tc import class_change

Command = dict[str, Any]
_TABLE = ("iptables", "-w", "-t", "mangle")
_TBF_BURST_BYTES = 32_768
_TBF_LATENCY = "400ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCommands:
    """What applies a link fault, what takes it back in the opposite order, and what it is in words."""

    apply: Sequence[Command]
    undo: Sequence[Command]
    words: str

    def document(self) -> dict[str, Any]:
        """What an order holds of it."""
        return {"apply": list(self.apply), "undo": list(self.undo), "words": self.words}


def in_router(addresses: Sequence[str], loss_ratio: float | None) -> LinkCommands:
    """Drops what a router forwards from and to these nodes, all of it or at random; no addresses: of everybody."""
    matches = [[option, address] for address in addresses for option in ("-s", "-d")] or [[]]
    return _dropping([["FORWARD", *match] for match in matches], loss_ratio)


def at_receiver(sender: str, device: str, loss_ratio: float | None) -> LinkCommands:
    """Drops what a host receives from an address by one device, all of it or at random.

    Dropped where it is sent it would be no loss: the kernel tells the sender, and TCP keeps it and tries again.
    """
    return _dropping([["INPUT", "-s", sender, "-i", device]], loss_ratio)


def _dropping(places: Iterable[Sequence[str]], loss_ratio: float | None) -> LinkCommands:
    chance = (
        [] if loss_ratio is None else ["-m", "statistic", "--mode", "random", "--probability", f"{loss_ratio:.6f}"]
    )
    rules = [[*place, *chance, "-j", "DROP"] for place in places]
    return LinkCommands(
        apply=[{"argv": [*_TABLE, "-I", *rule]} for rule in rules],
        undo=[{"argv": [*_TABLE, "-D", *rule]} for rule in reversed(rules)],
        words="nothing passes" if loss_ratio is None else f"each packet is lost with probability {loss_ratio:g}",
    )


def slower_classes(classes: Iterable[ShapedClass], addresses: Sequence[str], ratio: float) -> LinkCommands:
    """Gives the classes of these nodes a part of their rates."""
    theirs = [one for one in classes if one.match and one.match[1] in addresses]
    slow = [
        replace(
            one,
            rate_bit_per_s=max(8_000, round(one.rate_bit_per_s * ratio)),
            ceil_bit_per_s=max(8_000, round(one.ceil_bit_per_s * ratio)),
        )
        for one in theirs
    ]
    fastest = max((one.ceil_bit_per_s for one in slow), default=0)
    return LinkCommands(
        apply=[_batch(slow)],
        undo=[_batch(theirs)],
        words=f"{ratio:g} of its rates, {fastest / 1e6:g} Mbit/s at most",
    )


def _batch(classes: Sequence[ShapedClass]) -> Command:
    return {"argv": ["tc", "-batch", "-"], "input": "".join(f"{class_change(one)}\n" for one in classes)}


def slower_device(device: str, bit_per_s: int) -> LinkCommands:
    """Slows down what leaves a real host by one device.

    `tc qdisc add` refuses where the device has a queueing discipline of the administrator's, which so stays.
    """
    bucket = ["tbf", "rate", f"{bit_per_s}bit", "burst", f"{_TBF_BURST_BYTES}", "latency", _TBF_LATENCY]
    return LinkCommands(
        apply=[{"argv": ["tc", "qdisc", "add", "dev", device, "root", *bucket]}],
        undo=[{"argv": ["tc", "qdisc", "del", "dev", device, "root"]}],
        words=f"at most {bit_per_s / 1e6:g} Mbit/s leave {device}",
    )
