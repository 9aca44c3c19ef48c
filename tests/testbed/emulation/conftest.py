"""One testbed for the tests that only look at it, and a state folder of the tests' own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.capabilities import require_emulation
from testbed.emulation import lifecycle, ownership
from testbed.errors import MissingCapabilityError
from testbed.inventory import Inventory
from testbed.login import login_to
from testbed.shell import Shell
from testbed.ssh import connect

TRAFFIC = str(Path(__file__).with_name("traffic.py"))


class Hosts:
    """Shells on the hosts of an inventory, opened when first used."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._shells: dict[str, Shell] = {}

    def __getitem__(self, name: str) -> Shell:
        if name not in self._shells:
            self._shells[name] = connect(login_to(self.inventory, self.inventory.host(name)))
        return self._shells[name]

    def close(self) -> None:
        for shell in self._shells.values():
            shell.close()

    def traffic(self, name: str, *arguments: str) -> object:
        """What a function of traffic.py returns on a host."""
        argv = [self.inventory.host(name).python, TRAFFIC, *arguments]
        return json.loads(self[name].check(argv, timeout_s=60).stdout)

    def start_traffic(self, name: str, output: str, *arguments: str) -> int:
        argv = [self.inventory.host(name).python, TRAFFIC, *arguments]
        folder = self.inventory.host(name).work_folder
        return self[name].start(argv, stdout=f"{folder}/{output}", stderr=f"{folder}/{output}.err")


@pytest.fixture(scope="session")
def able() -> None:
    """Skip where this machine cannot carry a testbed; tests.tiers makes that a failure where it must."""
    try:
        require_emulation()
    except MissingCapabilityError as error:
        pytest.skip(str(error))


@contextmanager
def standing(folder: Path, nodes: int, *, seed: int, networks: Sequence[str] | None = None) -> Iterator[Hosts]:
    """A testbed for the tests of one module, which find it by `folder`, its state; reached by its inventory alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ownership.STATE_VARIABLE, str(folder))
        inventory = lifecycle.up(nodes, networks=networks, seed=seed)
        found = Hosts(inventory)
        try:
            yield found
        finally:
            found.close()
            lifecycle.down(inventory.name)


@pytest.fixture(scope="session")
def hosts(able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """A testbed of three Pis on all networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ownership.STATE_VARIABLE, str(tmp_path_factory.mktemp("state")))
        inventory = lifecycle.up(3, seed=23)
    found = Hosts(inventory)
    try:
        yield found
    finally:
        found.close()
        lifecycle.down(inventory.name)


@pytest.fixture
def state(able: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State folders below this one, for this test alone."""
    monkeypatch.setenv(ownership.STATE_VARIABLE, str(tmp_path))
    return tmp_path
