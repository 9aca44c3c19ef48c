"""Findings about a testbed, from what its hosts told: pure, one rule a function.

Severities are those of a report's verdicts: "unfit" forbids measuring, "warn" weakens what is measured, "info" is to
be known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from testbed.inventory import Host, Inventory
from testbed.inventory_words import MANAGEMENT
from testbed.preflight.facts import HostFacts, Looked

WALL_OFF_NS = 50_000_000  # a campaign's times do not rest on wall clocks, but its logs, captures and TLS do
CLOCK_BOUND_NS = 5_000_000  # a bound that would be a tenth of a 50 ms transfer
LEAST_FREE_BYTES = 200_000_000
LITTLE_FREE_BYTES = 1_000_000_000
LEAST_MEMORY_BYTES = 300_000_000  # a ClientApp with numpy takes 180 MB
HOT_CELSIUS, WARM_CELSIUS = 80.0, 70.0  # a Raspberry Pi slows down at 80, and from 85 on for sure
BUSY_SHARE = 0.3
SLOW_LINK_BIT_PER_S = 10_000_000
# vcgencmd get_throttled: now, and (16 bits higher) since the start
FLAGS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
SINCE_START = 16
SAME_EVERYWHERE = {"fedprobe": "unfit", "flwr": "unfit", "python": "warn", "numpy": "warn", "torch": "warn"}
MODERN = "5gnr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact about one host that matters, and what to do about it."""

    host: str
    severity: str
    fact: str
    next_step: str


Known = Mapping[str, HostFacts]
Rule = Callable[[Inventory, Host, HostFacts, Known], Iterator[Finding]]


def judged(inventory: Inventory, looked: Sequence[Looked]) -> list[Finding]:
    """All findings, in the order of the hosts, the gravest of each first."""
    known = {one.host: one.facts for one in looked if one.facts is not None}
    found: list[Finding] = []
    for one in looked:
        if one.facts is None:
            found.append(Finding(host=one.host, severity="unfit", fact=one.problem, next_step=one.next_step))
            continue
        host = inventory.host(one.host)
        of_host = [finding for rule in RULES for finding in rule(inventory, host, one.facts, known)]
        found += sorted(of_host, key=lambda finding: ("unfit", "warn", "info").index(finding.severity))
    return found


def _versions(inventory: Inventory, host: Host, facts: HostFacts, known: Known) -> Iterator[Finding]:
    """The same as most hosts have; of two equally common ones, the server's."""
    for name, severity in SAME_EVERYWHERE.items():
        counts = Counter(other.versions.get(name, "none") for other in known.values())
        server = known.get(inventory.server.name)
        usual = max(counts, key=lambda one: (counts[one], server is not None and one == server.versions.get(name)))
        own = facts.versions.get(name, "none")
        if own != usual:
            yield Finding(
                host=host.name,
                severity=severity,
                fact=f"{name} {own}, where {counts[usual]} of {len(known)} hosts have {usual}",
                next_step=f"Install {name} {usual} there (`fedprobe[node]=={usual}` brings its own requirements)."
                if name == "fedprobe"
                else f"Install {name} {usual} there, or the same one everywhere.",
            )


def _clock(inventory: Inventory, host: Host, facts: HostFacts, known: Known) -> Iterator[Finding]:
    if host.name == inventory.server.name:
        return
    server, offset = known.get(inventory.server.name), facts.clock
    if offset is None:
        yield Finding(
            host=host.name,
            severity="unfit",
            fact="no clock exchange with the server was answered",
            next_step=f"Let UDP port 8900 of {inventory.server.management.address} through, and look again.",
        )
        return
    if offset.bound_ns > CLOCK_BOUND_NS:
        yield Finding(
            host=host.name,
            severity="warn",
            fact=f"the clock's offset to the server is known to ±{offset.bound_ns / 1e6:.1f} ms only",
            next_step="Manage the host over a wired network: one-way times can be no better than that.",
        )
    if server is None:
        return
    ahead_ns = (facts.wall_ns - facts.mono_ns) - (server.wall_ns - server.mono_ns) - offset.server_ahead_ns
    if abs(ahead_ns) - offset.bound_ns > WALL_OFF_NS:
        side = "ahead of" if ahead_ns > 0 else "behind"
        yield Finding(
            host=host.name,
            severity="unfit",
            fact=f"the wall clock is {abs(ahead_ns) / 1e6:.1f} ms {side} the server's "
            f"(±{offset.bound_ns / 1e6:.1f} ms)",
            next_step="Synchronise both, for example with chrony (`chronyc makestep`), and look again.",
        )


def _room(_inventory: Inventory, host: Host, facts: HostFacts, _known: Known) -> Iterator[Finding]:
    for folder in facts.folders:
        where = f"{folder.path}{' (in memory)' if folder.in_memory else ''}"
        if folder.problem or folder.free_bytes < LEAST_FREE_BYTES:
            told = f"nothing can be written to it: {folder.problem}; " if folder.problem else ""
            yield Finding(
                host=host.name,
                severity="unfit",
                fact=f"{where}: {told}{folder.free_bytes / 1e6:.0f} MB are free",
                next_step=f"Make room for {LEAST_FREE_BYTES / 1e6:.0f} MB at least, or name another work_folder.",
            )
        elif folder.free_bytes < LITTLE_FREE_BYTES:
            yield Finding(
                host=host.name,
                severity="warn",
                fact=f"{where}: {folder.free_bytes / 1e6:.0f} MB are free",
                next_step="Make room before a campaign of hours.",
            )
    if facts.memory_available_bytes < LEAST_MEMORY_BYTES:
        yield Finding(
            host=host.name,
            severity="warn",
            fact=f"{facts.memory_available_bytes / 1e6:.0f} MB of memory are available",
            next_step="End what else runs there: a ClientApp that swaps is slow for no reason of the network.",
        )


def _processor(_inventory: Inventory, host: Host, facts: HostFacts, _known: Known) -> Iterator[Finding]:
    slow = [name for name in facts.governors if name != "performance"]
    if slow:
        yield Finding(
            host=host.name,
            severity="warn",
            fact=f"the processor's governor is {' and '.join(slow)}: its speed changes with its load",
            next_step="echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )
    if facts.busy_share > BUSY_SHARE:
        yield Finding(
            host=host.name,
            severity="warn",
            fact=f"{facts.busy_share:.0%} of its {facts.processors} processors are busy with other things",
            next_step="End what else runs there (`top`), and look again.",
        )
    hot = facts.temperature_celsius
    if hot is not None and hot >= WARM_CELSIUS:
        yield Finding(
            host=host.name,
            severity="unfit" if hot >= HOT_CELSIUS else "warn",
            fact=f"the processor has {hot:.0f} degrees Celsius, and slows down from {HOT_CELSIUS:.0f} on",
            next_step="Cool it: a fan, a heat sink, air between the boards.",
        )


def _power(_inventory: Inventory, host: Host, facts: HostFacts, _known: Known) -> Iterator[Finding]:
    if not facts.throttled:
        return
    now = [word for bit, word in FLAGS.items() if facts.throttled >> bit & 1]
    before = [word for bit, word in FLAGS.items() if facts.throttled >> (bit + SINCE_START) & 1]
    if now or before:
        yield Finding(
            host=host.name,
            severity="unfit" if now else "warn",
            fact=f"{', '.join(now)} now (get_throttled {facts.throttled:#x})"
            if now
            else f"{', '.join(before)} since its start (get_throttled {facts.throttled:#x})",
            next_step="Give it a power supply of enough amperes and a short cable, cool it, and start it again.",
        )


def _devices(inventory: Inventory, host: Host, facts: HostFacts, known: Known) -> Iterator[Finding]:
    for network, interface in host.interfaces.items():
        device = facts.devices.get(interface.device)
        name = f"{interface.device} ({network})"
        if device is None:
            yield Finding(
                host=host.name,
                severity="unfit",
                fact=f"there is no device {name}",
                next_step="Name the right one in the inventory: `ip -br link` on the host lists them.",
            )
            continue
        if not device.up:
            yield Finding(
                host=host.name,
                severity="unfit",
                fact=f"{name} is down",
                next_step=f"sudo ip link set {interface.device} up; then look at its cable, access point or modem.",
            )
            continue
        if str(interface.address) not in device.addresses:
            has = ", ".join(device.addresses) or "none"
            yield Finding(
                host=host.name,
                severity="unfit",
                fact=f"{name} does not have the address {interface.address}; it has {has}",
                next_step="Correct the inventory, or give the device that address.",
            )
        if device.half_duplex or (device.rate_bit_per_s or SLOW_LINK_BIT_PER_S + 1) <= SLOW_LINK_BIT_PER_S:
            rate = "an unknown rate" if device.rate_bit_per_s is None else f"{device.rate_bit_per_s / 1e6:g} Mbit/s"
            yield Finding(
                host=host.name,
                severity="warn",
                fact=f"{name} runs at {rate}{', half duplex' if device.half_duplex else ''}",
                next_step="Look at the cable and the other end's settings, or at the distance to the access point.",
            )
        yield from _like_the_servers(inventory, host, network, facts, known)


def _like_the_servers(
    inventory: Inventory, host: Host, network: str, facts: HostFacts, known: Known
) -> Iterator[Finding]:
    server, there = known.get(inventory.server.name), inventory.server.interfaces.get(network)
    own = facts.devices.get(host.interfaces[network].device)
    other = server.devices.get(there.device) if server is not None and there is not None else None
    if own is None or other is None or host.name == inventory.server.name:
        return
    if own.mtu != other.mtu:
        yield Finding(
            host=host.name,
            severity="info",
            fact=f"{host.interfaces[network].device} ({network}) has MTU {own.mtu}, the server {other.mtu}",
            next_step="Nothing, where the path between them is routed; on one wire give both the same.",
        )


def _congestion(inventory: Inventory, host: Host, facts: HostFacts, known: Known) -> Iterator[Finding]:
    server = known.get(inventory.server.name)
    if server is None or facts.congestion_control == server.congestion_control:
        return
    yield Finding(
        host=host.name,
        severity="warn",
        fact=f"congestion control {facts.congestion_control}, the server has {server.congestion_control}",
        next_step="sudo sysctl net.ipv4.tcp_congestion_control=NAME on one of them: uplink and downlink differ so.",
    )


def _reach(inventory: Inventory, host: Host, facts: HostFacts, _known: Known) -> Iterator[Finding]:
    """The SuperLink's port, on each network, by that network's device."""
    for network, dial in facts.dials.items():
        if network == MANAGEMENT:
            continue
        interface = host.interfaces[network]
        address = inventory.server_addresses[network]
        device = facts.devices.get(interface.device)
        if device is None or not device.up:
            continue  # that is the finding
        if dial.problem:
            yield Finding(
                host=host.name,
                severity="unfit",
                fact=f"the server's port is not reached on {network} ({address} by {dial.device}): {dial.problem}",
                next_step="Look for a firewall on the way: `sudo iptables -L -n`, `sudo nft list ruleset` on both.",
            )
        elif dial.device != interface.device:
            yield Finding(
                host=host.name,
                severity="unfit",
                fact=f"the server's address on {network}, {address}, is reached by {dial.device}, not by "
                f"{interface.device}",
                next_step=f"sudo ip route replace {address}/32 dev {interface.device} (via its gateway).",
            )
        elif dial.seen_as not in {None, str(interface.address)}:
            yield Finding(
                host=host.name,
                severity="info",
                fact=f"on {network} the server sees {dial.seen_as} for {interface.address}: addresses are translated",
                next_step="Nothing, if that is the 5G core's or a router's doing.",
            )


def _by_route(inventory: Inventory, host: Host, _facts: HostFacts, _known: Known) -> Iterator[Finding]:
    """Networks on which the server's port cannot be tried before a trial has made the route to it."""
    if host.name == inventory.server.name and (networks := inventory.networks_by_route):
        yield Finding(
            host=host.name,
            severity="info",
            fact=f"it has one address on {' and '.join(networks)}: each trial makes a host route on its nodes and "
            "takes it back, and the port is not tried here",
            next_step="Let the nodes' users run sudo without a password; each trial proves where its bytes went.",
        )


def _reached_by_management(inventory: Inventory, host: Host, _facts: HostFacts, known: Known) -> Iterator[Finding]:
    if host.name != inventory.server.name:
        return
    dials = {name: facts.dials[MANAGEMENT] for name, facts in known.items() if MANAGEMENT in facts.dials}
    if any(dial.problem is None for dial in dials.values()):
        yield Finding(
            host=host.name,
            severity="info",
            fact="the SuperLink's port is reached over the management network too",
            next_step="Nothing: nodes dial the measured networks. To be sure, close the port there with a firewall.",
        )


def _modem(_inventory: Inventory, host: Host, facts: HostFacts, _known: Known) -> Iterator[Finding]:
    if facts.modem is None or "5g" not in host.interfaces or facts.modem.technologies == (MODERN,):
        return
    yield Finding(
        host=host.name,
        severity="warn",
        fact=f"the modem is {facts.modem.state} and uses {', '.join(facts.modem.technologies) or 'no network'}, "
        "not 5G alone",
        next_step="sudo mmcli -m any --set-allowed-modes=5g; then look at the cell (`mmcli -m any`).",
    )


RULES: Sequence[Rule] = (
    _versions,
    _clock,
    _room,
    _processor,
    _power,
    _devices,
    _reach,
    _by_route,
    _reached_by_management,
    _congestion,
    _modem,
)
