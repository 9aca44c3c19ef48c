"""Builds an emulated testbed, tells which there are, and removes them without a trace.

    with emulated(nodes=4, seed=7) as inventory: ...

`up` first removes what killed processes left behind, of any clone; it leaves live runs and other clones' held
testbeds alone.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from testbed import unfetched
from testbed.capabilities import require_emulation
from testbed.emulation import cpu_limit, lateness, namespaces, ownership, processes, tc
from testbed.emulation.addresses import Topology, namespace_prefix, topology
from testbed.emulation.building import INVENTORY_FILE, build
from testbed.emulation.conditions import NONE, Conditions
from testbed.emulation.packet_budget import PACKETS_PER_S, require_within
from testbed.emulation.profiles import Profiles, load_profiles
from testbed.emulation.shaping import delay_element
from testbed.emulation.site import Site
from testbed.errors import EmulationError, ProfileError, UsageError
from testbed.inventory import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class TestbedStatus:
    """One testbed on this machine. `inventory` is None where it was never built to the end."""

    testbed_id: str
    folder: Path
    owner: ownership.Owner | None
    alive: bool  # the process that made it still runs
    abandoned: bool  # the next `up` removes it
    inventory: Path | None

    __test__ = False  # not a test class, whatever its name


def up(
    nodes: int,
    *,
    networks: Sequence[str] | None = None,
    profiles: Profiles | None = None,
    held: bool = False,
    seed: int = 1,
    conditions: Conditions = NONE,
    packets_per_s: float = PACKETS_PER_S,
    run_folder: Path | None = None,
) -> Inventory:
    """Build a testbed of a server and `nodes` Pis, on all networks of the profiles or on those named.

    `held`: it is to outlive this process. `run_folder` gets what its hosts still hold of a run when it is removed.
    The seed decides the clock offsets of the hosts and the noise of the links. `packets_per_s` is what a delayer is
    trusted with. Raises FedprobeError, having removed what was built.
    """
    chosen = profiles or load_profiles()
    names = tuple(chosen.links) if networks is None else tuple(networks)
    asked = require_possible(nodes, names, chosen, conditions, packets_per_s=packets_per_s)
    owner = ownership.new_owner(held=held)
    with ownership.locked():
        _remove_all(claim for claim in ownership.claims() if _gives_way(claim, owner))
        _remove_orphans()
        folder = ownership.claim(owner)
        if run_folder is not None:
            unfetched.remember(folder, run_folder)
    try:
        shape = replace(asked, testbed_id=owner.testbed_id)
        site = Site(shape=shape, folder=folder, profiles=chosen, seed=seed, conditions=conditions)
        inventory = build(site)
        ownership.complete(folder, owner)
    except BaseException:
        with ownership.locked():
            _remove(owner.testbed_id, folder)
        raise
    return inventory


def require_possible(
    nodes: int,
    networks: Sequence[str],
    profiles: Profiles,
    conditions: Conditions,
    *,
    packets_per_s: float = PACKETS_PER_S,
) -> Topology:
    """Raises FedprobeError where this machine cannot carry what is asked. Nothing is built."""
    require_emulation()
    asked = topology("", nodes, networks, background=conditions.background is not None)
    names = [network.name for network in asked.networks]
    if absent := [name for name in names if name not in profiles.links]:
        raise ProfileError(f"{profiles.source}: has no section {absent}. Add it, or leave that network out.")
    links = {name: profiles.links[name] for name in names}
    conditions.require_possible(links)
    netem = tc.kernel_has_netem()
    for link in links.values():
        require_within(link, asked.clients, delay_element(link, netem=netem), packets_per_s)
    if conditions.pi_cpu_cores is not None:
        cpu_limit.require_share(conditions.pi_cpu_cores, asked.nodes, cpu_limit.machine_cores())
        cpu_limit.require_controller()
    return asked


def down(testbed_id: str) -> None:
    """Remove a testbed, whole or half-built. Raises UsageError for an unknown id, OwnershipError for a live run's."""
    require_emulation()
    with ownership.locked():
        found = {claim.testbed_id: claim for claim in ownership.claims()}
        if testbed_id not in found:
            known = ", ".join(found) or "none"
            raise UsageError(f"there is no testbed {testbed_id!r} here (there are: {known}). Name one of these.")
        claim = found[testbed_id]
        ownership.require_removable(claim.owner)
        _remove(testbed_id, claim.folder)


def sweep() -> list[str]:
    """Remove what killed processes left behind; returns the ids."""
    require_emulation()
    with ownership.locked():
        removed = _remove_all(claim for claim in ownership.claims() if ownership.abandoned(claim.owner))
        _remove_orphans()
    return removed


def left_by(run_folder: Path) -> list[str]:
    """The testbeds that were built for a run and are still there, though their process is not."""
    return [
        claim.testbed_id
        for claim in ownership.claims()
        if unfetched.run_of(claim.folder) == run_folder and ownership.abandoned(claim.owner)
    ]


def status() -> list[TestbedStatus]:
    """Every testbed on this machine."""
    return [
        TestbedStatus(
            testbed_id=claim.testbed_id,
            folder=claim.folder,
            owner=claim.owner,
            alive=claim.owner is not None and ownership.lives(claim.owner),
            abandoned=ownership.abandoned(claim.owner) and not ownership.is_hidden(claim.folder),
            inventory=_readable(claim.folder / INVENTORY_FILE),
        )
        for claim in ownership.claims()
    ]


def _readable(path: Path) -> Path | None:
    with contextlib.suppress(PermissionError):  # of another user's testbed
        return path if path.exists() else None
    return None


def held_here() -> TestbedStatus | None:
    """The held testbed of this clone; None: it has none."""
    for one in status():
        if one.owner and one.owner.held and not one.abandoned and one.owner.prefix == ownership.this_prefix():
            return one
    return None


@contextlib.contextmanager
def emulated(
    nodes: int,
    *,
    networks: Sequence[str] | None = None,
    profiles: Profiles | None = None,
    seed: int = 1,
    conditions: Conditions = NONE,
) -> Iterator[Inventory]:
    """A testbed for the length of a `with` block."""
    inventory = up(nodes, networks=networks, profiles=profiles, held=False, seed=seed, conditions=conditions)
    try:
        yield inventory
    finally:
        down(inventory.name)


def delayer_snapshots(inventory: Inventory) -> dict[str, lateness.Snapshot]:
    """The present snapshot of each network that has a delayer. Raises EmulationError where a delayer is dead.

    Take one before and one after a trial; `lateness.between` tells how late its packets were.
    """
    networks = inventory.emulator.networks if inventory.emulator else {}
    return {
        name: _snapshot(name, one.pid, one.histogram)
        for name, one in networks.items()
        if one.pid is not None and one.histogram is not None
    }


def _snapshot(network: str, pid: int, histogram: Path) -> lateness.Snapshot:
    if processes.start_ticks(pid) is None:
        raise EmulationError(
            f"the delayer of {network} (process {pid}) has ended, so this link passes nothing. "
            f"See {histogram.with_suffix('.log')}, then `fedprobe testbed down` and up again."
        )
    return lateness.read_snapshot(histogram)


def _gives_way(claim: ownership.Claim, owner: ownership.Owner) -> bool:
    return ownership.abandoned(claim.owner) or (
        claim.owner is not None and ownership.is_replaced(claim.owner, by=owner)
    )


def _remove_all(claims: Iterable[ownership.Claim]) -> list[str]:
    removed = []
    for claim in claims:
        _remove(claim.testbed_id, claim.folder)
        removed.append(claim.testbed_id)
    return removed


def _remove_orphans() -> None:
    """What has the name of a testbed that is not registered; the caller holds the lock."""
    cpu_limit.remove_orphans({claim.testbed_id for claim in ownership.claims()})


def _remove(testbed_id: str, folder: Path) -> None:
    """In the order that lets a removal that is itself cut short be found and finished: the claim goes last."""
    processes.end_all(testbed_id)
    cpu_limit.remove(testbed_id)
    for name in namespaces.names(namespace_prefix(testbed_id)):
        namespaces.remove(name)
    if folder.exists():
        unfetched.keep(folder)
        shutil.rmtree(folder)
    ownership.release(testbed_id, folder)
