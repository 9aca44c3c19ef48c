"""Starts the background sender of a testbed, and tells what it sent and what arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from testbed.emulation.addresses import SERVER, Network, node_name
from testbed.emulation.background import Count, rate_bit_per_s, read_count, receive_command, send_command
from testbed.emulation.conditions import Background
from testbed.emulation.site import Site, spawn_module, wait_until_ready
from testbed.errors import EmulationError
from testbed.inventory import BackgroundSender, Inventory

Direction = Literal["uplink", "downlink"]


@dataclass(frozen=True, slots=True)
class _Stream:
    direction: Direction
    bit_per_s: int
    from_namespace: str
    to_namespace: str
    to_address: str


def start(site: Site) -> BackgroundSender | None:
    """Start the receivers, then the senders; None: none was asked for. Raises EmulationError."""
    asked = site.conditions.background
    if asked is None:
        return None
    streams = list(_streams(site, asked))
    counts: dict[str, dict[Direction, Path]] = {"received": {}, "sent": {}}
    for kind, files in counts.items():
        for stream in streams:
            files[stream.direction] = _start(site, stream, kind)
    return BackgroundSender(
        network=asked.network,
        uplink_bit_per_s=asked.uplink_bit_per_s,
        downlink_bit_per_s=asked.downlink_bit_per_s,
        sent=counts["sent"],
        received=counts["received"],
    )


def counts(inventory: Inventory) -> dict[str, Count]:
    """The present counts, as `uplink sent`, `uplink received` and so on. Raises EmulationError."""
    background = inventory.emulator.background if inventory.emulator else None
    files = {} if background is None else {"sent": background.sent, "received": background.received}
    return {
        f"{direction} {kind}": _read(path) for kind, by_way in files.items() for direction, path in by_way.items()
    }


def rates(before: Mapping[str, Count], after: Mapping[str, Count]) -> dict[str, float]:
    """The mean rates in bit/s between two sets of counts. Pure."""
    return {
        name: rate_bit_per_s(before[name], count)
        for name, count in after.items()
        if name in before and count.mono_ns > before[name].mono_ns
    }


def _streams(site: Site, asked: Background) -> Iterator[_Stream]:
    network = _network(site, asked.network)
    client = site.shape.clients
    sender, server = site.shape.namespace(node_name(client)), site.shape.namespace(SERVER)
    if asked.uplink_bit_per_s:
        yield _Stream("uplink", asked.uplink_bit_per_s, sender, server, network.server_address)
    if asked.downlink_bit_per_s:
        yield _Stream("downlink", asked.downlink_bit_per_s, server, sender, network.node_address(client))


def _network(site: Site, name: str) -> Network:
    return next(network for network in site.shape.networks if network.name == name)


def _start(site: Site, stream: _Stream, kind: str) -> Path:
    count = site.folder / f"background-{stream.direction}-{kind}.json"
    if kind == "sent":
        argv, namespace = send_command(stream.to_address, stream.bit_per_s, count), stream.from_namespace
    else:
        argv, namespace = receive_command(stream.to_address, count), stream.to_namespace
    log = count.with_suffix(".log")
    pid = spawn_module(argv, namespace, site.shape.testbed_id, log)
    what = f"the background sender ({stream.direction}, {kind})"
    wait_until_ready(pid, count.exists, log, what=what, next_step="See that message, and run up again.")
    return count


def _read(path: Path) -> Count:
    try:
        return read_count(path)
    except (OSError, ValueError) as error:
        raise EmulationError(f"{path}: no count of the background sender: {error}. Take the testbed down.") from error
