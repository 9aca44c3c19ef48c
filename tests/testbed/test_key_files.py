"""Key files of an inventory: there, readable, private, usable without a passphrase; else named with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from testbed.emulation.keys import new_key
from testbed.errors import InventoryError
from testbed.inventory_file import parse_inventory, read_inventory

LAB = """\
name = "lab"
known_hosts = "known_hosts"
[defaults]
key = "key"
[defaults.devices]
wifi = "wlan0"
[server]
name = "server"
management = "server.lab"
interfaces = { wifi = "198.51.100.1" }
[[nodes]]
name = "pi[1-3]"
management = "pi[1-3].lab"
interfaces = { wifi = "198.51.100.11" }
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(LAB)
    return path


def refused(lab: Path) -> str:
    with pytest.raises(InventoryError) as raised:
        read_inventory(lab)
    said = str(raised.value)
    assert said.startswith(f"{lab}: key {lab.with_name('key')} (of server): ")
    assert said.count("(of ") == 1, "a key that all hosts have is named once"
    return said


def test_a_good_key_is_taken(lab: Path) -> None:
    new_key(lab.with_name("key"))
    assert read_inventory(lab).server.management.key == lab.with_name("key")


def test_parsing_alone_looks_at_no_key(lab: Path) -> None:
    assert parse_inventory(lab.read_text(), lab).server.management.key == lab.with_name("key")


def test_an_absent_key_is_named_and_how_to_make_one(lab: Path) -> None:
    said = refused(lab)
    assert "no such file" in said
    assert f"ssh-keygen -t ed25519 -f {lab.with_name('key')}" in said


def test_a_folder_is_no_key(lab: Path) -> None:
    lab.with_name("key").mkdir()
    assert "it is a folder" in refused(lab)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o777])
def test_a_key_that_others_may_use_is_refused(lab: Path, mode: int) -> None:
    new_key(lab.with_name("key"))
    lab.with_name("key").chmod(mode)
    said = refused(lab)
    assert f"mode {mode:04o}" in said
    assert f"chmod 600 {lab.with_name('key')}" in said


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_of_its_owner_alone_is_taken(lab: Path, mode: int) -> None:
    new_key(lab.with_name("key"))
    lab.with_name("key").chmod(mode)
    assert read_inventory(lab)


def test_a_public_key_is_told_from_a_private_one(lab: Path) -> None:
    lab.with_name("key").write_text(new_key(lab.with_name("private")))
    lab.with_name("key").chmod(0o600)
    assert "is no private key" in refused(lab)


def test_a_damaged_key_is_named(lab: Path) -> None:
    path = lab.with_name("key")
    new_key(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:20], lines[-1]]) + "\n")
    assert "damaged" in refused(lab)


def test_a_key_with_a_passphrase_is_named(lab: Path) -> None:
    path = lab.with_name("key")
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(b"secret")
        )
    )
    path.chmod(0o600)
    said = refused(lab)
    assert "passphrase" in said
    assert f"ssh-keygen -p -f {path}" in said


def test_keys_of_several_hosts_are_each_named(lab: Path) -> None:
    new_key(lab.with_name("key"))
    other = '[[nodes]]\nname = "other"\nkey = "own"\nmanagement = "o.lab"\ninterfaces = { wifi = "10.0.0.1" }\n'
    lab.write_text(LAB + other)
    with pytest.raises(InventoryError, match=r"key .*/own \(of other\): there is no such file"):
        read_inventory(lab)
