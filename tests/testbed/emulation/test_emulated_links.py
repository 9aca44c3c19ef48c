"""The links carry, delay and share what their profile says, seen by plain programs on the hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from instrument.clock import sleep_s
from testbed.emulation import lateness, namespaces, programs
from testbed.emulation.lifecycle import delayer_snapshots
from testbed.errors import RemoteError
from testbed.login import login_to
from testbed.ssh import connect

from .conftest import Hosts

pytestmark = pytest.mark.netns

MBIT = 1_000_000


@pytest.mark.parametrize(("network", "device"), [("ethernet", "eth0"), ("wifi", "wlan0"), ("5g", "wwan0")])
def test_a_dialled_address_pins_the_interface(hosts: Hosts, network: str, device: str) -> None:
    server = hosts.inventory.server_addresses[network]
    for node in hosts.inventory.nodes:
        own = str(node.interfaces[network].address)
        for extra in ([], ["from", own]):
            found = hosts[node.name].check(["ip", "-o", "route", "get", server, *extra], timeout_s=5).text
            assert f"dev {device}" in found
            assert own in found


@pytest.mark.parametrize("network", ["ethernet", "wifi", "5g"])
def test_only_the_dialled_network_carries_the_bytes(hosts: Hosts, network: str) -> None:
    before = _received_bytes(hosts)
    peers = _transfer(hosts, network, ["pi1"], 500_000)
    after = _received_bytes(hosts)
    grown = {device: after[device] - before[device] for device in before}
    carrier = hosts.inventory.server.interfaces[network].device
    assert list(peers) == [str(hosts.inventory.host("pi1").interfaces[network].address)]
    assert grown.pop(carrier) > 500_000
    assert all(count < 1000 for count in grown.values()), grown


def test_routers_forward_only_within_their_network(hosts: Hosts) -> None:
    python = hosts.inventory.host("pi1").python
    # from the ethernet address the ethernet router gets it, and it knows no way to the wifi subnet
    argv = ["-c", "import socket; socket.create_connection(('10.78.2.1', 22), 1, ('10.77.1.1', 0))"]
    with pytest.raises(RemoteError, match=r"unreachable|timed out"):
        hosts["pi1"].check([python, *argv], timeout_s=10)


def test_wifi_is_half_duplex(hosts: Hosts) -> None:
    address = str(hosts.inventory.host("pi2").interfaces["wifi"].address)
    down = hosts.start_traffic("pi2", "sink", "sink", address, "1")
    with ThreadPoolExecutor() as pool:
        source = pool.submit(_from_server, hosts, "pi2", "wifi", 20_000_000)
        uplink = _transfer(hosts, "wifi", ["pi1"], 20_000_000)
        source.result()
    downlink = _sink_results(hosts, "pi2", "sink", down)
    total = sum(_rates_together({"up": _only(uplink), "down": _only(downlink)}))
    # two directions that do not share would reach 2 x 90
    assert 0.55 * 120 * MBIT < total < 1.05 * 120 * MBIT


def test_lateness_of_a_trial_is_the_difference_of_two_snapshots(hosts: Hosts) -> None:
    before = _fresh_snapshot(hosts)
    _transfer(hosts, "5g", ["pi1"], 1_000_000)
    found = lateness.between(before, _fresh_snapshot(hosts))
    assert found.packets > 700
    assert found.overruns == 0
    assert 0 < found.mean_ns < 20_000_000
    assert found.mean_ns / 2 < found.p99_ns <= found.max_ns


@pytest.fixture
def root_namespace_links() -> Iterator[None]:
    argv = ["ip", "-o", "link"]
    before = programs.output(argv, testbed_id="")
    yield
    assert programs.output(argv, testbed_id="") == before


def test_work_inside_a_namespace_leaves_the_caller_where_it_was(hosts: Hosts, root_namespace_links: None) -> None:
    inside = namespaces.inside(
        hosts.inventory.controller_namespace, lambda: programs.output(["ip", "-o", "link"], testbed_id="")
    )
    assert "m-pi1" in inside


def _fresh_snapshot(hosts: Hosts) -> lateness.Snapshot:
    """A snapshot written after this call."""
    first = delayer_snapshots(hosts.inventory)["5g"]
    for _ in range(300):
        second = delayer_snapshots(hosts.inventory)["5g"]
        if second.written_mono_ns > first.written_mono_ns:
            return second
        sleep_s(0.01)
    raise AssertionError("the delayer stopped writing")


def _transfer(hosts: Hosts, network: str, nodes: list[str], count: int) -> dict:
    server = hosts.inventory.server_addresses[network]
    pid = hosts.start_traffic("server", "sink", "sink", server, str(len(nodes)))
    for node in nodes:
        hosts[node]  # log in before the clock runs
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: hosts.traffic(node, "send", server, str(count)), nodes))
    return _sink_results(hosts, "server", "sink", pid)


def _from_server(hosts: Hosts, node: str, network: str, count: int) -> None:
    address = str(hosts.inventory.host(node).interfaces[network].address)
    with connect(login_to(hosts.inventory, hosts.inventory.server)) as shell:
        other = Hosts(hosts.inventory)
        other._shells["server"] = shell
        other.traffic("server", "send", address, str(count))


def _sink_results(hosts: Hosts, name: str, output: str, pid: int) -> dict:
    """What a sink saw, by the machine's clock."""
    for _ in range(500):
        if not hosts[name].alive(pid):
            break
        sleep_s(0.02)
    text = hosts[name].check(["cat", f"{hosts.inventory.host(name).work_folder}/{output}"], timeout_s=5).text
    ahead_ns = hosts.inventory.emulator.monotonic_offset_s[name] * 10**9
    found = json.loads(text)
    return {peer: [(ns - ahead_ns, total) for ns, total in samples] for peer, samples in found.items()}


def _only(samples: dict) -> list:
    (only,) = samples.values()
    return only


def _rate(samples: list) -> float:
    """bit/s from the first reading to the last."""
    (first_ns, first), (last_ns, last) = samples[0], samples[-1]
    return (last - first) * 8e9 / (last_ns - first_ns)


def _rates_together(samples: dict) -> list[float]:
    """bit/s of each while all were busy, after their first 0.3 s."""
    begin_ns = max(one[0][0] for one in samples.values()) + 300_000_000
    end_ns = min(one[-1][0] for one in samples.values())
    return [_rate([(ns, total) for ns, total in one if begin_ns <= ns <= end_ns]) for one in samples.values()]


def _received_bytes(hosts: Hosts) -> dict[str, int]:
    """Per measured interface of the server."""
    return {
        one.device: int(
            hosts["server"].check(["cat", f"/sys/class/net/{one.device}/statistics/rx_bytes"], timeout_s=5).text
        )
        for one in hosts.inventory.server.interfaces.values()
    }
