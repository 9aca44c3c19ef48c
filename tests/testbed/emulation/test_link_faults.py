"""Links that are cut, lossy or slow: in the router of an emulated network, and on a host as on real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from instrument.records import Applied
from instrument.spool import read_segment
from testbed.emulation import namespaces, programs
from testbed.faults import placing
from testbed.faults.link_commands import LinkCommands, at_receiver, in_router, slower_classes, slower_device
from testbed.faults.orders import Ordered, Place
from testbed.faults.scene import _classes
from testbed.faults.tables import FaultStep
from testbed.inventory import Host

from .conftest import Hosts, standing

pytestmark = [pytest.mark.netns, pytest.mark.long]

STEP = FaultStep(kind="cut", target="pi1", duration_s=60)
ECHOES = 60


class Lab:
    """A node, its link, and orders for it."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts, self.node = hosts, hosts.inventory.host("pi1")
        self.server = hosts.inventory.server_addresses["wifi"]
        self.device = self.node.interfaces["wifi"].device
        self.address = str(self.node.interfaces["wifi"].address)
        self.count = 0

    def answers(self, node: str = "pi1") -> int:
        found = self.hosts.traffic(node, "ping", self.server, str(ECHOES), "10")
        assert isinstance(found, list)
        return sum(one is not None for one in found)

    def start(self, place: Place, commands: LinkCommands, node: Host | None = None) -> placing.Running:
        """Apply them until told; returns when they are."""
        host = node or self.node
        self.count += 1
        folder = f"{host.work_folder}/faults-{self.count}"
        shell = self.hosts[host.name]
        shell.check(["mkdir", "-p", f"{folder}/faults", f"{folder}/logs"], timeout_s=15)
        ordered = Ordered(
            step=STEP, host=host, place=place, network="wifi", action="commands", asked=commands.document(),
            windows=[(0.0, None)], does="cut wifi", as_root=True,
        )  # fmt: skip
        document = {
            "fault": "it", "does": "cut wifi", "target": host.name, "action": "commands",
            "asked": commands.document(), "windows": [[0.0, None]], "delay_s": 0.0, "limit_s": 60.0, "since": "run",
            "elapsed_s": 0.0, "out": f"{folder}/spool",
        }  # fmt: skip
        running = placing.start(
            ordered, document, name="order", inventory=self.hosts.inventory, shell=shell, folder=folder, trial="t"
        )
        placing.wait_for(running, "applied")
        return running

    def queues(self) -> str:
        """What the router, and the node, have of rules and queues."""
        router = f"fp-{self.hosts.inventory.name}-net-wifi"
        looks = [["tc", "class", "show", "dev", "ifb0"], ["iptables-save", "-t", "mangle"]]
        own = self.hosts[self.node.name]
        words = [namespaces.inside(router, lambda argv=argv: programs.output(argv, testbed_id="")) for argv in looks]
        words += [own.check(argv, timeout_s=15).text for argv in (["tc", "qdisc"], ["iptables-save", "-t", "mangle"])]
        lines = [line for text in words for line in text.splitlines() if not line.startswith(("#", ":"))]
        return json.dumps([line for line in lines if "policy" not in line])


@pytest.fixture(scope="module")
def lab(able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with standing(tmp_path_factory.mktemp("state"), 2, seed=4, networks=["wifi"]) as hosts:
        yield Lab(hosts)


@pytest.mark.parametrize("place", ["router", "host"])
def test_nothing_passes_a_cut_link_and_all_of_it_when_it_is_mended(lab: Lab, place: Place) -> None:
    before = lab.queues()
    assert lab.answers() == ECHOES
    commands = in_router([lab.address], None) if place == "router" else at_receiver(lab.server, lab.device, None)
    running = lab.start(place, commands)
    assert lab.answers() == 0
    assert lab.answers("pi2") == ECHOES, "the others' links are whole"
    assert placing.end(running) == ""
    assert lab.answers() == ECHOES
    assert lab.queues() == before


@pytest.mark.parametrize("place", ["router", "host"])
def test_a_lossy_link_loses_about_so_many_packets(lab: Lab, place: Place) -> None:
    """In the router an echo and its answer both have to come through; give or take five deviations."""
    before = lab.queues()
    commands = in_router([lab.address], 0.5) if place == "router" else at_receiver(lab.server, lab.device, 0.5)
    share = 0.25 if place == "router" else 0.5
    running = lab.start(place, commands)
    answers = lab.answers()
    assert placing.end(running) == ""
    assert abs(answers - ECHOES * share) <= 5 * (ECHOES * share * (1 - share)) ** 0.5
    assert lab.queues() == before


def test_a_slower_link_takes_the_longer_and_has_its_classes_back(lab: Lab) -> None:
    before = lab.queues()
    commands = slower_classes(_classes(lab.hosts.inventory, "wifi"), [lab.address], 0.1)
    running = lab.start("router", commands)
    slower = lab.queues()
    assert placing.end(running) == ""
    assert slower != before
    assert lab.queues() == before
    assert json.dumps("9Mbit")[1:-1] in slower


def test_a_real_device_gets_a_bucket_and_loses_it_again(lab: Lab) -> None:
    before = lab.queues()
    running = lab.start("host", slower_device(lab.device, 1_000_000))
    assert "tbf" in lab.queues()
    assert placing.end(running) == ""
    assert lab.queues() == before


def test_a_record_of_the_router_is_on_the_clock_of_its_host(lab: Lab) -> None:
    running = lab.start("router", in_router([lab.address], None))
    assert placing.end(running) == ""
    (file,) = Path(f"{lab.node.work_folder}/faults-{lab.count}/spool").glob("*.jsonl")
    segment = read_segment(file)
    own = lab.hosts["pi1"].check(
        [lab.node.python, "-c", "from instrument.clock import *; print(this_clock(), SystemClock().mono_ns())"],
        timeout_s=15,
    )
    clock, now_ns = own.text.split()
    assert (segment.header.host, segment.header.clock) == ("pi1", clock)
    first, last = (record for record in segment.records if isinstance(record, Applied))
    assert (first.phase, last.phase) == ("applied", "undone")
    assert first.start_mono_ns <= first.end_mono_ns <= last.start_mono_ns <= last.end_mono_ns <= int(now_ns)


def test_it_is_undone_though_the_controller_never_says_so(lab: Lab) -> None:
    """As where the controller was killed: the process ends by its own limit, here by the signal of a sweep."""
    before = lab.queues()
    running = lab.start("host", at_receiver(lab.server, lab.device, None))
    placing.sweep(lab.node, lab.hosts["pi1"])
    placing.wait_for(running, "undone")
    assert lab.answers() == ECHOES
    assert lab.queues() == before
