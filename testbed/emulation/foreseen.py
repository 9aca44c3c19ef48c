"""The inventory that an emulated testbed would have, without building one: for what a dry run shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from testbed.emulation.addresses import topology
from testbed.emulation.building import host_of
from testbed.emulation.conditions import NONE, Conditions
from testbed.emulation.hosts import host_plans
from testbed.emulation.ownership import testbeds_folder
from testbed.emulation.profiles import Profiles
from testbed.emulation.site import Site
from testbed.inventory import Inventory

UNNAMED = "TESTBED"  # where a testbed's id would stand, which is drawn when it is built


def foreseen(
    nodes: int, *, networks: Sequence[str], profiles: Profiles, seed: int, conditions: Conditions = NONE
) -> Inventory:
    """The hosts, addresses and folders that `lifecycle.up` would make; it has no emulator. Nothing is touched."""
    shape = topology(UNNAMED, nodes, networks, background=conditions.background is not None)
    folder: Path = testbeds_folder() / UNNAMED
    site = Site(shape=shape, folder=folder, profiles=profiles, seed=seed, conditions=conditions)
    plans = host_plans(shape, folder, seed, time_namespaces=False)
    return Inventory(
        name=UNNAMED,
        kind="emulated",
        clock="shared",
        known_hosts=folder / "known_hosts",
        hosts=tuple(host_of(site, plan) for plan in plans),
    )
