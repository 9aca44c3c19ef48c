"""A campaign from its file to its report: plan, testbed, trials one after another, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from analysis.baseline import FILE as BASELINE_FILE
from analysis.selftest_cited import FILE as SELFTEST_FILE
from analysis.verdicts import EXIT_GOOD, EXIT_UNFIT
from testbed.baseline.conduct import Site, measured
from testbed.baseline.document import BaselineLink, document
from testbed.baseline.plan import Plan
from testbed.campaign import Campaign, app_folder, read_campaign
from testbed.campaign_conditions import conditions_of, profiles_of
from testbed.campaign_testbed import inventory_of
from testbed.capabilities import require_emulation, require_programs
from testbed.emulation import lifecycle
from testbed.emulation.conditions import NONE, Conditions
from testbed.emulation.profiles import Profiles
from testbed.errors import FedprobeError
from testbed.every_host import on_every_host
from testbed.faults.refusals import ready, require_hosts, require_machine
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

FAILED = FedprobeError.exit_code


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

    @property
    def rounds(self) -> int:
        """Rounds of all trials together."""
        return sum(planned.campaign.rounds for planned in self.trials)

    def rounds_before(self, trial: PlannedTrial) -> int:
        """Rounds of the trials that are planned before one."""
        return sum(planned.campaign.rounds for planned in self.trials if planned.index < trial.index)


def prepare(campaign_file: Path) -> Prepared:
    """Read and check everything a campaign names. Raises FedprobeError."""
    campaign = read_campaign(campaign_file)
    inventory = inventory_of(campaign, campaign_file)
    campaign = ready(campaign, campaign_file, inventory)
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
    campaign = prepared.campaign
    if prepared.inventory is not None and prepared.inventory.emulator:
        require_emulation()
    if prepared.inventory is None and prepared.profiles is not None:
        lifecycle.require_possible(
            campaign.clients, campaign.factors.interface, prepared.profiles, prepared.conditions
        )
    if prepared.inventory is None or prepared.inventory.emulator:
        require_machine(campaign)
        if campaign.collect.capture:
            require_programs(["tcpdump"], "capturing packets (collect.capture)")
        if campaign.collect.baseline:
            require_programs(["iperf3", "ping"], "the link baseline (collect.baseline)")


def run(prepared: Prepared, folder: RunFolder) -> int:
    """Carry out the plan. Interrupted is raised after all is taken down.

    Returns 0 where every trial is ok, 1 where one failed, 3 where all ran whole and one is invalid: measured, but not
    on the network that it was to be measured on.
    """
    folder.write("plan.json", plan_document(prepared.campaign, prepared.trials))
    if (selftest := newest()) is not None:
        folder.write(SELFTEST_FILE, selftest)
    with Interrupts() as interrupts, RunProgress(prepared.rounds) as progress, ExitStack() as stack:
        progress.doing("building the testbed")
        inventory = stack.enter_context(_testbed(prepared, interrupts))
        folder.write("manifest.json", manifest(inventory, prepared.profiles))
        sessions = stack.enter_context(sessions_to(inventory, prepared.campaign.clients))
        require_hosts(prepared.campaign, inventory, sessions)
        setting = Setting(
            app=prepared.app,
            inventory=inventory,
            profiles=prepared.profiles,
            sessions=sessions,
            interrupts=interrupts,
            progress=progress,
        )
        if prepared.campaign.collect.baseline:
            _measure_links(setting, prepared.campaign, folder)
        codes = set()
        for planned in prepared.trials:
            codes.add(_one(setting, planned, folder, rounds_before=prepared.rounds_before(planned)))
        progress.doing("taking the testbed down")
    return next((code for code in (FAILED, EXIT_UNFIT) if code in codes), EXIT_GOOD)


def _measure_links(setting: Setting, campaign: Campaign, folder: RunFolder) -> None:
    inventory = setting.inventory
    plan = Plan(load_s=campaign.collect.baseline_s)
    site = Site(
        inventory=inventory,
        nodes=inventory.nodes[: campaign.clients],
        sessions=setting.sessions,
        interrupts=setting.interrupts,
        progress=setting.progress,
        plan=plan,
    )
    setting.progress.say(plan.words(len(site.nodes) * len(campaign.factors.interface)))
    links: list[BaselineLink] = []
    for network in campaign.factors.interface:
        links += measured(site, network)
        folder.write(BASELINE_FILE, document(links, plan))
    for link in links:
        for problem in link.problems:
            setting.progress.say(f"link baseline: {problem}")


def _one(setting: Setting, planned: PlannedTrial, folder: RunFolder, *, rounds_before: int) -> int:
    """One trial; the exit code that it asks for."""
    trial = folder.trial(planned.name)
    trial.enter("planned", **asked(setting, planned))
    folder.check_space()
    conduct(setting, planned, trial, rounds_before=rounds_before)
    setting.progress.rounds_done(rounds_before + planned.campaign.rounds)
    outcome, reason = trial.facts["outcome"], trial.facts["reason"]
    setting.progress.say(f"{planned.name}: {outcome}" + (f": {reason}" if reason else ""))
    if outcome == "ok":
        return EXIT_GOOD
    return EXIT_UNFIT if trial.facts["ran_whole"] else FAILED


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
