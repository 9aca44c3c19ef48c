"""Runs the self-test's trials: real Flower, real captures at both ends, on emulated links or a laboratory's own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.campaign import Campaign
from testbed.emulation import lifecycle
from testbed.emulation.profiles import Profiles, parse_profiles
from testbed.errors import FedprobeError
from testbed.interrupts import Interrupts
from testbed.inventory import Inventory
from testbed.manifest import manifest
from testbed.plan import PlannedTrial
from testbed.progress import RunProgress
from testbed.run_folder import RunFolder, write_json
from testbed.run_lock import alone_on
from testbed.selftest.cells import Batch, profile_text
from testbed.setting import Setting
from testbed.standing import sessions_to
from testbed.trial import conduct

SEED = 23
PRIORITIES = {"flower-superlink": -5, "flower-supernode": -5, "flwr-clientapp": 10}
BATCHES_FILE = "selftest.json"


class SelfTestError(FedprobeError):
    """A trial of the self-test did not end well: nothing can be said of the instrument."""


def campaign_of(batch: Batch) -> Campaign:
    """The campaign that measures a batch: the payload workload, fast polling, captures."""
    return Campaign.model_validate(
        {
            "name": f"selftest-{batch.name}",
            "seed": SEED,
            "rounds": batch.rounds,
            "clients": len(batch.networks),
            "factors": {"interface": batch.networks, "polling": ["fast"]},
            "workload": {
                "settings": {
                    "workload": "payload",
                    "payload-down-bytes": str(batch.payload_bytes),
                    "payload-up-bytes": str(batch.payload_bytes),
                    "payload-arrays": ",".join(str(arrays) for arrays in batch.arrays),
                }
            },
            "collect": {"capture": True},
            "validity": {"other_load_cpu": 1.0},  # the instrument is judged on the machine as it is
            "priorities": PRIORITIES,
        }
    )


def planned(batch: Batch, index: int, nodes: Sequence[str]) -> PlannedTrial:
    """The batch's one trial: each node on the next of its networks."""
    return PlannedTrial(
        index=index,
        name=f"{index:03d}-{batch.name}",
        campaign=campaign_of(batch),
        interface=batch.networks[0],
        repetition=1,
        polling="fast",
        networks=dict(zip(nodes, batch.networks, strict=True)),
    )


def run(batches: Sequence[Batch], folder: RunFolder, inventory: Inventory | None) -> None:
    """Run every batch. Without an inventory each gets an emulated testbed of its own.

    Raises SelfTestError where a trial is invalid, and InUseError where another run is on the inventory's hosts.
    """
    rounds = sum(batch.rounds for batch in batches)
    with alone_on(inventory), Interrupts() as interrupts, RunProgress(rounds) as progress:
        done = 0
        for index, batch in enumerate(batches):
            progress.doing(f"building links for {batch.name}")
            with (
                _testbed(batch, inventory, interrupts) as (found, profiles),
                sessions_to(found, len(batch.networks)) as sessions,
            ):
                # whatever the inventory asks for, a cell says whether it is measured under TLS
                there = found.model_copy(update={"security": "tls" if batch.tls else "none"})
                if index == 0:
                    folder.write("manifest.json", manifest(there, profiles))
                setting = Setting(
                    app=_app(),
                    inventory=there,
                    profiles=profiles,
                    sessions=sessions,
                    interrupts=interrupts,
                    progress=progress,
                )
                nodes = [node.name for node in there.nodes[: len(batch.networks)]]
                trial = folder.trial(planned(batch, index, nodes).name)
                trial.enter("planned", attempt=1)
                conduct(setting, planned(batch, index, nodes), trial, rounds_before=done)
                _keep_cells(trial.path, batch, nodes, shared_wall=there.clock == "shared")
            done += batch.rounds
            if trial.facts["outcome"] != "ok":
                raise SelfTestError(
                    f"{trial.path.name} is invalid: {trial.facts['reason']}. Nothing can be said of the instrument. "
                    f"See the logs in {trial.path}."
                )


def _keep_cells(trial: Path, batch: Batch, nodes: Sequence[str], *, shared_wall: bool) -> None:
    """What analysis needs to name each transfer's cell, beside the trial's records."""
    write_json(
        trial / BATCHES_FILE,
        {
            "name": batch.name,
            "tls": batch.tls,
            "delay_ns": batch.delay_ns,
            "arrays": list(batch.arrays),
            "payload_bytes": batch.payload_bytes,
            "rates_bit_per_s": dict(zip(nodes, batch.rates.values(), strict=True)),
            "networks": dict(zip(nodes, batch.networks, strict=True)),
            "shared_wall_clock": shared_wall,
        },
    )


@contextmanager
def _testbed(
    batch: Batch, inventory: Inventory | None, interrupts: Interrupts
) -> Iterator[tuple[Inventory, Profiles | None]]:
    if inventory is not None:
        yield inventory, None
        return
    profiles = parse_profiles(profile_text(batch), Path(f"self-test {batch.name}"))
    made = lifecycle.up(
        len(batch.networks),
        networks=batch.networks,
        profiles=profiles,
        seed=SEED,
        packets_per_s=math.inf,  # payloads are bounded, and how late the delay was is judged
    )
    try:
        yield made, profiles
    finally:
        with interrupts.shield():
            lifecycle.down(made.name)


def _app() -> Path:
    import fl_app

    return Path(fl_app.__file__).resolve().parent
