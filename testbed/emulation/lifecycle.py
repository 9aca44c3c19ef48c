"""Builds an emulated testbed, tells which there are, and removes them without a trace.

    with emulated(nodes=4, seed=7) as inventory: ...

`up` first removes what killed processes left behind, of any clone; it leaves live runs and other clones' held
testbeds alone.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.capabilities import require_emulation
from testbed.emulation import lateness, namespaces, ownership, processes
from testbed.emulation.addresses import NETWORKS, namespace_prefix, topology
from testbed.emulation.building import INVENTORY_FILE, Site, build
from testbed.emulation.profiles import Profiles, load_profiles
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
    networks: Sequence[str] = tuple(NETWORKS),
    profiles: Profiles | None = None,
    held: bool = False,
    seed: int = 1,
) -> Inventory:
    """Build a testbed of a server and `nodes` Pis. `held`: it is to outlive this process.

    The seed decides the clock offsets of the hosts and the noise of the links. Raises FedprobeError, having
    removed what was built.
    """
    require_emulation()
    asked = topology("", nodes, networks)
    chosen = profiles or load_profiles()
    if absent := [name for name in networks if name not in chosen.links]:
        raise ProfileError(f"{chosen.source}: has no section {absent}. Add it, or leave that network out.")
    owner = ownership.new_owner(held=held)
    with ownership.locked():
        _remove_all(claim for claim in ownership.claims() if _gives_way(claim, owner))
        folder = ownership.claim(owner)
    try:
        shape = topology(owner.testbed_id, asked.nodes, networks)
        inventory = build(Site(shape=shape, folder=folder, profiles=chosen, seed=seed))
        ownership.complete(folder, owner)
    except BaseException:
        with ownership.locked():
            _remove(owner.testbed_id, folder)
        raise
    return inventory


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
        return _remove_all(claim for claim in ownership.claims() if ownership.abandoned(claim.owner))


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
    networks: Sequence[str] = tuple(NETWORKS),
    profiles: Profiles | None = None,
    seed: int = 1,
) -> Iterator[Inventory]:
    """A testbed for the length of a `with` block."""
    inventory = up(nodes, networks=networks, profiles=profiles, held=False, seed=seed)
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


def _remove(testbed_id: str, folder: Path) -> None:
    """In the order that lets a removal that is itself cut short be found and finished: the claim goes last."""
    processes.end_all(testbed_id)
    for name in namespaces.names(namespace_prefix(testbed_id)):
        namespaces.remove(name)
    if folder.exists():
        shutil.rmtree(folder)
    ownership.release(testbed_id, folder)
