"""A campaign from its file to its report: plan, testbed, trials one after another, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path

from analysis.baseline import FILE as BASELINE_FILE
from analysis.selftest_cited import FILE as SELFTEST_FILE
from analysis.verdicts import EXIT_GOOD, EXIT_UNFIT
from instrument.clock import sleep_s
from testbed.baseline.conduct import Site, measured
from testbed.baseline.document import BaselineLink, document
from testbed.baseline.plan import Plan
from testbed.campaign import Campaign, CampaignError, app_folder, read_campaign
from testbed.capabilities import require_emulation, require_programs
from testbed.design.app_settings import app_defaults, require_app_settings
from testbed.design.earlier import EarlierTrial
from testbed.design.estimate import Estimate, estimate_of
from testbed.design.factors import DesignError
from testbed.design.pacing import may_begin
from testbed.design.schedule import Slot, schedule, within
from testbed.design.testbeds import AskedTestbed, testbeds_of
from testbed.emulation import lifecycle
from testbed.emulation.profiles import Profiles
from testbed.errors import FedprobeError
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
from testbed.trial import Setting, conduct
from testbed.trial import asked as asked_facts

FAILED = FedprobeError.exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A campaign that has been checked: nothing is started yet."""

    campaign: Campaign
    file: Path
    app: Path
    trials: list[PlannedTrial]
    inventory: Inventory | None
    testbeds: Mapping[str, AskedTestbed]  # by PlannedTrial.testbed_key
    estimates: Mapping[str, Estimate]  # by trial's name
    slots: list[Slot]  # of the trials that the budget lets in
    designed: int  # how many trials the design has, the budget aside

    @property
    def profiles(self) -> Profiles | None:
        """The links of the first testbed; None on the hosts of an inventory."""
        return next(iter(self.testbeds.values())).profiles

    @property
    def rounds(self) -> int:
        """Rounds of all trials together."""
        return sum(planned.campaign.rounds for planned in self.trials)

    def rounds_before(self, trial: PlannedTrial) -> int:
        """Rounds of the trials that are planned before one."""
        return sum(planned.campaign.rounds for planned in self.trials if planned.index < trial.index)

    def testbed_of(self, trial: PlannedTrial) -> AskedTestbed:
        """What a trial runs on; between two trials whose testbeds differ it has to be built anew."""
        return self.testbeds[trial.testbed_key]

    def app_of(self, trial: PlannedTrial) -> Path:
        """The folder of a trial's Flower app, which may be a factor."""
        return app_folder(trial.campaign, self.file)

    def together(self) -> list[list[PlannedTrial]]:
        """The trials in order, parted where the testbed has to be built anew."""
        return [list(trials) for _, trials in groupby(self.trials, key=lambda planned: planned.testbed_key)]


def prepare(campaign_file: Path, earlier: Sequence[EarlierTrial] = ()) -> Prepared:
    """Read and check everything a campaign names; `earlier` trials tell how long its own will take.

    `trials` are those that the budget lets in. Raises FedprobeError.
    """
    campaign = read_campaign(campaign_file)
    try:
        return _prepared(campaign, campaign_file, earlier)
    except DesignError as error:
        raise CampaignError(f"{campaign_file}: {error}") from error


def _prepared(campaign: Campaign, campaign_file: Path, earlier: Sequence[EarlierTrial]) -> Prepared:
    planned = plan_of(campaign)
    testbeds, inventory = testbeds_of(planned, campaign, campaign_file)
    estimates = {}
    for trial in planned:
        app = app_folder(trial.campaign, campaign_file)
        require_app_settings(trial, app, campaign_file)
        estimates[trial.name] = estimate_of(trial, testbeds[trial.testbed_key], app_defaults(app), earlier)
    slots = schedule(planned, estimates, before_s=_baseline_s(campaign, testbeds[planned[0].testbed_key]))
    if campaign.design.budget_h is not None:
        slots = within(slots, campaign.design.budget_h)
    return Prepared(
        campaign=campaign,
        file=campaign_file,
        app=app_folder(campaign, campaign_file),
        trials=[slot.trial for slot in slots],
        inventory=inventory,
        testbeds=testbeds,
        estimates=estimates,
        slots=slots,
        designed=len(planned),
    )


def _baseline_s(campaign: Campaign, asked: AskedTestbed) -> float:
    if not campaign.collect.baseline:
        return 0.0
    return Plan(load_s=campaign.collect.baseline_s).about_s(asked.clients * len(asked.networks))


def check_machine(prepared: Prepared) -> None:
    """Raises FedprobeError, before a folder is made, where this machine cannot carry the campaign."""
    campaign = prepared.campaign
    if prepared.inventory is not None and prepared.inventory.emulator:
        require_emulation()
    for asked in prepared.testbeds.values():
        asked.require_possible()
    if prepared.inventory is None or prepared.inventory.emulator:
        if any(planned.campaign.collect.capture for planned in prepared.trials):
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
    began, codes = _now(), set[int]()
    with Interrupts() as interrupts, RunProgress(prepared.rounds) as progress:
        last_ended: datetime | None = None
        for number, trials in enumerate(prepared.together()):
            with _setting(prepared, prepared.testbed_of(trials[0]), interrupts, progress) as setting:
                folder.write(_manifest_name(number), manifest(setting.inventory, setting.profiles))
                if prepared.campaign.collect.baseline and number == 0:
                    _measure_links(setting, prepared.testbed_of(trials[0]), prepared.campaign, folder)
                for planned in trials:
                    due = may_begin(planned, prepared.trials, began=began, last_ended=last_ended)
                    _wait_until(due, planned, progress)
                    here = replace(setting, app=prepared.app_of(planned))
                    codes.add(_one(here, planned, folder, rounds_before=prepared.rounds_before(planned)))
                    last_ended = _now()
                progress.doing("taking the testbed down")
    return next((code for code in (FAILED, EXIT_UNFIT) if code in codes), EXIT_GOOD)


@contextmanager
def _setting(
    prepared: Prepared, asked: AskedTestbed, interrupts: Interrupts, progress: RunProgress
) -> Iterator[Setting]:
    """A testbed that is up, with logins to it."""
    with ExitStack() as stack:
        progress.doing("building the testbed")
        inventory = stack.enter_context(_testbed(prepared, asked, interrupts))
        yield Setting(
            app=prepared.app,
            inventory=inventory,
            profiles=asked.profiles,
            sessions=stack.enter_context(sessions_to(inventory, asked.clients)),
            interrupts=interrupts,
            progress=progress,
        )


def _manifest_name(number: int) -> str:
    """A testbed that was built anew has a manifest of its own."""
    return "manifest.json" if number == 0 else f"manifest-{number + 1}.json"


def _now() -> datetime:
    return datetime.now().astimezone()


def _wait_until(due: datetime, planned: PlannedTrial, progress: RunProgress) -> None:
    left_s = (due - _now()).total_seconds()
    if left_s > 0:
        progress.doing(f"{planned.name}: begins at {due:%H:%M:%S}, in {left_s:.0f} s")
    while (left_s := (due - _now()).total_seconds()) > 0:
        sleep_s(min(left_s, 1.0))


def _measure_links(setting: Setting, asked: AskedTestbed, campaign: Campaign, folder: RunFolder) -> None:
    """Measure the links of the first testbed alone."""
    inventory = setting.inventory
    plan = Plan(load_s=campaign.collect.baseline_s)
    site = Site(
        inventory=inventory,
        nodes=inventory.nodes[: asked.clients],
        sessions=setting.sessions,
        interrupts=setting.interrupts,
        progress=setting.progress,
        plan=plan,
    )
    setting.progress.say(plan.words(len(site.nodes) * len(asked.networks)))
    links: list[BaselineLink] = []
    for network in asked.networks:
        links += measured(site, network)
        folder.write(BASELINE_FILE, document(links, plan))
    for link in links:
        for problem in link.problems:
            setting.progress.say(f"link baseline: {problem}")


def _one(setting: Setting, planned: PlannedTrial, folder: RunFolder, *, rounds_before: int) -> int:
    """One trial; the exit code that it asks for."""
    trial = folder.trial(planned.name)
    trial.enter("planned", **asked_facts(setting, planned))
    folder.check_space()
    conduct(setting, planned, trial, rounds_before=rounds_before)
    setting.progress.rounds_done(rounds_before + planned.campaign.rounds)
    outcome, reason = trial.facts["outcome"], trial.facts["reason"]
    setting.progress.say(f"{planned.name}: {outcome}" + (f": {reason}" if reason else ""))
    if outcome == "ok":
        return EXIT_GOOD
    return EXIT_UNFIT if trial.facts["ran_whole"] else FAILED


@contextmanager
def _testbed(prepared: Prepared, asked: AskedTestbed, interrupts: Interrupts) -> Iterator[Inventory]:
    if prepared.inventory is not None:
        yield prepared.inventory
        return
    inventory = lifecycle.up(
        asked.clients,
        networks=asked.networks,
        profiles=asked.profiles,
        held=False,
        seed=prepared.campaign.seed,
        conditions=asked.conditions,
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
