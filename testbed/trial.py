"""One trial, from the first process to the checked records: each state is on the disk before it is entered."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import load, store
from instrument.identity import ROLES
from instrument.polling import FAST_WAIT_S
from instrument.spool import SpoolError
from testbed import checks, paths
from testbed.campaign import Campaign
from testbed.deployment import Deployment, TrialError
from testbed.emulation import trial_facts
from testbed.emulation.profiles import LinkProfile, Profiles
from testbed.errors import FedprobeError
from testbed.faults.conduct import Faults, with_stepped_clocks
from testbed.fetch import fetch
from testbed.follow import Follower
from testbed.interrupts import Interrupted, Interrupts
from testbed.inventory import Inventory
from testbed.path_watch import PathWatch
from testbed.pinning import Pins, pins_of
from testbed.plan import PlannedTrial
from testbed.progress import RunProgress
from testbed.run_folder import TrialFolder
from testbed.shell import Shell

INTERRUPTED = "interrupted by the user"
RATES_FILE = "rates.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all trials of a run share."""

    app: Path
    inventory: Inventory
    profiles: Profiles | None
    sessions: Mapping[str, Shell]
    interrupts: Interrupts
    progress: RunProgress


@dataclass(slots=True, kw_only=True)
class _Around:
    """What is looked at before a trial and after it, and what is undone then."""

    watch: PathWatch
    pins: Pins
    faults: Faults
    begun: trial_facts.Before | None = None

    def begin(self, inventory: Inventory) -> None:
        self.begun = trial_facts.before(inventory)
        self.pins.apply()
        self.watch.look_before()
        self.faults.prepare()


def conduct(setting: Setting, planned: PlannedTrial, folder: TrialFolder, *, rounds_before: int) -> None:
    """Run one trial and keep what it measured, whole or marked invalid with its reason.

    `rounds_before` is how many rounds of the campaign were before it, for the progress.

    Raises Interrupted, after the same taking down and keeping, where the user ended it.
    """
    campaign = planned.campaign
    inventory = with_stepped_clocks(setting.inventory, campaign, planned.name)
    nodes = inventory.nodes[: campaign.clients]
    deployment = Deployment(
        inventory=inventory,
        sessions=setting.sessions,
        campaign=campaign,
        trial=planned.name,
        interface=planned.interface,
        nodes=nodes,
        polling=planned.polling,
        networks=planned.networks,
    )
    folder.enter("starting", **asked(setting, planned))
    reason, interrupted = "", False
    to_pin = pins_of(inventory, [(node, deployment.network(node)) for node in nodes])
    with Pins(setting.sessions, to_pin, setting.interrupts) as pins:
        around = _Around(watch=PathWatch(deployment), pins=pins, faults=Faults(deployment))
        try:
            deployment.prepare()  # first of all: what is fetched in the end must be of this trial
            around.begin(inventory)
            _measure(setting, deployment, folder, around.faults, rounds_before)
        except Interrupted:
            reason, interrupted = INTERRUPTED, True
        except FedprobeError as error:
            reason = str(error)
        with setting.interrupts.shield():
            reason = _take_down(setting, deployment, folder, around, reason)
            _keep(setting, deployment, folder, around, reason)
    if interrupted:
        raise Interrupted


def asked(setting: Setting, planned: PlannedTrial) -> dict[str, Any]:
    """What trial.json says before anything is started."""
    campaign = planned.campaign
    varies = trial_facts.follows_trace(setting.inventory, planned.interface)
    one_rate = setting.profiles and not planned.networks and not varies
    link = setting.profiles.links[planned.interface] if setting.profiles and one_rate else None
    return {
        "name": planned.name,
        "campaign": campaign.name,
        "interface": planned.interface,
        "repetition": planned.repetition,
        "rounds": campaign.rounds,
        "nodes": [node.name for node in setting.inventory.nodes[: campaign.clients]],
        "outcome": "unfinished",
        "reason": "the run ended before this trial did",
        "link": link_rates(link) if link else None,
        "settings": {
            "run_config": campaign.run_config(),
            "collectors": list(campaign.collect.collectors),
            "polling": planned.polling,
            "networks": dict(planned.networks),
            "security": setting.inventory.security,
            "clock": setting.inventory.clock,
            "management_on": _management_on(setting.inventory, campaign.clients),
            "fast_waits_s": FAST_WAIT_S if planned.polling == "fast" else None,
            **({"fault": campaign.fault_name} if campaign.fault_steps else {}),
            **trial_facts.declared(setting.inventory, planned.interface),
        },
    }


def _management_on(inventory: Inventory, clients: int) -> dict[str, list[str]]:
    """The measured networks that management uses too, with the hosts of the trial on which it does."""
    taking_part = [inventory.server, *inventory.nodes[:clients]]
    found: dict[str, list[str]] = {}
    for host in taking_part:
        for network in host.shared_networks:
            found.setdefault(network, []).append(host.name)
    return found


def link_rates(profile: LinkProfile) -> dict[str, Any]:
    """The rates of a link as analysis.model.LinkRates names them."""
    shared = profile.half_duplex_capacity_bit_per_s
    return {
        "interface": profile.network,
        "client_down_bit_per_s": profile.downlink.ceil_bit_per_s,
        "client_up_bit_per_s": profile.uplink.ceil_bit_per_s,
        "cell_down_bit_per_s": shared or profile.downlink.capacity_bit_per_s,
        "cell_up_bit_per_s": shared or profile.uplink.capacity_bit_per_s,
        "half_duplex": shared is not None,
    }


def _measure(setting: Setting, deployment: Deployment, folder: TrialFolder, faults: Faults, done_before: int) -> None:
    follower = Follower(deployment, lambda state: setting.progress.rounds_done(done_before + state.round), faults)
    setting.progress.doing(f"{deployment.trial}: starting Flower on {len(deployment.nodes)} nodes, collectors")
    deployment.start_superlink()
    deployment.register_supernodes()
    if deployment.registered:
        folder.add(registered_nodes=dict(deployment.registered))
    deployment.start_supernodes()
    deployment.start_collectors()
    follower.wait_registered(len(deployment.nodes))
    setting.progress.doing(
        f"{deployment.trial}: running {deployment.campaign.rounds} rounds over {deployment.interface}"
    )
    folder.enter("running")
    run_id = deployment.submit(setting.app)
    folder.add(run_id=run_id)
    faults.begin()
    follower.wait_finished()
    status = deployment.run_status(run_id)
    folder.add(flower_status=status)
    if status != "finished:completed":
        raise TrialError(f"Flower says {status} of the run. The SuperLink's log is in the trial's folder.")


def _take_down(
    setting: Setting,
    deployment: Deployment,
    folder: TrialFolder,
    around: _Around,
    reason: str,
) -> str:
    """End every process; what went wrong here is the trial's reason unless it has one."""
    setting.progress.doing(f"{deployment.trial}: stopping")
    try:
        folder.enter("stopping")
    finally:  # a full disk must not leave processes on the hosts
        not_undone = around.faults.end()
        deployment.stop()
    problems = [*not_undone, *around.faults.end_disks(), *deployment.not_ended, *around.watch.look_after()]
    reason = reason if reason == INTERRUPTED else around.faults.explained(reason)
    left_behind = around.pins.undo()
    try:
        folder.add(**around.faults.facts())
        folder.add(emulator=trial_facts.during(setting.inventory, deployment.interface, around.begun))
        _keep_rates(setting, deployment, folder)
    except (FedprobeError, ValueError, OSError) as error:
        problems.append(str(error))
    return "; ".join(filter(None, (reason or "; ".join(problems), *left_behind)))


def _keep_rates(setting: Setting, deployment: Deployment, folder: TrialFolder) -> None:
    """The rates that a trace made of the trial's link, beside its records."""
    if (applied := trial_facts.rates_applied(setting.inventory, deployment.interface)) is not None:
        (folder.path / RATES_FILE).write_text(applied, encoding="ascii")


def _keep(setting: Setting, deployment: Deployment, folder: TrialFolder, around: _Around, reason: str) -> None:
    """Fetch, verify, store and check; a trial without a reason against it is ok.

    `ran_whole` tells a trial that is invalid by the way its bytes went from one that failed.
    """
    watch = around.watch
    setting.progress.doing(f"{deployment.trial}: fetching and checking records")
    folder.enter("fetching", reason=reason)
    problems = fetch(deployment, folder)
    folder.enter("storing")
    facts: dict[str, Any] = {"checks": [], "paths": paths.as_documents(watch.paths({}))}
    wrong_way = ""
    try:
        records = load.load_spools(folder.spool)
        store.write(records, folder.records)
        ways = watch.paths(checks.peers(records))
        payloads = {way.node: checks.payload_of(records, way.node) for way in ways}
        wrong_way = paths.reason(ways, payloads)
        found = checks.all_checks(
            records, _devices(deployment), _dialled(deployment), security=setting.inventory.security
        )
        facts = {
            "settings": {**folder.facts["settings"], **_conditions(setting, deployment.campaign, records)},
            "checks": checks.as_documents([*found, *checks.path_checks(ways, payloads)]),
            "paths": paths.as_documents(ways),
        }
    except (SpoolError, store.StoreError, OSError) as error:
        problems.append(str(error))
    reason = reason or around.faults.explained("; ".join(problems))
    folder.enter(
        "done",
        outcome="invalid" if reason or wrong_way else "ok",
        reason="; ".join(filter(None, (reason, wrong_way))),
        ran_whole=not reason,
        astray=bool(wrong_way),
        ended_by_fault=bool(reason) and reason != INTERRUPTED and bool(around.faults.happened()),
        **facts,
    )


def _devices(deployment: Deployment) -> list[checks.Devices]:
    return [
        checks.Devices(
            node=node.name,
            by_network={network: one.device for network, one in node.interfaces.items()},
            interface=deployment.network(node),
            shared=node.shared_networks,
        )
        for node in deployment.nodes
    ]


def _dialled(deployment: Deployment) -> list[str]:
    return [str(node.interfaces[deployment.network(node)].address) for node in deployment.nodes]


def _conditions(setting: Setting, campaign: Campaign, records: load.Records) -> dict[str, Any]:
    """Conditions as the processes themselves recorded them: priorities that were set, the server's processors."""
    asked_for = campaign.priorities
    flower = [segment.header for segment in records.segments if segment.header.role in ROLES]
    kept = all(header.nice == asked_for[header.role] for header in flower if header.role in asked_for)
    nice: dict[str, Sequence[int]] = {
        role: sorted({header.nice for header in flower if header.role == role}) for role in ROLES
    }
    return {
        "priorities": kept and bool(asked_for),
        "nice": {role: values for role, values in nice.items() if values},
        "cpus": os.cpu_count() if setting.inventory.emulator else None,
    }
