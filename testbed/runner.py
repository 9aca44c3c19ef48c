"""A campaign from its file to its report: plan, testbed, trials one after another, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from analysis.selftest_cited import FILE as SELFTEST_FILE
from testbed.campaign import Campaign, app_folder, read_campaign
from testbed.campaign_conditions import conditions_of, profiles_of
from testbed.campaign_testbed import inventory_of
from testbed.capabilities import require_programs
from testbed.emulation import lifecycle
from testbed.emulation.conditions import NONE, Conditions
from testbed.emulation.profiles import Profiles
from testbed.every_host import on_every_host
from testbed.interrupts import Interrupts
from testbed.inventory import Host, Inventory
from testbed.login import login_to
from testbed.manifest import manifest
from testbed.plan import PlannedTrial, plan_document, plan_of
from testbed.progress import RunProgress
from testbed.run_folder import RunFolder
from testbed.selftest.results import newest
from testbed.shell import Shell
from testbed.ssh import connect
from testbed.trial import Setting, asked, conduct


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A campaign that has been checked: nothing is started yet."""

    campaign: Campaign
    file: Path
    app: Path
    trials: list[PlannedTrial]
    profiles: Profiles | None
    inventory: Inventory | None
    conditions: Conditions = NONE


def prepare(campaign_file: Path) -> Prepared:
    """Read and check everything a campaign names. Raises FedprobeError."""
    campaign = read_campaign(campaign_file)
    inventory = inventory_of(campaign, campaign_file)
    return Prepared(
        campaign=campaign,
        file=campaign_file,
        app=app_folder(campaign, campaign_file),
        trials=plan_of(campaign),
        profiles=profiles_of(campaign, campaign_file) if inventory is None else None,
        inventory=inventory,
        conditions=conditions_of(campaign, campaign_file),
    )


def check_machine(prepared: Prepared) -> None:
    """Raises FedprobeError, before a folder is made, where this machine cannot carry the campaign."""
    if prepared.inventory is None and prepared.profiles is not None:
        campaign = prepared.campaign
        lifecycle.require_possible(
            campaign.clients, campaign.factors.interface, prepared.profiles, prepared.conditions
        )
        if prepared.campaign.collect.capture:
            require_programs(["tcpdump"], "capturing packets (collect.capture)")


def run(prepared: Prepared, folder: RunFolder) -> bool:
    """Carry out the plan. Returns whether every trial is ok; Interrupted is raised after all is taken down."""
    folder.write("plan.json", plan_document(prepared.campaign, prepared.trials))
    if (selftest := newest()) is not None:
        folder.write(SELFTEST_FILE, selftest)
    total = prepared.campaign.rounds * len(prepared.trials)
    with Interrupts() as interrupts, RunProgress(total) as progress, ExitStack() as stack:
        progress.doing("building the testbed")
        inventory = stack.enter_context(_testbed(prepared, interrupts))
        folder.write("manifest.json", manifest(inventory, prepared.profiles))
        sessions = stack.enter_context(sessions_to(inventory, prepared.campaign.clients))
        setting = Setting(
            campaign=prepared.campaign,
            app=prepared.app,
            inventory=inventory,
            profiles=prepared.profiles,
            sessions=sessions,
            interrupts=interrupts,
            progress=progress,
        )
        outcomes = [_one(setting, planned, folder) for planned in prepared.trials]
        progress.doing("taking the testbed down")
    return all(outcomes)


def _one(setting: Setting, planned: PlannedTrial, folder: RunFolder) -> bool:
    trial = folder.trial(planned.name)
    trial.enter("planned", **asked(setting, planned))
    folder.check_space()
    conduct(setting, planned, trial, rounds_before=planned.index * setting.campaign.rounds)
    setting.progress.rounds_done((planned.index + 1) * setting.campaign.rounds)
    outcome, reason = trial.facts["outcome"], trial.facts["reason"]
    setting.progress.say(f"{planned.name}: {outcome}" + (f": {reason}" if reason else ""))
    return bool(outcome == "ok")


@contextmanager
def _testbed(prepared: Prepared, interrupts: Interrupts) -> Iterator[Inventory]:
    if prepared.inventory is not None:
        yield prepared.inventory
        return
    campaign = prepared.campaign
    inventory = lifecycle.up(
        campaign.clients,
        networks=campaign.factors.interface,
        profiles=prepared.profiles,
        held=False,
        seed=campaign.seed,
        conditions=prepared.conditions,
    )
    try:
        yield inventory
    finally:
        with interrupts.shield():
            lifecycle.down(inventory.name)


@contextmanager
def sessions_to(inventory: Inventory, clients: int) -> Iterator[Mapping[str, Shell]]:
    """Shells on the server and the first nodes, by host name, for the length of a `with` block.

    Raises HostsFailedError, with a line for each host that could not be logged in to.
    """
    opened: list[Shell] = []

    def open_one(host: Host) -> Shell:
        shell = connect(login_to(inventory, host))
        opened.append(shell)
        return shell

    try:
        yield on_every_host([inventory.server, *inventory.nodes[:clients]], open_one).required()
    finally:
        for shell in opened:
            shell.close()
