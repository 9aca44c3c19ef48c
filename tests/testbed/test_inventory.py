"""Inventory files: what is meant is read, what is written is what is read, and what cannot be meant is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.errors import InventoryError
from testbed.inventory import Inventory
from testbed.inventory_file import parse_inventory, read_inventory, write_inventory

LAB = """\
name = "lab"
known_hosts = "known_hosts"

[defaults]
user = "pi"
key = "keys/pi"
jump = "gate"

[defaults.devices]
ethernet = "eth0"
5g = "wwan0"
management = "eth1"

[jump_hosts.gate]
address = "gate.lab"
port = 2022

[server]
name = "server"
management = "server.lab"
user = "fl"
jump = ""
[server.interfaces]
ethernet = { address = "192.0.2.1", device = "eno1" }
5g = "198.51.100.1"

[[nodes]]
name = "pi[08-10]"
management = "2001:db8::9"
groups = ["bench-a"]
[nodes.interfaces]
ethernet = "192.0.2.8"
5g = "198.51.100.8"

[[nodes]]
name = "other"
management = { address = "other.lab", device = "eth2" }
port = 2222
key = "/keys/other"
python = "/opt/fedprobe/bin/python"
groups = ["bench-a", "spare"]
[nodes.interfaces]
5g = "198.51.100.30"
"""


def parsed(old: str = "", new: str = "") -> Inventory:
    """The laboratory above, with a change, as if it lay in /lab."""
    assert old in LAB
    return parse_inventory(LAB.replace(old, new, 1) if old else LAB, Path("/lab/lab.toml"))


def refused(old: str, new: str) -> str:
    with pytest.raises(InventoryError) as raised:
        parsed(old, new)
    said = str(raised.value)
    assert said.startswith("/lab/lab.toml: ")
    first, *others = said.splitlines()
    assert not others or first == f"/lab/lab.toml: {len(others)} mistakes:"
    for sentence in others or [first]:
        assert sentence[-1] in ".?"
        assert not re.search(r"[.?][.;]", sentence)
    return said


def test_one_default_that_is_missing_is_told_once_with_all_who_need_it() -> None:
    said = refused('5g = "wwan0"\n', "")
    assert said.count("has none for 5g") == 1
    assert "server.interfaces.5g, nodes.pi[08-10].interfaces.5g and nodes.other.interfaces.5g have no device" in said


def test_several_mistakes_have_a_line_each_and_one_has_none() -> None:
    text = LAB.replace('user = "pi"', 'usr = "pi"').replace("port = 2222", "port = 0")
    with pytest.raises(InventoryError) as raised:
        parse_inventory(text, Path("/lab/lab.toml"))
    assert str(raised.value).splitlines() == [
        "/lab/lab.toml: 2 mistakes:",
        "  unknown key defaults.usr. Did you mean user?",
        "  nodes.other.port = 0: must be greater than or equal to 1. Correct the file.",
    ]


def test_a_key_that_is_misspelt_is_not_missing_too() -> None:
    assert refused("known_hosts = ", "known_host = ").endswith("unknown key known_host. Did you mean known_hosts?")


def test_a_laboratory_is_read() -> None:
    lab = parsed()
    assert (lab.name, lab.kind, lab.clock) == ("lab", "real", "own")
    assert lab.known_hosts == Path("/lab/known_hosts")
    assert lab.server.name == "server"
    assert [node.name for node in lab.nodes] == ["pi08", "pi09", "pi10", "other"]
    assert {host.role for host in lab.nodes} == {"node"}
    assert lab.networks == ("ethernet", "5g")
    assert lab.server_addresses == {"ethernet": "192.0.2.1", "5g": "198.51.100.1"}
    assert lab.controller_namespace is None


def test_defaults_hold_for_hosts_that_say_nothing_else() -> None:
    lab = parsed()
    login, other = lab.host("pi08").management, lab.host("other").management
    assert (login.user, login.port, login.key, login.device) == ("pi", 22, Path("/lab/keys/pi"), "eth1")
    assert (other.user, other.port, other.key, other.device) == ("pi", 2222, Path("/keys/other"), "eth2")
    assert lab.server.management.user == "fl"
    assert lab.server.interfaces["ethernet"].device == "eno1"
    assert lab.host("pi08").interfaces["ethernet"].device == "eth0"
    assert (lab.host("pi08").python, lab.host("other").python) == ("python3", "/opt/fedprobe/bin/python")


def test_a_range_counts_addresses_with_its_names() -> None:
    lab = parsed()
    assert [node.management.address for node in lab.nodes[:3]] == ["2001:db8::9", "2001:db8::a", "2001:db8::b"]
    assert [str(node.interfaces["5g"].address) for node in lab.nodes[:3]] == [
        "198.51.100.8",
        "198.51.100.9",
        "198.51.100.10",
    ]


def test_addresses_that_are_names_are_ranges_themselves() -> None:
    lab = parsed('management = "2001:db8::9"', 'management = "pi[08-10].lab"')
    assert lab.host("pi09").management.address == "pi09.lab"


def test_a_jump_host_is_passed_by_default_and_not_where_a_host_says_so() -> None:
    lab = parsed()
    jump = lab.host("pi08").management.jump
    assert jump is not None
    assert (jump.name, jump.address, jump.port, jump.user, jump.key) == (
        "gate", "gate.lab", 2022, "pi", Path("/lab/keys/pi"),
    )  # fmt: skip
    assert lab.server.management.jump is None


def test_the_server_can_be_the_way_to_its_nodes() -> None:
    lab = parsed('jump = "gate"', 'jump = "server"')
    jump = lab.host("pi08").management.jump
    assert jump is not None
    assert (jump.name, jump.address, jump.user) == ("server", "server.lab", "fl")
    assert lab.server.management.jump is None


def test_groups_choose_hosts() -> None:
    lab = parsed()
    assert [host.name for host in lab.group("bench-a")] == ["pi08", "pi09", "pi10", "other"]
    assert [host.name for host in lab.group("spare")] == ["other"]
    with pytest.raises(InventoryError, match=r"has no group 'bench-b'\. Did you mean bench-a\?"):
        lab.group("bench-b")


def test_further_networks_may_be_named() -> None:
    text = LAB.replace("5g =", "lora-1 =")
    assert parse_inventory(text, Path("/lab/lab.toml")).networks == ("ethernet", "lora-1")


def test_a_home_is_the_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/reader")
    assert parsed('key = "keys/pi"', 'key = "~/.ssh/pi"').host("pi08").management.key == Path("/home/reader/.ssh/pi")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('user = "fl"', 'usr = "fl"', ["unknown key server.usr. Did you mean user?"]),
        ('port = 2222\n', 'prot = 2222\n', ["unknown key nodes.other.prot. Did you mean port?"]),
        ("known_hosts = ", "known_host = ", ["unknown key known_host. Did you mean known_hosts?"]),
        ('device = "eno1"', 'devise = "eno1"', ["server.interfaces.ethernet.devise. Did you mean device?"]),
        ('address = "gate.lab"', 'addres = "gate.lab"', ["jump_hosts.gate.addres. Did you mean address?"]),
        ('user = "pi"', 'uesr = "pi"', ["unknown key defaults.uesr. Did you mean user?"]),
        ("port = 2222", "port = 0", ["nodes.other.port = 0: must be greater than or equal to 1"]),
        ('name = "lab"', "name = lab", ["not TOML", "line 1", "Correct that line."]),
        ('name = "lab"', "", ["name is missing. Add it."]),
        ('name = "other"\n', "", ["nodes.block 2.name is missing. Add it."]),
        ('name = "other"\n', 'name = ""\n', ["nodes.block 2.name = ''", "at least 1 character"]),
        ('name = "server"\n', "", ["server.name is missing. Add it."]),
        ('name = "other"\n', 'name = "pi/1"\n', ["nodes.pi/1.name = 'pi/1'", "a name has letters"]),
        ('name = "other"', 'name = "server"', ["more than one host is named server", "name of its own"]),
        ('name = "other"', 'name = "pi09"', ["more than one host is named pi09", "ranges counted out"]),
        ('name = "other"', 'name = "gate"', ["[jump_hosts.gate] is named as one of the hosts"]),
        ("[[nodes]]", "[[server]]", ["not TOML", "A testbed has one server"]),
        ('name = "pi[08-10]"', 'name = "pi[10-08]"', ["counts from 10 down to 8", "smaller number first"]),
        ('name = "server"', 'name = "server[1-2]"', ["range of 2", "one server"]),
        ('"192.0.2.8"', '"192.0.2.253"', ["'192.0.2.253'", "past its subnet, to 255", "Begin lower, or split"]),
        ('"2001:db8::9"', '"pi.lab"', ["'pi.lab'", "no IP address to count 3 hosts up from", "pi[01-50].lab"]),
        ('"2001:db8::9"', '"pi[1-2].lab"', ["range of 2 beside 3 by name"]),
        ('"192.0.2.1"', '"192.0.2.311"', ["server.interfaces.ethernet = '192.0.2.311': is no IP address"]),
        ('"192.0.2.1"', '"192.0.2.1/24"', ["is no IP address; leave the prefix length out"]),
        ('"192.0.2.1"', '"239.1.1.1"', ["can be no host's address"]),
        ('"server.lab"', '"fl@server.lab"', ["server.management = 'fl@server.lab'", "user, port and prefix length"]),
        ('"198.51.100.30"', '"198.51.100.9"', ["198.51.100.9 is used twice", "pi09's on 5g", "other's on 5g"]),
        ('"198.51.100.30"', '"192.0.2.9"', ["192.0.2.9 is in two networks", "pi09's on ethernet", "other's on 5g"]),
        (
            '5g = "198.51.100.8"',
            '5g = "192.0.2.8"',
            ["192.0.2.8 is in two networks", "pi08's on ethernet and pi08's on 5g", "(3 addresses"],
        ),
        ('"server.lab"', '"2001:DB8::A"', ["2001:db8::a is used twice", "pi09's for management"]),
        ('"other.lab"', '"198.51.100.1"', ["198.51.100.1 is in two networks", "other's for management"]),
        ('5g = "wwan0"', '5g = "eth0"', ["ethernet and 5g are on one device, eth0, of pi08, pi09 and pi10"]),
        ('ethernet = "eth0"', "", ["interfaces.ethernet has no device", "[defaults.devices] has none for ethernet"]),
        ("5g = \"198.51.100.30\"", "", ["nothing can be measured on other"]),
        ('5g = "198.51.100.1"', "", ["5g has pi08, pi09, pi10 and other on it", "no address of the server"]),
        ('ethernet = "eth0"', 'Ether = "eth0"', ["defaults.devices.Ether: a network's name has at most 16"]),
        ('ethernet = "192.0.2.8"', 'management = "192.0.2.8"', ["interfaces.management", "no measured network"]),
        ('jump = "gate"', 'jump = "gaet"', ["defaults.jump = 'gaet'", "Did you mean gate?"]),
        ('jump = "gate"', 'jump = "x"', ["there is no [jump_hosts.x]", "Add that section"]),
        ('key = "keys/pi"', 'key = "~nobody-here/pi"', ["defaults.key = '~nobody-here/pi'", "no such user's home"]),
        ('name = "lab"', 'name = "lab"\nkind = "emulated"', ["no [emulator]", 'Write clock = "shared"']),
        ('name = "lab"', 'name = "lab"\nkind = "lab"', ["kind = 'lab' is not known. Expected one of"]),
        ('name = "lab"', 'name = "lab"\nclock = "share"', ["clock = 'share' is not known. Did you mean shared?"]),
        ('name = "lab"', 'name = "lab"\nsecurity = "TLS"', ["security = 'TLS' is not known."]),
        (
            'key = "keys/pi"',
            'key = "keys/pi"\nenvironment = { API_TOKEN = 271828 }',
            ["defaults.environment.API_TOKEN: must be a valid string"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_named(old: str, new: str, expected: list[str]) -> None:
    said = refused(old, new)
    for part in expected:
        assert part in said


def without(section: str) -> str:
    """The laboratory without the blocks of one section."""
    blocks = LAB.split("\n\n")
    return "\n\n".join(block for block in blocks if not block.startswith(section))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (without("[server]"), ["there is no [server]", "Add that section"]),
        (without("[[nodes]]"), ["there are no nodes", "Add a [[nodes]] block"]),
        (LAB + '\n[server]\nname = "two"\n', ["twice", "A testbed has one server"]),
        (LAB.replace("[server]", "[[server]]"), ["[[server]]", "a testbed has one"]),
        (without("[[nodes]]") + '\n[nodes]\nname = "pi"\n', ["[nodes] is one table", "two brackets"]),
        ("", ["there is no [server]", "there are no nodes"]),
    ],
)
def test_an_outline_that_is_no_testbeds_is_named(text: str, expected: list[str]) -> None:
    with pytest.raises(InventoryError) as raised:
        parse_inventory(text, Path("lab.toml"))
    for part in expected:
        assert part in str(raised.value)


def test_all_mistakes_are_told_at_once_and_each_once() -> None:
    text = LAB.replace('jump = "gate"', 'jump = "gaet"').replace('"192.0.2.1"', '"192.0.2"').replace("08-10", "8-")
    with pytest.raises(InventoryError) as raised:
        parse_inventory(text, Path("lab.toml"))
    said = str(raised.value)
    assert [said.count(part) for part in ("gaet", "'192.0.2'", "brackets hold a range")] == [2, 1, 1]


def test_a_way_through_two_jump_hosts_is_refused() -> None:
    text = LAB.replace('jump = ""', 'jump = "gate"').replace('name = "other"', 'name = "other"\njump = "server"')
    with pytest.raises(InventoryError, match=r"nodes\.other\.jump = 'server' .* one is passed, not two"):
        parse_inventory(text, Path("lab.toml"))


def test_one_address_with_several_ports_is_several_logins() -> None:
    text = LAB.replace('"other.lab"', '"2001:db8::9"')
    assert parse_inventory(text, Path("lab.toml")).host("other").management.port == 2222


def test_a_server_may_have_two_networks_on_one_device() -> None:
    assert parsed('5g = "198.51.100.1"', '5g = { address = "198.51.100.1", device = "eno1" }')


@pytest.mark.parametrize(
    ("old", "new", "sharings"),
    [
        ("", "", []),
        ('"2001:db8::9"', '"192.0.2.8"', [(name, "ethernet") for name in ("pi08", "pi09", "pi10")]),
        ('"server.lab"', '"198.51.100.1"', [("server", "5g")]),
        ('device = "eth2"', 'device = "wwan0"', [("other", "5g")]),
    ],
)
def test_management_on_a_measured_network_is_allowed_and_known(
    old: str, new: str, sharings: list[tuple[str, str]]
) -> None:
    assert parsed(old, new).sharings() == sharings


def test_a_host_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(InventoryError, match=r"has no host 'pi8'\. Did you mean pi08\?"):
        parsed().host("pi8")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"name = '\xff'"), "Save it as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, make: Callable[[Path], object], expected: str) -> None:
    make(tmp_path / "lab.toml")
    with pytest.raises(InventoryError) as raised:
        read_inventory(tmp_path / "lab.toml")
    assert str(raised.value).startswith(str(tmp_path / "lab.toml"))
    assert expected in str(raised.value)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    first = parsed()
    write_inventory(first, tmp_path / "again.toml")
    text = (tmp_path / "again.toml").read_text()
    assert parse_inventory(text, tmp_path / "again.toml") == first
    assert text.count('user = "fl"') == 1


ONE_ADDRESS = ('{ address = "192.0.2.1", device = "eno1" }\n5g = "198.51.100.1"', '"192.0.2.1"\n5g = "192.0.2.1"')


def test_the_server_alone_may_have_one_address_on_several_networks() -> None:
    lab = parsed(*ONE_ADDRESS)
    assert lab.networks_by_route == ("ethernet", "5g")
    assert parsed().networks_by_route == ()
    with pytest.raises(InventoryError, match=r"192\.0\.2\.1 is in two networks"):
        parse_inventory(LAB.replace(*ONE_ADDRESS).replace("198.51.100.30", "192.0.2.1"), Path("lab.toml"))


def test_one_ipv6_address_on_several_networks_is_refused_for_want_of_a_way_to_pin_it() -> None:
    said = refused(ONE_ADDRESS[0], ONE_ADDRESS[1].replace("192.0.2.1", "2001:db8::1"))
    assert "2001:db8::1 is in two networks: it is server's on ethernet and server's on 5g" in said


def test_gateways_are_of_a_network_or_of_one_node() -> None:
    text = LAB.replace("[jump_hosts.gate]", '[defaults.gateways]\n5g = "198.51.100.254"\n\n[jump_hosts.gate]')
    lab = parse_inventory(
        text.replace('5g = "198.51.100.30"', '5g = { address = "198.51.100.30", gateway = "198.51.100.253" }'),
        Path("lab.toml"),
    )
    assert [str(node.interfaces["5g"].gateway) for node in lab.nodes] == ["198.51.100.254"] * 3 + ["198.51.100.253"]
    assert lab.server.interfaces["5g"].gateway is None
    assert lab.nodes[0].interfaces["ethernet"].gateway is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('5g = "198.51.100.1"', '5g = { address = "198.51.100.1", gateway = "198.51.100.2" }', "of nodes"),
        ("[defaults.devices]", '[defaults.gateways]\n5g = "gate.lab"\n[defaults.devices]', "is no IP address"),
        (
            "[defaults.devices]",
            '[defaults.gateways]\n5g = "2001:db8::1"\n[defaults.devices]',
            "not of the IP version",
        ),
        ('"2001:db8::9"', '{ address = "2001:db8::9", gateway = "2001:db8::1" }', "unknown key nodes.pi[08-10]"),
    ],
)
def test_gateways_that_lead_nowhere_are_named(old: str, new: str, expected: str) -> None:
    assert expected in refused(old, new)
