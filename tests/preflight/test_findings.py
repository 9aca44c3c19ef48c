"""Each rule finds what it is for and nothing else, on facts made up."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.inventory import Inventory
from testbed.preflight.facts import HostFacts, Looked
from testbed.preflight.judgement import Finding, judged
from testbed.preflight.table import document, is_fit

MS = 1_000_000
INVENTORY = Inventory.model_validate(
    {
        "name": "lab",
        "kind": "real",
        "clock": "own",
        "known_hosts": "known_hosts",
        "hosts": [
            {
                "name": name,
                "role": "server" if name == "server" else "node",
                "management": {"address": f"192.0.2.{number}"},
                "interfaces": {
                    "ethernet": {"device": "eth0", "address": f"198.51.100.{number}"},
                    "5g": {"device": "wwan0", "address": f"203.0.113.{number}"},
                },
            }
            for number, name in enumerate(("server", "pi1", "pi2", "pi3"), start=1)
        ],
    }
)
VERSIONS = {"fedprobe": "0.1.0", "flwr": "1.41.0", "python": "3.11.2", "numpy": "2.4.6"}


def facts(host: str) -> dict[str, Any]:
    """A host as it should be; its monotonic clock is an hour behind the server's for each place in the list."""
    number = [one.name for one in INVENTORY.hosts].index(host)
    behind_ns = number * 3_600_000 * MS
    device = {"up": True, "mtu": 1500, "rate_bit_per_s": 10**9, "half_duplex": False, "offloads": None}
    interfaces = INVENTORY.host(host).interfaces
    return {
        "versions": dict(VERSIONS),
        "mono_ns": 10**15 - behind_ns,
        "wall_ns": 2 * 10**18,
        "clock": None if host == "server" else {"server_ahead_ns": behind_ns, "bound_ns": MS, "exchanges": 23},
        "folders": [{"path": "fedprobe", "free_bytes": 10**10, "in_memory": False, "problem": None}],
        "memory_available_bytes": 10**9,
        "processors": 4,
        "busy_share": 0.02,
        "governors": ["performance"],
        "temperature_celsius": 48.3,
        "throttled": 0,
        "congestion_control": "cubic",
        "devices": {
            one.device: {**device, "addresses": [str(one.address), "fe80::1"]} for one in interfaces.values()
        },
        "dials": {
            network: {"device": one.device, "seen_as": str(one.address), "problem": None}
            for network, one in interfaces.items()
            if host != "server"
        },
        "modem": None,
    }


def findings(host: str = "pi1", **changes: Any) -> list[Finding]:
    """What is found where one host differs from what it should be."""
    looked = [
        Looked(
            host=one.name,
            facts=HostFacts.model_validate({**facts(one.name), **(changes if one.name == host else {})}),
        )
        for one in INVENTORY.hosts
    ]
    return judged(INVENTORY, looked)


def changed(host: str, key: str, inner: str, **values: Any) -> dict[str, Any]:
    """One entry of a fact that is a mapping, changed."""
    of = facts(host)[key]
    return {key: {**of, inner: {**of[inner], **values}}}


def test_a_testbed_as_it_should_be_has_no_findings() -> None:
    assert findings() == []


UNFIT: list[tuple[str, dict[str, Any], str]] = [
    ("pi1", {"wall_ns": 2 * 10**18 + 300 * MS}, "300.0 ms ahead of the server's"),
    ("pi1", {"wall_ns": 2 * 10**18 - 300 * MS}, "300.0 ms behind the server's"),
    ("pi1", {"clock": None}, "no clock exchange"),
    ("pi1", {"versions": {**VERSIONS, "fedprobe": "0.2.0"}}, "fedprobe 0.2.0, where 3 of 4 hosts have 0.1.0"),
    ("pi1", {"versions": {**VERSIONS, "flwr": "1.40.0"}}, "flwr 1.40.0"),
    ("pi1", {"folders": [{"path": "x", "free_bytes": 10**8, "in_memory": True, "problem": None}]}, "100 MB are free"),
    (
        "pi1",
        {"folders": [{"path": "x", "free_bytes": 10**10, "in_memory": False, "problem": "Read-only file system"}]},
        "Read-only file system",
    ),
    ("pi1", {"temperature_celsius": 84.0}, "84 degrees"),
    ("pi1", {"throttled": 0x50005}, "under-voltage, throttled now"),
    ("pi1", changed("pi1", "devices", "wwan0", up=False), "wwan0 (5g) is down"),
    ("pi1", changed("pi1", "devices", "wwan0", addresses=[]), "does not have the address 203.0.113.2; it has none"),
    ("pi1", {"devices": {**facts("pi1")["devices"], "wwan0": None}}, "there is no device wwan0"),
    ("pi1", changed("pi1", "dials", "5g", problem="timed out", seen_as=None), "not reached on 5g"),
    ("pi1", changed("pi1", "dials", "5g", device="eth0"), "reached by eth0, not by wwan0"),
]
WEAK: list[tuple[str, dict[str, Any], str]] = [
    ("pi1", {"clock": {**facts("pi1")["clock"], "bound_ns": 8 * MS}}, "±8.0 ms"),
    ("pi1", {"versions": {**VERSIONS, "python": "3.13.1"}}, "python 3.13.1"),
    ("pi1", {"folders": [{"path": "x", "free_bytes": 5 * 10**8, "in_memory": False, "problem": None}]}, "500 MB"),
    ("pi1", {"memory_available_bytes": 10**8}, "100 MB of memory"),
    ("pi1", {"governors": ["ondemand"]}, "ondemand"),
    ("pi1", {"busy_share": 0.8}, "80% of its 4 processors"),
    ("pi1", {"temperature_celsius": 75.0}, "75 degrees"),
    ("pi1", {"throttled": 0x50000}, "under-voltage, throttled since its start"),
    ("pi1", changed("pi1", "devices", "eth0", rate_bit_per_s=10_000_000, half_duplex=True), "10 Mbit/s, half duplex"),
    ("pi1", {"congestion_control": "bbr"}, "bbr, the server has cubic"),
    ("pi1", {"modem": {"state": "connected", "technologies": ["lte"]}}, "uses lte, not 5G alone"),
]


@pytest.mark.parametrize(("host", "changes", "fact"), UNFIT, ids=[fact for _, _, fact in UNFIT])
def test_what_forbids_measuring_is_found_alone(host: str, changes: dict[str, Any], fact: str) -> None:
    (found,) = findings(host, **changes)
    assert (found.host, found.severity) == (host, "unfit")
    assert fact in found.fact
    assert found.next_step


@pytest.mark.parametrize(("host", "changes", "fact"), WEAK, ids=[fact for _, _, fact in WEAK])
def test_what_weakens_a_measurement_is_found_alone(host: str, changes: dict[str, Any], fact: str) -> None:
    (found,) = findings(host, **changes)
    assert (found.host, found.severity) == (host, "warn")
    assert fact in found.fact
    assert found.next_step


@pytest.mark.parametrize(
    "changes",
    [
        changed("pi1", "devices", "wwan0", mtu=1428),
        changed("pi1", "dials", "5g", seen_as="203.0.113.99"),
    ],
    ids=["mtu", "translated"],
)
def test_what_only_has_to_be_known_leaves_it_fit(changes: dict[str, Any]) -> None:
    (found,) = findings("pi1", **changes)
    assert found.severity == "info"


def test_a_server_with_one_address_is_told_of_once() -> None:
    ethernet = INVENTORY.server.interfaces["ethernet"].address
    interfaces = {
        name: one.model_copy(update={"address": ethernet}) for name, one in INVENTORY.server.interfaces.items()
    }
    server = INVENTORY.server.model_copy(update={"interfaces": interfaces})
    lab = INVENTORY.model_copy(update={"hosts": (server, *INVENTORY.nodes)})
    made = facts("server")
    made["devices"]["wwan0"]["addresses"] = made["devices"]["eth0"]["addresses"]
    (found,) = judged(lab, [Looked(host="server", facts=HostFacts.model_validate(made))])
    assert (found.severity, "one address on ethernet and 5g" in found.fact) == ("info", True)


def test_a_port_that_management_reaches_too_is_told_of_the_server_once() -> None:
    reached = {"device": "eth9", "seen_as": "192.0.2.9", "problem": None}
    (found,) = findings("pi1", dials={**facts("pi1")["dials"], "management": reached})
    assert (found.host, found.severity) == ("server", "info")
    refused = {**reached, "seen_as": None, "problem": "Connection refused"}
    assert findings("pi1", dials={**facts("pi1")["dials"], "management": refused}) == []


def test_a_wall_clock_within_its_limit_is_no_finding() -> None:
    assert findings(wall_ns=2 * 10**18 + 50 * MS) == []
    assert findings(wall_ns=2 * 10**18 + 52 * MS) != []


def test_facts_that_a_host_cannot_tell_are_no_findings() -> None:
    unknown = {"governors": [], "temperature_celsius": None, "throttled": None, "processors": None}
    assert findings(**unknown, **changed("pi1", "devices", "eth0", rate_bit_per_s=None)) == []


def test_a_host_that_cannot_be_asked_is_unfit_and_the_others_are_judged() -> None:
    gone = Looked(host="pi2", problem="cannot reach 192.0.2.3", next_step="Switch it on.")
    others = [Looked(host=name, facts=HostFacts.model_validate(facts(name))) for name in ("server", "pi1", "pi3")]
    found = judged(INVENTORY, [*others[:2], gone, others[2]])
    assert [(one.host, one.severity, one.fact) for one in found] == [("pi2", "unfit", "cannot reach 192.0.2.3")]
    told = document([*others, gone], found)
    assert not told["ok"]
    assert told["hosts"]["pi2"] is None
    assert is_fit([])
    assert not is_fit(found)


def test_two_versions_that_are_equally_common_are_held_against_the_servers() -> None:
    looked = [
        Looked(
            host=name,
            facts=HostFacts.model_validate({**facts(name), "versions": {**VERSIONS, "fedprobe": version}}),
        )
        for name, version in (("server", "0.1.0"), ("pi1", "0.2.0"), ("pi2", "0.2.0"), ("pi3", "0.1.0"))
    ]
    assert [one.host for one in judged(INVENTORY, looked)] == ["pi1", "pi2"]
