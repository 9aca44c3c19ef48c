"""Inventory files: what is written is what is read, and what cannot be meant is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import InventoryError
from testbed.inventory import read_inventory, write_inventory
from testbed.toml_text import toml_text

LAB = """\
name = "lab"
kind = "real"
known_hosts = "known_hosts"
key = "/keys/id_ed25519"

[[hosts]]
name = "server"
role = "server"
[hosts.management]
address = "server.lab"
user = "fl"
[hosts.interfaces.ethernet]
device = "eno1"
address = "192.0.2.1"
[hosts.interfaces.5g]
device = "eno2"
address = "198.51.100.1"

[[hosts]]
name = "pi-01"
role = "node"
python = "/opt/fedprobe/bin/python"
[hosts.management]
address = "2001:db8::11"
port = 2222
[hosts.interfaces.5g]
device = "wwan0"
address = "198.51.100.11"
"""


def lab(tmp_path: Path, old: str = "", new: str = "") -> Path:
    path = tmp_path / "lab.toml"
    assert old in LAB
    path.write_text(LAB.replace(old, new) if old else LAB)
    return path


def test_a_laboratory_is_read(tmp_path: Path) -> None:
    found = read_inventory(lab(tmp_path))
    assert found.server.name == "server"
    assert [node.name for node in found.nodes] == ["pi-01"]
    assert found.server_addresses == {"ethernet": "192.0.2.1", "5g": "198.51.100.1"}
    assert found.host("pi-01").management.port == 2222
    assert found.server.management.port == 22
    assert found.known_hosts == tmp_path / "known_hosts"
    assert found.key == Path("/keys/id_ed25519")
    assert found.controller_namespace is None


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    first = read_inventory(lab(tmp_path))
    write_inventory(first, tmp_path / "again.toml")
    assert read_inventory(tmp_path / "again.toml") == first


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('user = "fl"', 'usr = "fl"', "unknown key hosts.0.management.usr. Did you mean user?"),
        ("known_hosts = ", "known_host = ", "unknown key known_host. Did you mean known_hosts?"),
        ('device = "wwan0"', 'devise = "wwan0"', "hosts.1.interfaces.5g.devise. Did you mean device?"),
        ("[hosts.interfaces.ethernet]", "[hosts.interfaces.lan]", "hosts.0.interfaces.lan"),
        ("port = 2222", "port = 0", "hosts.1.management.port = 0: must be greater than or equal to 1"),
        ('role = "node"', 'role = "server"', "has servers ['server', 'pi-01'] among 2 hosts: expected one server"),
        ('name = "pi-01"', 'name = "server"', "names a host twice"),
        ("198.51.100.11", "198.51.100.311", "hosts.1.interfaces.5g.address = '198.51.100.311'"),
        ('kind = "real"', 'kind = "emulated"', "has an [emulator] section if, and only if"),
        ('key = "/keys/id_ed25519"', "", "key is missing. Add it."),
        ('name = "lab"', "name = lab", "not TOML"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InventoryError) as raised:
        read_inventory(lab(tmp_path, old, new))
    assert str(raised.value).startswith(f"{tmp_path / 'lab.toml'}: ")
    assert message in str(raised.value)


def test_a_node_needs_a_server_on_each_of_its_networks(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"pi-01 is on \['wifi'\], where the server has no address"):
        read_inventory(
            lab(tmp_path, '[hosts.interfaces.5g]\ndevice = "wwan0"', '[hosts.interfaces.wifi]\ndevice = "w"')
        )


def test_an_absent_file_and_an_unknown_host_are_named(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"none\.toml: cannot be read"):
        read_inventory(tmp_path / "none.toml")
    with pytest.raises(InventoryError, match=r"has no host 'pi-1'\. Did you mean pi-01\?"):
        read_inventory(lab(tmp_path)).host("pi-1")


values = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1) | st.booleans()
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def _has_table_in_mixed_list(value: object) -> bool:
    if isinstance(value, dict):
        return any(_has_table_in_mixed_list(one) for one in value.values())
    if isinstance(value, list):
        tables = [isinstance(one, dict) for one in value]
        nested = any(isinstance(one, list) and _contains_table(one) for one in value)
        return nested or (any(tables) and not all(tables)) or any(_has_table_in_mixed_list(one) for one in value)
    return False


def _contains_table(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(_contains_table(one) for one in value))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), values, max_size=4).filter(
    lambda document: not _has_table_in_mixed_list(document)
))  # fmt: skip
def test_toml_reads_back_as_it_was(document: dict[str, object]) -> None:
    assert tomllib.loads(toml_text(document)) == document


def test_what_toml_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError, match="no form for"):
        toml_text({"key": object()})
    assert toml_text({"left out": None, "kept": 1}) == "kept = 1\n"
