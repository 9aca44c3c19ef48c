"""Conditions do what they say: processor shares, rates of a trace, a background sender, each measured."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from instrument.clock import SystemClock, sleep_s
from testbed.emulation import cpu_limit, following, lifecycle, namespaces, ownership, sending
from testbed.emulation.addresses import topology
from testbed.emulation.conditions import Background, Conditions
from testbed.emulation.profiles import chosen_profiles
from testbed.emulation.rate_follower import LOG_HEADER
from testbed.errors import EmulationError, UsageError
from testbed.inventory import Inventory

from .conftest import Hosts

pytestmark = pytest.mark.netns

SHARE = 0.4
needs_control_groups = pytest.mark.skipif(
    cpu_limit.found_controller() is None, reason="no CPU controller among this machine's control groups"
)


@needs_control_groups
@pytest.mark.long
def test_a_node_gets_its_share_of_a_core(state: Path) -> None:
    controller = cpu_limit.require_controller()
    conditions = Conditions(pi_cpu_cores=SHARE)
    with lifecycle.emulated(2, networks=["ethernet"], conditions=conditions) as inventory:
        parent = controller.root / cpu_limit.group_name(inventory.name)
        groups = sorted(path for path in parent.iterdir() if path.is_dir())
        assert [group.name for group in groups] == ["pi1", "pi2"]
        assert {cpu_limit.read_cores(controller, group) for group in groups} == {SHARE}
        assert inventory.emulator.pi_cpu.model_dump() == {
            "cores": SHARE,
            "period_us": cpu_limit.PERIOD_US,
            "cgroup": controller.version,
        }
        hosts = Hosts(inventory)
        found: list[float] = []
        while len(found) < 3 and max(found, default=0) < 0.85 * SHARE:
            found.append(hosts.traffic("pi1", "spin", "2"))
        assert max(found) <= 1.1 * SHARE
        assert max(found) >= 0.85 * SHARE
        assert hosts.traffic("server", "spin", "1") > 1.1 * SHARE, "the server is not limited"
        hosts.close()
    assert not parent.exists()


@needs_control_groups
def test_more_shares_than_cores_are_refused_and_nothing_is_built(state: Path) -> None:
    cores = cpu_limit.machine_cores()
    with pytest.raises(UsageError, match=f"and this machine has {cores}: then the limits would not decide who runs"):
        lifecycle.up(cores + 1, networks=["ethernet"], conditions=Conditions(pi_cpu_cores=1.0))
    assert list(state.iterdir()) == []


@needs_control_groups
def test_groups_of_a_testbed_that_is_not_registered_are_swept(state: Path) -> None:
    controller = cpu_limit.require_controller()
    with lifecycle.emulated(1, networks=["ethernet"], conditions=Conditions(pi_cpu_cores=SHARE)) as inventory:
        orphan = cpu_limit.limit(controller, "nobodys", "pi1", SHARE)
        sleeper = subprocess.Popen(cpu_limit.inside_group(orphan, ["sleep", "60"]))
        while str(sleeper.pid) not in (orphan / "cgroup.procs").read_text().split():
            sleep_s(0.01)
        lifecycle.sweep()
        assert orphan.is_dir(), "somebody may use it"
        sleeper.kill()
        sleeper.wait()
        lifecycle.sweep()
        assert not orphan.parent.exists()
        assert (controller.root / cpu_limit.group_name(inventory.name) / "pi1").is_dir()


UPLINK_MBIT = (4, 16, 8)
STEP_S = 0.8


@pytest.fixture(scope="module")
def traced(able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inventory]:
    """One node on a 5G link whose rates follow a trace, with a background sender that always wants more uplink."""
    folder = tmp_path_factory.mktemp("traced")
    trace = folder / "drive.csv"
    rows = [f"{index * STEP_S},{10 * rate}e6,{rate}e6" for index, rate in enumerate(UPLINK_MBIT)]
    trace.write_text("\n".join(["time_s,downlink_bit_per_s,uplink_bit_per_s", *rows]) + "\n", encoding="utf-8")
    sender = Background(network="5g", uplink_bit_per_s=19_000_000, downlink_bit_per_s=1_000_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ownership.STATE_VARIABLE, str(folder))
        conditions = Conditions(traces={"5g": [trace]}, background=sender)
        with lifecycle.emulated(1, networks=["5g"], conditions=conditions) as inventory:
            yield inventory


@pytest.mark.long
def test_rates_follow_the_trace(traced: Inventory) -> None:
    following.restart_traces(traced)
    samples = uplink_bytes(traced, seconds=2 * STEP_S * len(UPLINK_MBIT))
    header, *lines = following.applied_rates(traced)["5g"].splitlines()
    assert header == LOG_HEADER
    applied = [(int(ns), float(at), int(down), int(up)) for ns, at, down, up in (line.split(",") for line in lines)]
    assert [up // 1_000_000 for _, _, _, up in applied[:3]] == list(UPLINK_MBIT)
    assert all(down == 10 * up for _, _, down, up in applied)
    for (begin_ns, _, _, up), (end_ns, _, _, _) in list(pairwise(applied))[:5]:
        # what the queue still held at the old rate is out after a moment
        inside = [(ns, count) for ns, count in samples if begin_ns + 200_000_000 <= ns <= end_ns]
        assert len(inside) > 5
        (first_ns, first), (last_ns, last) = inside[0], inside[-1]
        assert (last - first) * 8e9 / (last_ns - first_ns) == pytest.approx(up, rel=0.06)


@pytest.mark.long
def test_each_rate_is_logged_when_its_time_has_come(traced: Inventory) -> None:
    clock = SystemClock()
    asked_ns = clock.mono_ns()
    following.restart_traces(traced)
    begun_ns = clock.mono_ns()
    sleep_s(STEP_S * 3.5)
    rows = [line.split(",") for line in following.applied_rates(traced)["5g"].splitlines()[1:]]
    assert asked_ns < int(rows[0][0]) <= begun_ns
    assert [float(row[1]) for row in rows[:4]] == pytest.approx([0.0, 0.8, 1.6, 2.4])
    # never before its step: the first row is the beginning, or a little after it
    assert all(int(row[0]) - asked_ns >= float(row[1]) * 1e9 for row in rows)


@pytest.mark.long
def test_the_background_sender_sends_what_was_asked_and_the_link_passes_what_it_can(traced: Inventory) -> None:
    before = sending.counts(traced)
    sleep_s(2 * STEP_S * len(UPLINK_MBIT))
    found = sending.rates(before, sending.counts(traced))
    assert found["uplink sent"] == pytest.approx(19e6, rel=0.05)
    assert found["downlink received"] == pytest.approx(1e6, rel=0.1)
    mean = sum(UPLINK_MBIT) / len(UPLINK_MBIT) * 1e6
    assert 0.7 * mean < found["uplink received"] < 1.2 * mean


def test_a_dead_follower_is_noticed(state: Path, tmp_path: Path) -> None:
    trace = tmp_path / "one.csv"
    trace.write_text("time_s,downlink_bit_per_s,uplink_bit_per_s\n0,1e6,1e6\n", encoding="utf-8")
    with lifecycle.emulated(1, networks=["5g"], conditions=Conditions(traces={"5g": [trace]})) as inventory:
        pid = inventory.emulator.networks["5g"].trace.pid
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with pytest.raises(EmulationError, match="the process that makes 5g follow its trace"):
            following.restart_traces(inventory)
        with pytest.raises(EmulationError, match="rates stand still"):
            following.applied_rates(inventory)


@pytest.mark.long
def test_networks_of_a_sweep_stand_side_by_side(state: Path) -> None:
    names = ["5g", "5g-20mhz", "5g-uplink-43"]
    profiles = chosen_profiles("paper-5g-sweep", state)
    with lifecycle.emulated(1, networks=names, profiles=profiles) as inventory:
        assert list(inventory.networks) == names
        devices = [one.device for one in inventory.host("pi1").interfaces.values()]
        assert devices == ["wwan0", "wwan1", "wwan2"]
        hosts = Hosts(inventory)
        for name, device in zip(names, devices, strict=True):
            route = hosts["pi1"].check(["ip", "-o", "route", "get", inventory.server_addresses[name]], timeout_s=5)
            assert f"dev {device}" in route.text
            answers = hosts.traffic("pi1", "ping", inventory.server_addresses[name], "5", "100")
            assert min(answer for answer in answers if answer is not None) >= 22_000_000
        hosts.close()


def uplink_bytes(inventory: Inventory, *, seconds: float) -> list[tuple[int, int]]:
    """The machine's monotonic ns, and what had left the router towards the server, every 20 ms."""
    from pyroute2 import IPRoute

    shape = topology(inventory.name, 1, ["5g"])
    clock = SystemClock()

    def sample() -> list[tuple[int, int]]:
        found = []
        with IPRoute() as ip:
            index = ip.link_lookup(ifname="up0")[0]
            end_ns = clock.mono_ns() + int(seconds * 1e9)
            while (now_ns := clock.mono_ns()) < end_ns:
                (link,) = ip.get_links(index)
                found.append((now_ns, link.get_attr("IFLA_STATS64")["tx_bytes"]))
                clock.sleep_until_mono_ns(now_ns + 20_000_000)
        return found

    return namespaces.inside(shape.router(shape.networks[0]), sample)
