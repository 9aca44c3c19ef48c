"""Shaping plans: what the kernel is told is what the profile says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.emulation import tc
from testbed.emulation.addresses import MAX_NODES, NETWORKS, topology
from testbed.emulation.profiles import load_profiles
from testbed.emulation.shaping import Leaf, delay_element, queue_packets, queue_rules, shaping_plan
from testbed.errors import UsageError

LINKS = load_profiles().links
nodes_counts = st.integers(1, MAX_NODES)
network_names = st.sampled_from(sorted(NETWORKS))
elements = st.sampled_from(["netem", "nfqueue", "none"])


def plan(name: str, nodes: int, element: str = "none"):
    return shaping_plan(LINKS[name], NETWORKS[name], nodes, element)


@given(network_names, nodes_counts, elements)
def test_every_client_has_one_class_per_direction(name: str, nodes: int, element: str) -> None:
    found = plan(name, nodes, element)
    expected = {(side, NETWORKS[name].node_address(node)) for side in ("src", "dst") for node in range(1, nodes + 1)}
    assert {one.match for one in found.classes if one.match} == expected
    assert max(Counter((one.device, one.minor) for one in found.classes).values()) == 1
    assert all(0 < one.minor < 0xFFFF for one in found.classes)


@given(network_names, nodes_counts)
def test_guaranteed_rates_fit_into_the_capacity(name: str, nodes: int) -> None:
    found = plan(name, nodes)
    for capacity in (one for one in found.classes if one.match is None):
        shares = [one for one in found.classes if one.device == capacity.device and one.parent_minor]
        assert sum(one.rate_bit_per_s for one in shares) <= capacity.ceil_bit_per_s
        assert all(one.rate_bit_per_s <= one.ceil_bit_per_s <= capacity.ceil_bit_per_s for one in shares)


def test_a_5g_cell_is_shared_per_direction() -> None:
    found = plan("5g", 4)
    capacities = {one.device: one.ceil_bit_per_s for one in found.classes if not one.match}
    assert capacities == {"up0": 30_000_000, "br0": 120_000_000}
    assert {one.ceil_bit_per_s for one in found.classes if one.match and one.device == "up0"} == {20_000_000}
    assert found.redirected == ()


def test_wifi_sends_both_directions_through_one_device() -> None:
    found = plan("wifi", 2)
    assert found.devices == ("ifb0",)
    assert found.redirected == ("up0", "br0")
    assert tc.batch(found) == [
        "qdisc add dev up0 clsact",
        "filter add dev up0 egress protocol ip u32 match u32 0 0 action mirred egress redirect dev ifb0",
        "qdisc add dev br0 clsact",
        "filter add dev br0 egress protocol ip u32 match u32 0 0 action mirred egress redirect dev ifb0",
    ]


def test_ethernet_shares_nothing() -> None:
    found = plan("ethernet", 3)
    assert {one.parent_minor for one in found.classes} == {0}
    assert {(one.rate_bit_per_s, one.ceil_bit_per_s) for one in found.classes} == {(10**9, 10**9)}


def test_queues_hold_their_time_at_the_fair_share() -> None:
    # 150 ms at 30/4 Mbit/s are 92.9 frames of 1514 bytes
    assert {one.leaf.limit_packets for one in plan("5g", 4).classes if one.match and one.device == "up0"} == {93}
    assert queue_packets(LINKS["5g"].uplink, 1000) == 30
    assert {one.leaf.limit_packets for one in plan("ethernet", 4).classes} == {1000}


def test_netem_gets_the_same_mean_delay_and_keeps_the_order() -> None:
    found = plan("5g", 1, "netem")
    assert found.impairments == ()
    uplink = next(one for one in found.classes if one.leaf and one.device == "up0")
    assert uplink.leaf.delay_ns == pytest.approx(14e6 + 3e6 * 0.797885, rel=1e-6)
    assert uplink.leaf.jitter_ns == pytest.approx(3e6 * 0.602810, rel=1e-6)
    assert tc.batch(found)[0] == (
        "qdisc add dev up0 parent 1:101 handle 101: netem limit 288 delay 16393.7us 1808.43us "
        "distribution normal loss 0.05% rate 10gbit"
    )


@pytest.mark.parametrize(("name", "expected"), [("ethernet", "none"), ("wifi", "nfqueue"), ("5g", "nfqueue")])
def test_what_makes_the_delay_where_netem_is_absent(name: str, expected: str) -> None:
    assert delay_element(LINKS[name], netem=False) == expected
    assert delay_element(LINKS[name], netem=True) == "netem"


def test_only_the_delayer_gets_packets_and_never_with_a_bypass() -> None:
    assert queue_rules(plan("5g", 1, "netem")) == "*filter\nCOMMIT\n"
    rules = queue_rules(plan("5g", 1, "nfqueue"))
    assert "-A FORWARD -i br0 -o up0 -j NFQUEUE --queue-num 1" in rules
    assert "bypass" not in rules
    assert [str(one) for one in plan("5g", 1, "nfqueue").impairments] == [
        "1:14000000:3000000:0.0005",
        "0:8000000:1000000:0.0005",
    ]


def test_a_queue_that_reads_back_otherwise_is_a_difference() -> None:
    one = next(one for one in plan("5g", 1, "netem").classes if one.leaf)
    delay_s = one.leaf.delay_ns / 1e9
    good = {"kind": "netem", "options": {"limit": one.leaf.limit_packets, "delay": {"delay": delay_s}}}
    assert list(tc.leaf_difference(one, one.leaf, good)) == []
    for wrong in (
        None,
        {"kind": "pfifo"},
        {"kind": "netem", "options": {"limit": 1, "delay": {"delay": delay_s}}},
        {"kind": "netem", "options": {"limit": one.leaf.limit_packets, "delay": {"delay": delay_s * 2}}},
    ):
        assert len(list(tc.leaf_difference(one, one.leaf, wrong))) == 1
    plain = Leaf(kind="pfifo", limit_packets=7)
    assert list(tc.leaf_difference(replace(one, leaf=plain), plain, {"kind": "pfifo", "options": {"limit": 7}})) == []


def test_namespaces_carry_the_testbed_and_devices_fit_the_kernel() -> None:
    shape = topology("a1b2c3", MAX_NODES, ["wifi", "5g"])
    assert shape.namespace("pi1") == "fp-a1b2c3-pi1"
    assert len(set(shape.namespaces)) == 1 + 1 + MAX_NODES + 2
    assert all(len(f"p-{host}") <= 15 for host in shape.hosts)


@pytest.mark.parametrize(
    ("nodes", "networks", "message"),
    [
        (0, ["5g"], "nodes = 0: an emulated testbed has 1 to 249 nodes"),
        (1, [], "networks = \\[\\]"),
        (1, ["4g"], "networks = \\['4g'\\]: expected each of ethernet, wifi, 5g"),
        (1, ["5g", "5g"], "at most once"),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused(nodes: int, networks: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        topology("x", nodes, networks)
