"""Whatever inventory is written, the same one is read; and a range is the hosts that it stands for."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from testbed.inventory import (
    Controller,
    EmulatedNetwork,
    Emulator,
    Host,
    Interface,
    Inventory,
    Jump,
    Management,
)
from testbed.inventory_file import parse_inventory
from testbed.inventory_text import inventory_text

LABELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
PATHS = TEXTS.filter(lambda text: text.strip("/.")).map(lambda text: Path("/") / text.lstrip("/"))
PORTS = st.integers(1, 65535)
NETWORKS = st.sampled_from(["ethernet", "wifi", "5g", "lora-1"])


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Any inventory that `parse_inventory` accepts."""
    names = draw(st.lists(LABELS, min_size=3, max_size=6, unique=True))
    gate, *hosts = names
    jump = Jump(name=gate, address="gate.lab", port=draw(PORTS), user=draw(TEXTS), key=draw(PATHS))
    networks = draw(st.lists(NETWORKS, min_size=1, unique=True))
    keys, users, devices = [draw(st.lists(one, min_size=1, max_size=2)) for one in (PATHS, TEXTS, TEXTS)]

    def host(number: int) -> Host:
        is_server = number == 0
        chosen = networks if is_server else draw(st.lists(st.sampled_from(networks), min_size=1, unique=True))
        return Host(
            name=hosts[number],
            role="server" if is_server else "node",
            management=Management(
                address=draw(st.sampled_from([f"host{number}.lab", f"192.0.2.{number}", f"2001:db8::{number}"])),
                port=draw(PORTS),
                user=draw(st.sampled_from(users)),
                key=draw(st.sampled_from(keys)),
                device=draw(st.none() | st.sampled_from(devices)),
                jump=draw(st.none() | st.just(jump)),
            ),
            interfaces={
                network: Interface(
                    device=f"{draw(st.sampled_from(devices))} {network}",
                    address=ip_address(f"198.51.{networks.index(network)}.{number}"),
                    gateway=None if is_server else draw(st.none() | st.just(ip_address("203.0.113.1"))),
                )
                for network in chosen
            },
            python=draw(st.sampled_from(users)),
            work_folder=draw(st.sampled_from(devices)),
            groups=tuple(draw(st.lists(LABELS, max_size=2))),
        )

    emulated = draw(st.booleans())
    return Inventory(
        name=draw(TEXTS),
        kind="emulated" if emulated else "real",
        clock="shared" if emulated else draw(st.sampled_from(["own", "shared"])),
        security=draw(st.sampled_from(["none", "tls", "tls+supernode-auth"])),
        known_hosts=draw(PATHS),
        controller=Controller(name=draw(LABELS), management=draw(st.sampled_from(["c.lab", None]))),
        hosts=tuple(host(number) for number in range(len(hosts))),
        emulator=emulator(draw, networks) if emulated else None,
    )


def emulator(draw: st.DrawFn, networks: list[str]) -> Emulator:
    made = {
        network: draw(
            st.builds(
                EmulatedNetwork,
                delay_element=st.sampled_from(["netem", "nfqueue", "none"]),
                pid=st.none() | st.integers(1, 2**22),
                histogram=st.none() | PATHS,
            )
        )
        for network in networks
    }
    return Emulator(
        testbed_id=draw(TEXTS),
        seed=draw(st.integers(0, 2**31)),
        profile_file=draw(PATHS),
        congestion_control="cubic",
        networks=made,
        monotonic_offset_s=draw(st.dictionaries(TEXTS, st.integers(0, 10**7), max_size=3)),
    )


@given(inventories())
def test_what_is_written_is_what_is_read(inventory: Inventory) -> None:
    assert parse_inventory(inventory_text(inventory), Path("/lab/lab.toml")) == inventory


@given(st.integers(0, 200), st.integers(1, 50))
def test_a_range_is_the_hosts_that_it_stands_for(first: int, hosts: int) -> None:
    head = """\
name = "lab"
known_hosts = "known_hosts"
[defaults]
key = "key"
[defaults.devices]
wifi = "wlan0"
[server]
name = "server"
management = "192.0.2.254"
interfaces = { wifi = "198.51.100.254" }
"""
    block = '[[nodes]]\nname = "pi{}"\nmanagement = "192.0.2.{}"\ninterfaces = {{ wifi = "198.51.100.{}" }}\n'
    numbers = range(first, first + hosts)
    one_by_one = head + "".join(block.format(number, number, number) for number in numbers)
    as_range = head + block.format(f"[{first}-{first + hosts - 1}]", first, first)
    made = parse_inventory(as_range, Path("/lab.toml"))
    assert made == parse_inventory(one_by_one, Path("/lab.toml"))
    assert len({node.name for node in made.nodes}) == hosts
    assert len({node.interfaces["wifi"].address for node in made.nodes}) == hosts
