"""What a host is and how it stands, before anything is measured on it: `python -m collectors.facts --help`.

Prints one JSON object. A fact that the host cannot tell (no sensor, no program for it) is null, never zero.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from collectors.clock_exchange import Address, burst
from collectors.errors import CollectError
from collectors.throttling import parse_throttled, printed_by, temperature_celsius
from instrument.clock import SystemClock
from instrument.identity import versions

DIAL_S = 3.0
BUSY_S = 1.0
COMMAND_S = 5.0


def main(arguments: Sequence[str]) -> int:
    """Look, and print what was found. Exit code 0, however the host stands."""
    parser = argparse.ArgumentParser(prog="python -m collectors.facts", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where records will be kept")
    parser.add_argument("--device", action="append", default=[], help="a network device to look at; once for each")
    parser.add_argument(
        "--dial", action="append", default=[], metavar="NETWORK=ADDRESS:PORT", help="a counterpart to connect to"
    )
    parser.add_argument("--clock", metavar="ADDRESS:PORT", help="a counterpart to exchange clocks with")
    options = parser.parse_args(arguments)
    print(json.dumps(facts(options.folder, options.device, options.dial, options.clock), allow_nan=False))
    return 0


def facts(folder: Path, devices: Sequence[str], dials: Sequence[str], clock: str | None) -> dict[str, Any]:
    """Everything that `testbed.preflight.facts.HostFacts` names."""
    clocks = SystemClock()
    mono_ns, wall_ns = clocks.mono_ns(), clocks.wall_ns()
    return {
        "versions": versions(),
        "mono_ns": mono_ns,
        "wall_ns": wall_ns,
        "clock": None if clock is None else _clock(clock, clocks),
        "folders": [_folder(path) for path in dict.fromkeys((folder, Path(tempfile.gettempdir())))],
        "memory_available_bytes": psutil.virtual_memory().available,
        "processors": os.cpu_count(),
        "busy_share": psutil.cpu_percent(BUSY_S) / 100,
        "governors": _governors(),
        "temperature_celsius": temperature_celsius(),
        "throttled": parse_throttled(printed_by(["vcgencmd", "get_throttled"])),
        "congestion_control": _text(Path("/proc/sys/net/ipv4/tcp_congestion_control")),
        "devices": {name: _device(name) for name in devices},
        "dials": {network: _dial(target) for network, _, target in (dial.partition("=") for dial in dials)},
        "modem": parse_modem(printed_by(["mmcli", "-m", "any", "-J"])),
    }


def parse_modem(said: str | None) -> dict[str, Any] | None:
    """State and access technologies of `mmcli -m any -J`; None without a modem.

    Source: mmcli(1), option -J: modem.generic.state and modem.generic.access-technologies.
    """
    try:
        generic = json.loads(said or "")["modem"]["generic"]
        return {"state": str(generic["state"]), "technologies": [str(one) for one in generic["access-technologies"]]}
    except (ValueError, KeyError, TypeError):
        return None


def parse_bitrate(said: str | None) -> int | None:
    """Bits a second of the `tx bitrate` line of `iw dev DEVICE link`; None where it is not connected.

    Source: iw's link.c prints "tx bitrate: 72.2 MBit/s MCS 7 ...".
    """
    found = re.search(r"^\s*tx bitrate:\s*([\d.]+) MBit/s", said or "", re.MULTILINE)
    return None if found is None else round(float(found[1]) * 1e6)


def parse_offloads(said: str | None) -> dict[str, bool] | None:
    """Segmentation and receive offloads of `ethtool -k DEVICE` by name; None without the program.

    Source: ethtool(8), "-k --show-features": one "name: on|off [fixed]" a line.
    """
    found = re.findall(r"^\s*([a-z-]*(?:segmentation|receive)-offload): (on|off)", said or "", re.MULTILINE)
    return {name: state == "on" for name, state in found} or None


def _clock(server: str, clock: SystemClock) -> dict[str, Any] | None:
    """Offset of the server's monotonic clock to this one by the shortest exchange, and its bound; nanoseconds."""
    try:
        made = burst(Address.parse(server), clock=clock)
    except CollectError:
        return None
    if not made:
        return None
    trips = [
        (one.received_mono_ns - one.sent_mono_ns - (one.peer_sent_mono_ns - one.peer_received_mono_ns), one)
        for one in made
    ]
    shortest_ns, best = min(trips, key=lambda trip: trip[0])
    there = best.peer_received_mono_ns + best.peer_sent_mono_ns
    here = best.sent_mono_ns + best.received_mono_ns
    return {"server_ahead_ns": (there - here) // 2, "bound_ns": shortest_ns // 2 + 1, "exchanges": len(made)}


def _folder(path: Path) -> dict[str, Any]:
    """Room at a folder, or where it would be made, and whether a file can be written there."""
    place = next(one for one in (path.absolute(), *path.absolute().parents) if one.is_dir())
    problem = None
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        problem = error.strerror or str(error)
    mounts = [mount for mount in psutil.disk_partitions(all=True) if place.is_relative_to(mount.mountpoint)]
    nearest = max(mounts, key=lambda mount: len(mount.mountpoint), default=None)
    return {
        "path": str(path),
        "free_bytes": psutil.disk_usage(str(place)).free,
        "in_memory": nearest is not None and nearest.fstype == "tmpfs",
        "problem": problem,
    }


def _governors() -> list[str]:
    files = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return sorted({text for file in files if (text := _text(file))})


def _device(name: str) -> dict[str, Any] | None:
    """State of one device; None where there is none of that name. psutil's speed 0 means that it is not known."""
    state = psutil.net_if_stats().get(name)
    if state is None:
        return None
    addresses = [
        one.address.partition("%")[0]
        for one in psutil.net_if_addrs().get(name, [])
        if one.family in {socket.AF_INET, socket.AF_INET6}
    ]
    rate = parse_bitrate(printed_by(["iw", "dev", name, "link"])) or (state.speed * 1_000_000 or None)
    return {
        "up": state.isup,
        "mtu": state.mtu,
        "rate_bit_per_s": rate,
        "half_duplex": state.duplex == psutil.NIC_DUPLEX_HALF,
        "addresses": addresses,
        "offloads": parse_offloads(printed_by(["ethtool", "-k", name])),
    }


def _dial(target: str) -> dict[str, Any]:
    """Connect as a SuperNode would: by which device, and which of this host's addresses the counterpart saw."""
    address, _, port = target.rpartition(":")
    found: dict[str, Any] = {"device": _route_device(address), "seen_as": None, "problem": None}
    try:
        with socket.create_connection((address, int(port)), timeout=DIAL_S) as connection:
            found["seen_as"] = connection.makefile("rb").readline(100).decode("ascii", "replace").strip() or None
    except OSError as error:
        found["problem"] = error.strerror or str(error)
    return found


def _route_device(address: str) -> str | None:
    """The device of `ip -j route get`. Source: ip-route(8)."""
    try:
        return str(json.loads(printed_by(["ip", "-j", "route", "get", address]) or "")[0]["dev"])
    except (ValueError, LookupError, TypeError):
        return None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip() or None
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
