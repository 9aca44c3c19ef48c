"""The tags of a trial's points: few values each, so that a database stays small however long a campaign is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from analysis.influx.line_protocol import tag_value
from analysis.influx.point import Tags
from analysis.influx.schema import MEASUREMENTS
from analysis.model import TrialFacts

SERVER, CLIENT, OTHER = "server", "client", "other"
MANAGEMENT, LOOPBACK = "management", "loopback"
_NAME = re.compile(r"(\d+)-(.+)-r\d+(?:\.attempt\d+)?")
Networks = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Labels:
    """What a trial's points have in common, and who its hosts are.

    `networks` tells the network of a host's device. `made` keeps tags that were made before.
    """

    campaign: str
    scenario: str
    iface: str
    server: str
    networks: Networks
    made: dict[tuple[str, ...], Tags] = field(default_factory=dict)

    def role_of(self, host: str) -> str:
        """Whether a host is the trial's server or one of its clients."""
        return SERVER if host == self.server else CLIENT

    def network_of(self, host: str, device: str) -> str:
        """The network that a device is on: of those measured, management, loopback; empty where none is known."""
        return self.networks.get((host, device), LOOPBACK if device == "lo" else "")

    def tags(self, measurement: str, *, node: str, role: str, phase: str = "", iface: str | None = None) -> Tags:
        """All tags of a point, sorted by their keys, none of them empty."""
        known = (measurement, node, role, phase, self.iface if iface is None else iface)
        if known not in self.made:
            values = {
                "campaign": self.campaign,
                "scenario": self.scenario,
                "iface": known[-1],
                "node": node,
                "role": role,
                "phase": phase,
            }
            names = sorted(MEASUREMENTS[measurement].tags)
            self.made[known] = tuple((name, tag_value(values[name])) for name in names)
        return self.made[known]


def labels_of(facts: TrialFacts, *, server: str, networks: Networks) -> Labels:
    """The labels of a trial; of one that no runner conducted the campaign is the folder's name."""
    campaign, named = facts.settings.get("campaign"), _NAME.fullmatch(facts.name)
    return Labels(
        campaign=campaign if isinstance(campaign, str) else facts.name,
        scenario=named[2] if named else "",
        iface=facts.interface,
        server=server,
        networks=networks,
    )


def place_in_plan(facts: TrialFacts) -> int | None:
    """The trial's place in the plan, by its name."""
    named = _NAME.fullmatch(facts.name)
    return int(named[1]) if named else None


def networks_of(manifest: Mapping[str, object], facts: TrialFacts) -> Networks:
    """The network of each host's devices: as the inventory says in manifest.json, else as the trial looked at them.

    A device that a measured network and management share is the measured network's.
    """
    found: dict[tuple[str, str], str] = {}
    for host in _tables(_table(manifest, "inventory").get("hosts")):
        name = str(host.get("name", ""))
        if device := _table(host, "management").get("device"):
            found[name, str(device)] = MANAGEMENT
        found |= _devices(name, _table(host, "interfaces"))
    for name, path in _table(facts.settings, "paths").items():
        if isinstance(path, Mapping):
            found |= _devices(str(name), _table(path, "interfaces"))
    return found


def _devices(host: str, interfaces: Mapping[str, object]) -> Networks:
    return {
        (host, str(of["device"])): str(network)
        for network, of in interfaces.items()
        if isinstance(of, Mapping) and of.get("device")
    }


def _table(body: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = body.get(key)
    return found if isinstance(found, Mapping) else {}


def _tables(found: object) -> Iterable[Mapping[str, object]]:
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
