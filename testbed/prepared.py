"""A campaign that was read and checked: its trials, what they run on, how long they will take. Nothing is started."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from testbed.baseline.plan import Plan
from testbed.campaign import Campaign, CampaignError, app_folder, read_campaign
from testbed.capabilities import require_emulation, require_programs
from testbed.design.app_settings import app_defaults, require_app_settings
from testbed.design.earlier import EarlierTrial
from testbed.design.estimate import Estimate, estimate_of
from testbed.design.factors import DesignError
from testbed.design.schedule import Slot, schedule, within
from testbed.design.testbeds import AskedTestbed, testbeds_of
from testbed.emulation.profiles import Profiles
from testbed.faults.refusals import ready, require_machine
from testbed.inventory import Inventory
from testbed.plan import PlannedTrial, plan_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A campaign that has been checked: nothing is started yet.

    `file` is where it was written, beside which what it names lies; `text` is what it says.
    """

    campaign: Campaign
    file: Path
    text: str
    app: Path
    trials: list[PlannedTrial]
    inventory: Inventory | None
    testbeds: Mapping[str, AskedTestbed]  # by PlannedTrial.testbed_key
    estimates: Mapping[str, Estimate]  # by trial's name
    slots: list[Slot]  # of the trials that the budget lets in
    every_slot: list[Slot]  # of all that the design has, the budget aside

    @property
    def profiles(self) -> Profiles | None:
        """The links of the first testbed; None on the hosts of an inventory."""
        return next(iter(self.testbeds.values())).profiles

    @property
    def designed(self) -> int:
        """How many trials the design has, the budget aside."""
        return len(self.every_slot)

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

    def limited_to(self, names: Collection[str]) -> Prepared:
        """The same with those trials alone, in their order, that a run has in its plan."""
        slots = [slot for slot in self.every_slot if slot.trial.name in names]
        return replace(self, slots=slots, trials=[slot.trial for slot in slots])


def prepare(campaign_file: Path, earlier: Sequence[EarlierTrial] = (), copy: Path | None = None) -> Prepared:
    """Read and check everything a campaign names; `earlier` trials tell how long its own will take.

    `trials` are those that the budget lets in. `copy` is read in place of a file that is gone; what it names still
    lies beside that. Raises FedprobeError.
    """
    source = copy or campaign_file
    campaign = read_campaign(source)
    try:
        return _prepared(campaign, campaign_file, source.read_text(encoding="utf-8"), earlier)
    except DesignError as error:
        raise CampaignError(f"{campaign_file}: {error}") from error


def _prepared(campaign: Campaign, campaign_file: Path, text: str, earlier: Sequence[EarlierTrial]) -> Prepared:
    planned = plan_of(campaign)
    testbeds, inventory = testbeds_of(planned, campaign, campaign_file)
    planned = [replace(trial, campaign=ready(trial.campaign, campaign_file, inventory)) for trial in planned]
    estimates = {}
    for trial in planned:
        app = app_folder(trial.campaign, campaign_file)
        require_app_settings(trial, app, campaign_file)
        estimates[trial.name] = estimate_of(trial, testbeds[trial.testbed_key], app_defaults(app), earlier)
    every_slot = schedule(planned, estimates, before_s=_baseline_s(campaign, testbeds[planned[0].testbed_key]))
    budget_h = campaign.design.budget_h
    slots = every_slot if budget_h is None else within(every_slot, budget_h)
    return Prepared(
        campaign=ready(campaign, campaign_file, inventory),
        file=campaign_file,
        text=text,
        app=app_folder(campaign, campaign_file),
        trials=[slot.trial for slot in slots],
        inventory=inventory,
        testbeds=testbeds,
        estimates=estimates,
        slots=slots,
        every_slot=every_slot,
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
        try:
            asked.require_possible()
        except CampaignError as error:
            raise CampaignError(f"{prepared.file}: {error}") from error
    if prepared.inventory is None or prepared.inventory.emulator:
        require_machine(campaign)
        if any(planned.campaign.collect.capture for planned in prepared.trials):
            require_programs(["tcpdump"], "capturing packets (collect.capture)")
        if campaign.collect.baseline:
            require_programs(["iperf3", "ping"], "the link baseline (collect.baseline)")
