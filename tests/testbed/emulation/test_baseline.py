"""The link baseline against truth: queues of a known rate, delays of a known length, a path of a known MTU."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from instrument.clock import sleep_s
from testbed.baseline.conduct import Site, measured
from testbed.baseline.document import BaselineLink
from testbed.baseline.plan import Plan
from testbed.capabilities import missing_programs
from testbed.emulation import namespaces, programs
from testbed.emulation.addresses import NETWORKS, topology
from testbed.emulation.profiles import load_profiles
from testbed.interrupts import Interrupts
from testbed.inventory import Inventory
from testbed.progress import RunProgress

from .conftest import Hosts, standing
from .one_address import with_one_address

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]
TCP_SHARE = 0.956  # payload of a full frame: 1448 / 1514
CLOSE = 0.02
CLOSE_S = 0.001
HALF_NORMAL_MEAN = 0.798  # of |N(0, 1)|
PLAN = Plan(load_s=4)


@pytest.fixture(scope="module")
def lab(able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Two Pis, whose networks these tests narrow and number anew."""
    if missing := missing_programs(["iperf3", "ping"]):
        pytest.skip(f"no {missing[0].name} on this machine: make setup")
    with standing(tmp_path_factory.mktemp("state"), 2, networks=("wifi", "5g"), seed=9) as found:
        yield found


def links(hosts: Hosts, *networks: str, nodes: int = 1, inventory: Inventory | None = None) -> list[BaselineLink]:
    """The link baseline of the first Pis on these networks."""
    chosen = inventory or hosts.inventory
    with Interrupts() as interrupts, RunProgress(0) as progress:
        site = Site(
            inventory=chosen,
            nodes=chosen.nodes[:nodes],
            sessions={host.name: hosts[host.name] for host in chosen.hosts},
            interrupts=interrupts,
            progress=progress,
            plan=PLAN,
        )
        return [link for network in networks for link in measured(site, network)]


def late_s(link: BaselineLink) -> float:
    """How far the mean of the idle round trips is from the profile's."""
    profile = load_profiles().links[link.network]
    sides = (profile.uplink, profile.downlink)
    assert link.latency_idle is not None, link.problems
    assert link.latency_idle.mean_s is not None
    means_ns = sum(side.delay_ns + HALF_NORMAL_MEAN * side.jitter_sigma_ns for side in sides)
    return abs(link.latency_idle.mean_s - means_ns / 1e9)


def is_close(link: BaselineLink) -> bool:
    return off_by(link) <= CLOSE and late_s(link) <= CLOSE_S


def off_by(link: BaselineLink) -> float:
    """The larger error of both rates, relative to the profile's."""
    profile = load_profiles().links[link.network]
    assert link.up is not None, link.problems
    assert link.down is not None, link.problems
    expected = [side.ceil_bit_per_s * TCP_SHARE for side in (profile.uplink, profile.downlink)]
    found = [link.up.bit_per_s, link.down.bit_per_s]
    return max(abs(one / wanted - 1) for one, wanted in zip(found, expected, strict=True))


@pytest.fixture(scope="module")
def alone(lab: Hosts) -> dict[str, BaselineLink]:
    """Each link, measured once more where a busy machine spoilt it: what is asked of it stays the same."""
    found = {link.network: link for link in links(lab, "wifi", "5g")}
    return {network: link if is_close(link) else links(lab, network)[0] for network, link in found.items()}


@pytest.mark.long
@pytest.mark.parametrize("network", ["wifi", "5g"])
def test_rates_round_trips_and_mtu_are_those_of_the_profile(alone: dict[str, BaselineLink], network: str) -> None:
    link = alone[network]
    assert off_by(link) <= CLOSE, link
    assert link.problems == ()
    profile = load_profiles().links[network]
    least_s = (profile.uplink.delay_ns + profile.downlink.delay_ns) / 1e9
    sigma_s = (profile.uplink.jitter_sigma_ns + profile.downlink.jitter_sigma_ns) / 1e9
    idle, up, down = link.latency_idle, link.latency_up, link.latency_down
    assert idle is not None
    assert idle.min_s is not None
    assert least_s <= idle.min_s <= least_s + 0.5 * sigma_s + 0.001
    assert late_s(link) <= CLOSE_S
    assert (idle.sent, up.sent, down.sent) == (100, 60, 60)  # type: ignore[union-attr]
    assert idle.lost_ratio <= 0.05
    assert link.path_mtu == link.device_mtu == 1500


@pytest.mark.long
def test_a_full_link_is_slower_there_and_back(alone: dict[str, BaselineLink]) -> None:
    link = alone["5g"]
    assert link.latency_idle is not None
    assert link.latency_up is not None
    assert link.latency_up.median_s > 1.2 * link.latency_idle.median_s  # type: ignore[operator]


@pytest.mark.long
def test_what_it_moved_is_counted_on_its_interface_alone(alone: dict[str, BaselineLink]) -> None:
    link = alone["5g"]
    assert link.up is not None
    assert link.down is not None
    moved = dict(link.moved_bytes)
    assert moved.pop("5g") > link.up.counted_bytes + link.down.counted_bytes  # type: ignore[operator]
    assert all(size is not None and size < 1000 for size in moved.values()), moved


@pytest.mark.long
def test_a_narrow_path_is_found_behind_a_wide_device(lab: Hosts) -> None:
    inventory = lab.inventory
    assert inventory.emulator is not None
    router = topology(inventory.emulator.testbed_id, 2, inventory.networks).router(NETWORKS["wifi"])

    def narrowed_to(mtu: str) -> None:
        command = ["ip", "link", "set", "up0", "mtu", mtu]
        namespaces.inside(router, partial(programs.output, command, testbed_id=""))

    narrowed_to("1337")
    try:
        (link,) = links(lab, "wifi")
    finally:
        narrowed_to("1500")
        lab["pi1"].check(["ip", "route", "flush", "cache"], timeout_s=9)
    assert (link.device_mtu, link.path_mtu) == (1500, 1337)


@pytest.mark.long
def test_a_host_without_the_programs_costs_its_own_links_only(lab: Hosts, tmp_path: Path) -> None:
    """pi1's shells find no ping: its links have the reason, pi2's their numbers."""
    mine = ["mount", "--bind", "/dev/null", _program(lab, "ping")]
    lab["pi1"].check(mine, timeout_s=9)
    try:
        first, second = links(lab, "5g", nodes=2)
    finally:
        lab["pi1"].check(["umount", mine[-1]], timeout_s=9)
    assert (first.node, first.up, first.latency_idle) == ("pi1", None, None)
    assert "sudo apt install iputils-ping" in first.problems[0]
    assert second.problems == ()
    assert second.up is not None


def _program(hosts: Hosts, name: str) -> str:
    return hosts["pi1"].check(["sh", "-c", f"readlink -f $(command -v {name})"], timeout_s=9).text.strip()


def test_the_servers_port_in_use_is_every_links_problem(lab: Hosts) -> None:
    python = lab.inventory.server.python
    code = "import socket, time; s = socket.create_server(('', 8000)); print('ready', flush=True); time.sleep(600)"
    pid = lab["server"].start([python, "-c", code], stdout="holder.out", stderr="holder.err")
    try:
        for _ in range(200):
            if "ready" in lab["server"].read_text("holder.out"):
                break
            sleep_s(0.02)
        found = links(lab, "5g", nodes=2)
    finally:
        lab["server"].stop_group(pid, grace_s=0.5)
    assert [link.node for link in found] == ["pi1", "pi2"]
    assert all("port 8000" in link.problems[0] and link.up is None for link in found)


@pytest.mark.long
def test_one_address_of_the_server_is_pinned_as_in_a_trial(lab: Hosts) -> None:
    """The last test here: the server keeps that address."""
    (link,) = links(lab, "5g", inventory=with_one_address(lab))
    assert link.problems == ()
    assert off_by(link) <= 2 * CLOSE
    assert link.moved_bytes["wifi"] < 1000  # type: ignore[operator]
