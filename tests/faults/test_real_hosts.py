"""What a fault asks of real hosts: which of them are told what, and what is refused before the campaign starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed import campaign as campaigns
from testbed.errors import FedprobeError
from testbed.faults.orders import Ordered, Scene, orders_of, targets
from testbed.faults.refusals import refusals, require_hosts
from testbed.faults.tables import FaultStep
from testbed.inventory import Inventory
from testbed.inventory_file import parse_inventory
from testbed.shell import Completed

LAB = Path(__file__).resolve().parents[2] / "examples" / "lab.toml"


@pytest.fixture(scope="module")
def lab() -> Inventory:
    return parse_inventory(LAB.read_text(encoding="utf-8"), LAB)


def campaign(step: FaultStep, network: str = "wifi") -> campaigns.Campaign:
    return campaigns.Campaign(
        name="x", rounds=3, clients=2, factors=campaigns.Factors(interface=(network,), fault=("it",)),
        testbed=campaigns.Testbed(kind="inventory", inventory=LAB), fault={"it": (step,)},
    )  # fmt: skip


def orders(lab: Inventory, step: FaultStep) -> list[Ordered]:
    def nothing(*_: object) -> Any:
        raise AssertionError("of emulated hosts, or of other kinds")

    nodes = lab.nodes[:2]
    scene = Scene(
        inventory=lab, nodes=nodes, network=lambda _: "wifi", trial="t",
        folder=lambda host, *parts: "/".join((host.work_folder, "trials", "t", *parts)),
        classes=nothing, cpu_limit_file=nothing, start_of=nothing, text_of=lambda _: "0,1000\n2,1000\n",
        moves_of=nothing,
    )  # fmt: skip
    return orders_of(step, scene)


def test_a_cut_is_made_at_both_ends_of_a_real_link(lab: Inventory) -> None:
    made = orders(lab, FaultStep(kind="cut", target="pi02", duration_s=5))
    assert [(one.host.name, one.place, one.as_root) for one in made] == [
        ("pi02", "host", True),
        (lab.server.name, "host", True),
    ]
    assert all(list(one.touches) == ["pi02"] for one in made)
    node, server = lab.host("pi02").interfaces["wifi"], lab.server.interfaces["wifi"]
    for one, own, other in ((made[0], node, server), (made[1], server, node)):
        (rule,) = one.asked["apply"]
        assert str(other.address) in rule["argv"]
        assert own.device in rule["argv"]


def test_a_throttle_of_a_real_host_is_of_its_frequencies(lab: Inventory) -> None:
    made = orders(lab, FaultStep(kind="throttle", cpu_ratio=0.5, duration_s=5))
    assert [one.host.name for one in made] == ["pi01", "pi02"]
    assert all(one.asked["files"].endswith("scaling_max_freq") and one.as_root for one in made)


@pytest.mark.parametrize(("direction", "sender"), [("up", "pi01"), ("down", "server")])
def test_traffic_ends_with_its_trace_and_comes_from_the_end_that_sends(
    lab: Inventory, direction: str, sender: str
) -> None:
    (one,) = orders(lab, FaultStep(kind="background", target="pi01", trace="t.csv", direction=direction))
    assert one.host == (lab.server if sender == "server" else lab.host(sender))
    assert one.windows == [(0.0, 2.5)]
    assert list(one.touches) == ["pi01"]
    assert list(one.files.values()) == ["0,1000\n2,1000\n"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "degrade", "rate_ratio": 0.5, "duration_s": 5}, "Write rate_bit_per_s"),
        ({"kind": "cut", "target": "pi11", "duration_s": 5}, "takes no part"),
        ({"kind": "cut", "target": "pi05", "duration_s": 5}, "takes no part"),
    ],
)
def test_what_real_hosts_cannot_give_is_refused(lab: Inventory, values: Mapping[str, Any], words: str) -> None:
    step = FaultStep(**values)
    assert any(words in reason for reason in refusals(step, campaign(step), lab))


def test_a_link_that_management_uses_is_not_cut(lab: Inventory) -> None:
    step = FaultStep(kind="cut", target="pi01", duration_s=5)
    assert not list(refusals(step, campaign(step), lab))
    node = lab.host("pi01")
    device = node.interfaces["wifi"].device
    managed = node.model_copy(update={"management": node.management.model_copy(update={"device": device})})
    shared = lab.model_copy(update={"hosts": tuple(managed if host == node else host for host in lab.hosts)})
    assert any("managed over wifi too" in reason for reason in refusals(step, campaign(step), shared))


def test_a_clock_needs_a_folder_that_every_process_finds(lab: Inventory) -> None:
    step = FaultStep(kind="clock", target="pi01", step_ms=5)
    relative = [host.model_copy(update={"work_folder": "fedprobe"}) for host in lab.hosts]
    assert any(
        "absolute" in one for one in refusals(step, campaign(step), lab.model_copy(update={"hosts": relative}))
    )
    absolute = [host.model_copy(update={"work_folder": "/srv/fedprobe"}) for host in lab.hosts]
    assert not list(refusals(step, campaign(step), lab.model_copy(update={"hosts": absolute})))


class Without:
    """A shell of a host that has no such program."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[tuple[list[str], bool]] = []

    def run(self, argv: list[str], *, timeout_s: float, sudo: bool = False) -> Completed:
        del timeout_s
        self.asked.append((argv, sudo))
        return Completed(127, b"", b"")


def test_a_program_that_a_fault_needs_is_asked_for_as_root_before_anything_starts(lab: Inventory) -> None:
    step = FaultStep(kind="loss", target="pi01", loss_ratio=0.1, duration_s=5)
    shells = {host.name: Without(host.name) for host in lab.hosts}
    with pytest.raises(FedprobeError, match="needs iptables"):
        require_hosts(campaign(step), lab, shells)  # type: ignore[arg-type]
    assert shells["pi01"].asked
    assert all(sudo for shell in shells.values() for _, sudo in shell.asked)


def test_targets_are_names_all_the_server_or_a_group(lab: Inventory) -> None:
    nodes = lab.nodes[:3]
    grouped = [nodes[0].model_copy(update={"groups": ("near",)}), *nodes[1:]]

    def names(target: str) -> list[str]:
        return [host.name for host in targets(FaultStep(kind="load", target=target, duration_s=1), lab, grouped)]

    assert names("all") == ["pi01", "pi02", "pi03"]
    assert names("server") == [lab.server.name]
    assert names("near") == ["pi01"]
    assert names("pi03") == ["pi03"]
    with pytest.raises(ValueError, match="takes no part"):
        names("pi04")
