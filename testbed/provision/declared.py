"""What provisioning gives a host, as data: programs and their packages, kernel settings, files and their places."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from testbed.inventory import Host, Inventory

SETTINGS: Mapping[str, str] = {
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.conf.all.arp_announce": "2",
    "net.ipv4.conf.all.rp_filter": "2",
}
"""What several interfaces on one host need: each answers ARP for its own address alone and asks with its own, and a
packet is taken on whatever interface it arrives. Source: Linux, Documentation/networking/ip-sysctl.rst; of `all` and
the device's own value the greater one counts."""

OPEN_FILES = 8192
"""A SuperLink holds a few for each node and request, and the usual 1024 is one process's."""

SETTINGS_FILE = "/etc/sysctl.d/60-fedprobe.conf"
LIMITS_FILE = "/etc/security/limits.d/60-fedprobe.conf"
CHRONY_SOURCE_FILE = "/etc/chrony/sources.d/fedprobe.sources"
CHRONY_SERVER_FILE = "/etc/chrony/conf.d/fedprobe.conf"
FILES = (SETTINGS_FILE, LIMITS_FILE, CHRONY_SOURCE_FILE, CHRONY_SERVER_FILE)
CHRONY = "chrony"
SERVICES = (CHRONY,)
_HEADER = "# written by `fedprobe provision`, taken back by `fedprobe provision --undo`\n"


@dataclass(frozen=True, slots=True)
class Needed:
    """A program, and the Debian package that has it. `network`: only on nodes that are on it."""

    program: str
    package: str
    network: str | None = None


NEEDED: Sequence[Needed] = (
    Needed("ip", "iproute2"),
    Needed("tcpdump", "tcpdump"),
    Needed("iperf3", "iperf3"),
    Needed("ping", "iputils-ping"),
    Needed("ethtool", "ethtool"),
    Needed("iw", "iw", network="wifi"),
    Needed("mmcli", "modemmanager", network="5g"),
    Needed("qmicli", "libqmi-utils", network="5g"),
)
CHRONY_NEEDED = Needed("chronyd", CHRONY)
PROGRAMS = (*(one.program for one in NEEDED), CHRONY_NEEDED.program, "apt-get")


def needed_on(host: Host) -> list[Needed]:
    """What a host uses, time synchronisation apart."""
    return [one for one in NEEDED if one.network is None or (host.role == "node" and one.network in host.interfaces)]


def settings_text() -> str:
    """The file of kernel settings, sysctl.d(5)."""
    return _HEADER + "".join(f"{key} = {value}\n" for key, value in SETTINGS.items())


def limits_text(user: str, hard: int) -> str:
    """The file of limits, limits.conf(5), where `hard` is what the user may not pass. Root needs a line by name."""
    kinds = ("soft",) if hard >= OPEN_FILES else ("soft", "hard")
    return _HEADER + "".join(f"{user} {kind} nofile {OPEN_FILES}\n" for kind in kinds)


def chrony_file(inventory: Inventory, host: Host) -> tuple[str, str]:
    """Path and text of what chrony is told: nodes follow the server, which serves them though it has no other time.

    Source: chrony.conf(5): `local` lets a server that is not synchronised itself answer.
    """
    server = inventory.server.management.address
    if host.role == "node":
        return CHRONY_SOURCE_FILE, f"{_HEADER}server {server} iburst prefer\n"
    allowed = "".join(f"allow {node.management.address}\n" for node in inventory.nodes)
    return CHRONY_SERVER_FILE, f"{_HEADER}local stratum 10\n{allowed}"


def named_venv(host: Host) -> str | None:
    """The folder that the inventory's `python` is in the `bin` of; None: it is a name alone, or in another folder."""
    folder, name = posixpath.split(host.python)
    if posixpath.basename(folder) == "bin" and name.startswith("python"):
        return posixpath.dirname(folder) or "/"
    return None


def own_venv(host: Host) -> str:
    """Where the virtual environment goes if the inventory's `python` is not provisioning's to make."""
    return posixpath.join(host.work_folder, "venv")


def venv_paths(host: Host) -> list[str]:
    """Where it may go, the place that the inventory names first."""
    return list(dict.fromkeys([path for path in (named_venv(host), own_venv(host)) if path]))


def manifest_path(host: Host) -> str:
    """Where a host keeps what provisioning changed on it."""
    return posixpath.join(host.work_folder, "provision.json")


def wheel_folder(host: Host) -> str:
    """Where wheels are on their way into the virtual environment."""
    return posixpath.join(host.work_folder, "provision")
