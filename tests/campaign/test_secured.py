"""A campaign with authentication, in which secrets are planted: the record says how it was secured, and no secret."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analysis.load import load_spools
from testbed.emulation import lifecycle, ownership
from testbed.inventory import Inventory
from testbed.inventory_file import write_inventory
from testbed.run_folder import RunFolder
from tests.campaign.conftest import Ran, fedprobe

pytestmark = [pytest.mark.netns, pytest.mark.sshd, pytest.mark.flower]

CAMPAIGN = """
name = "secured"
rounds = 1
clients = 2
[factors]
interface = ["ethernet"]
polling = ["fast"]
[testbed]
kind = "inventory"
inventory = "inventory.toml"
[collect]
capture = true
"""


def planted(prefix: str) -> dict[str, str]:
    """Secrets such as an environment may hold, each with a part that is found nowhere else."""
    mark = {name: f"{prefix}{number}{secrets.token_hex(12)}" for number, name in enumerate("abcdefg")}
    key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{mark['d']}\n-----END OPENSSH PRIVATE KEY-----\n"
    return {
        "INFLUXDB_TOKEN": mark["a"],
        "FLWR_MODEL_API_KEY": mark["b"],
        "FLWR_OF_ANOTHER_VERSION": mark["c"],
        "PLANTED_KEY": key,
        "FEDPROBE_INFLUX_URL": f"https://user:{mark['e']}@host.invalid/",
        "PLANTED_PROXY": f"http://user:{mark['f']}@host.invalid:3128",
        "OMP_PLANTED_PASSPHRASE": mark["g"],
    }


@dataclass
class Seen:
    """What was true secret while the campaign ran, read off the machine itself."""

    keys: dict[str, str] = field(default_factory=dict)
    modes: set[int] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)

    def look(self, work: Path) -> None:
        """Private keys below the hosts' work folders; tokens and variables of Flower's processes."""
        for path in work.glob("hosts/*/home/fedprobe/trials/*/tls/*.key"):
            try:
                text, mode = path.read_text(), stat.S_IMODE(path.stat().st_mode)
            except OSError:
                continue
            if "END" in text:
                self.keys[f"{path.parts[-7]}/{path.name}"] = text
                self.modes.add(mode)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                argv = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if not any("flwr-clientapp" in word or "flwr-serverapp" in word for word in argv[:3]):
                    continue
                self.environments |= set((process / "environ").read_bytes().decode(errors="replace").split("\0"))
            except OSError:
                continue
            self.tokens |= {argv[at + 1] for at, word in enumerate(argv[:-1]) if word == "--token"}


@dataclass(frozen=True)
class Secured:
    """A finished campaign, its testbed, and what must not be found."""

    ran: Ran
    inventory: Inventory
    folder: Path
    seen: Seen
    on_hosts: Mapping[str, str]
    on_controller: Mapping[str, str]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One round of two Pis under TLS with authentication; about half a minute."""
    folder = tmp_path_factory.mktemp("secured")
    on_hosts, on_controller = planted("host"), planted("controller")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ownership.STATE_VARIABLE, str(folder / "state"))
        made = lifecycle.up(2, networks=["ethernet"], seed=11)
        try:
            inventory = _with(made, on_hosts)
            write_inventory(inventory, folder / "inventory.toml")
            seen = Seen()
            work = folder / "state" / "testbeds" / made.name
            yield Secured(
                ran=_run(folder, on_controller, seen, work),
                inventory=inventory,
                folder=work,
                seen=seen,
                on_hosts=on_hosts,
                on_controller=on_controller,
            )
        finally:
            lifecycle.down(made.name)


def _with(inventory: Inventory, variables: Mapping[str, str]) -> Inventory:
    hosts = tuple(host.model_copy(update={"environment": dict(variables)}) for host in inventory.hosts)
    return inventory.model_copy(update={"security": "tls+supernode-auth", "hosts": hosts})


def _run(folder: Path, variables: Mapping[str, str], seen: Seen, work: Path) -> Ran:
    campaign = folder / "campaign.toml"
    campaign.write_text(CAMPAIGN, encoding="utf-8")
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            seen.look(work)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        done = subprocess.run(
            fedprobe("run", campaign, "--out", folder / "run"),
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        ended.set()
        watcher.join()
    return Ran(folder=folder / "run", code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def facts(secured: Secured) -> dict[str, Any]:
    (trial,) = RunFolder(secured.ran.folder).trials()
    return trial.facts


def test_the_trial_is_ok_and_its_record_says_how_it_was_secured(secured: Secured) -> None:
    found = facts(secured)
    assert (found["outcome"], found["reason"]) == ("ok", ""), secured.ran.stderr
    assert found["settings"]["security"] == "tls+supernode-auth"
    assert found["registered_nodes"].keys() == {"pi1", "pi2"}
    assert len(set(found["registered_nodes"].values())) == 2
    (check,) = [one for one in found["checks"] if one["name"] == "security"]
    assert check["ok"], check
    assert check["detail"] == "TLS and SuperNode authentication: 1 SuperLink, 2 SuperNodes"


def test_the_report_has_a_line_of_it(secured: Secured) -> None:
    assert 'security = "tls+supernode-auth" (1 trial)' in secured.ran.stdout


def test_secrets_were_really_there(secured: Secured) -> None:
    """Else the next test could not fail."""
    assert secured.seen.keys.keys() == {"server/server.key", "pi1/supernode.key", "pi2/supernode.key"}
    assert len(secured.seen.tokens) >= 3
    lines = {f"{name}={value}" for name, value in secured.on_hosts.items()}
    assert lines <= secured.seen.environments


def test_private_keys_were_for_their_owner_alone_and_are_gone(secured: Secured) -> None:
    assert secured.seen.modes == {0o600}
    assert list(secured.folder.rglob("trials/*/tls")) == []


def test_no_secret_is_anywhere(secured: Secured) -> None:
    """In the run folder, in what the command printed, in what lies on the hosts afterwards."""
    hidden = {
        **{f"host's {name}": value for name, value in secured.on_hosts.items()},
        **{f"controller's {name}": value for name, value in secured.on_controller.items()},
        **secured.seen.keys,
        "controller's SSH key": (secured.folder / "controller_key").read_text(),
        **{f"Flower's token {number}": token for number, token in enumerate(sorted(secured.seen.tokens))},
    }
    places = {"stdout": secured.ran.stdout, "stderr": secured.ran.stderr, **_texts(secured.ran.folder)}
    for work in secured.folder.glob("hosts/*/home"):
        places |= _texts(work)
    places |= {str(log): log.read_text(errors="replace") for log in secured.folder.rglob("*.log")}
    assert any("manifest.json" in place for place in places)
    assert any(place.endswith(".jsonl") for place in places)
    assert any(place.endswith(".pcap") for place in places)
    for name, secret in hidden.items():
        for line in _tellable(secret):
            for place, text in places.items():
                assert line not in text, f"{name} is in {place}"


def _tellable(secret: str) -> list[str]:
    """The parts of a secret that are nothing else: lines of a key's body, an account's password, a token."""
    lines = [line for line in secret.splitlines() if line and "-----" not in line]
    return [line.partition("user:")[2].partition("@")[0] or line for line in lines]


def _texts(folder: Path) -> dict[str, str]:
    """Every file as text, bytes that are none read as Latin; tables with their values unpacked."""
    texts = {}
    for path in folder.rglob("*"):
        if path.is_file():
            texts[str(path)] = path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            texts[f"{path} (values)"] = str(duckdb.read_parquet(str(path)).fetchall())
    return texts


def test_headers_name_what_was_set_and_not_to_what(secured: Secured) -> None:
    (trial,) = RunFolder(secured.ran.folder).trials()
    headers = [segment.header for segment in load_spools(trial.spool).segments]
    supernodes = [header for header in headers if header.role == "flower-supernode"]
    assert len(supernodes) == 2
    for header in supernodes:
        assert header.settings["FLWR_MODEL_API_KEY"] == "..."
        assert header.argv[header.argv.index("--auth-supernode-private-key") + 1] == "..."
