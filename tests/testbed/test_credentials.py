"""A trial's keys: new ones each time, in Flower's form, where they are used and nowhere else, and gone afterwards."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from testbed.authentication import new_supernode_key
from testbed.certificates import certificates_for
from testbed.credentials import Credentials
from testbed.inventory import Inventory, Security
from testbed.inventory_file import parse_inventory
from testbed.local_shell import local_shell
from testbed.shell import Shell

LAB = """\
name = "lab"
security = "{security}"
known_hosts = "known_hosts"
[defaults.devices]
wifi = "wlan0"
[server]
name = "server"
management = "192.0.2.1"
work_folder = "{folder}/server"
interfaces = {{ wifi = "198.51.100.1" }}
[[nodes]]
name = "pi1"
management = "192.0.2.11"
work_folder = "{folder}/pi1"
interfaces = {{ wifi = "198.51.100.11" }}
[[nodes]]
name = "pi2"
management = "192.0.2.12"
work_folder = "{folder}/pi2"
interfaces = {{ wifi = "198.51.100.12" }}
"""


@pytest.fixture
def shell() -> Iterator[Shell]:
    with local_shell() as made:
        yield made


def lab(folder: Path, security: Security) -> Inventory:
    return parse_inventory(LAB.format(folder=folder, security=security), folder / "lab.toml")


def credentials(inventory: Inventory, shell: Shell) -> Credentials:
    sessions = {host.name: shell for host in inventory.hosts}
    return Credentials(inventory=inventory, nodes=inventory.nodes, sessions=sessions, folder="trials/t/tls")


def files(folder: Path) -> dict[str, set[str]]:
    return {host.name: {path.name for path in host.rglob("*") if path.is_file()} for host in folder.iterdir()}


def test_each_key_lies_where_it_is_used_for_its_owner_alone(tmp_path: Path, shell: Shell) -> None:
    inventory = lab(tmp_path, "tls+supernode-auth")
    credentials(inventory, shell).put()
    assert files(tmp_path) == {
        "server": {"authority.pem", "server.pem", "server.key", "pi1.pub", "pi2.pub"},
        "pi1": {"authority.pem", "supernode.key"},
        "pi2": {"authority.pem", "supernode.key"},
    }
    for host in tmp_path.iterdir():
        tls = host / "trials" / "t" / "tls"
        assert stat.S_IMODE(tls.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in tls.iterdir()} == {0o600}


def test_removed_is_removed_and_a_second_time_is_no_error(tmp_path: Path, shell: Shell) -> None:
    made = credentials(lab(tmp_path, "tls+supernode-auth"), shell)
    made.put()
    for _ in range(2):
        for host in made.inventory.hosts:
            made.remove(host)
    assert files(tmp_path) == {"server": set(), "pi1": set(), "pi2": set()}


def test_every_trial_has_keys_of_its_own(tmp_path: Path, shell: Shell) -> None:
    made = credentials(lab(tmp_path, "tls+supernode-auth"), shell)
    texts = []
    for _ in range(2):
        made.put()
        texts.append({path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()})
    assert all(texts[0][path] != texts[1][path] for path in texts[0])


def test_without_security_nothing_is_made(tmp_path: Path, shell: Shell) -> None:
    made = credentials(lab(tmp_path, "none"), shell)
    made.put()
    assert list(tmp_path.iterdir()) == []
    assert made.superlink_options() == made.supernode_options(made.nodes[0]) == ["--insecure"]
    assert made.connection_line() == "insecure = true"


def test_programs_are_told_of_what_was_made(tmp_path: Path, shell: Shell) -> None:
    made = credentials(lab(tmp_path, "tls+supernode-auth"), shell)
    made.put()
    told = [*made.superlink_options(), *made.supernode_options(made.nodes[0]), made.public_key(made.nodes[1])]
    named = [Path(word) for word in told if word.startswith("/")]
    assert len(named) == 6
    assert all(path.is_file() for path in named)
    assert "--enable-supernode-auth" in told
    assert "--insecure" not in told
    assert "--enable-supernode-auth" not in credentials(lab(tmp_path, "tls"), shell).superlink_options()


def test_a_supernode_key_is_one_that_flower_takes() -> None:
    key = new_supernode_key()
    private = serialization.load_ssh_private_key(key.private.encode(), None)
    public = serialization.load_ssh_public_key(key.public.encode())
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert private.public_key() == public
    assert public.curve.name == "secp384r1"


def test_keys_are_not_shown_by_accident() -> None:
    assert "PRIVATE" not in repr(new_supernode_key())
    assert "PRIVATE" not in repr(certificates_for(["localhost"]))
