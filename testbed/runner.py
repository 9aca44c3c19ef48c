"""A campaign from its file to its report: plan, testbed, trials one after another, report."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.baseline import FILE as BASELINE_FILE
from analysis.selftest_cited import FILE as SELFTEST_FILE
from analysis.verdicts import EXIT_GOOD, EXIT_UNFIT
from testbed import premises
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
from testbed.errors import FedprobeError, UsageError
from testbed.interrupts import Interrupts
from testbed.inventory import Inventory
from testbed.manifest import described, manifest
from testbed.plan import PlannedTrial, plan_document, plan_of
from testbed.progress import RunProgress
from testbed.resume import finish_half_done
from testbed.run_folder import CAMPAIGN, LOCK, MANIFEST, PLAN, RunFolder
from testbed.run_lock import held, lock_of_inventory
from testbed.selftest.results import newest
from testbed.setting import Setting
from testbed.standing import Standing, testbed_key
from testbed.trial import conduct
from testbed.trial_document import asked

FAILED = FedprobeError.exit_code


class ChangedError(UsageError):
    """What a run stands on has changed since it began."""


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


def prepare(campaign_file: Path, copy: Path | None = None) -> Prepared:
    """Read and check everything a campaign names. Raises FedprobeError.

    `copy` is read in place of a file that is gone; what it names still lies beside that.
    """
    source = copy or campaign_file
    campaign = read_campaign(source)
    inventory = inventory_of(campaign, campaign_file)
    return Prepared(
        campaign=campaign,
        file=campaign_file,
        text=source.read_text(encoding="utf-8"),
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
        if campaign.collect.capture:
            require_programs(["tcpdump"], "capturing packets (collect.capture)")
        if campaign.collect.baseline:
            require_programs(["iperf3", "ping"], "the link baseline (collect.baseline)")


@contextmanager
def alone_on_testbed(prepared: Prepared) -> Iterator[None]:
    """No other run of this user uses the inventory's hosts meanwhile. Raises InUseError."""
    if prepared.inventory is None:  # an emulated testbed is built for this run alone
        yield
        return
    name = prepared.inventory.name
    with held(lock_of_inventory(name, os.environ), f"testbed {name}"):
        yield


@contextmanager
def alone_in_folder(folder: RunFolder) -> Iterator[None]:
    """No other process works at the run meanwhile. Raises InUseError."""
    with held(folder.path / LOCK, f"run folder {folder.path}"):
        yield


def begin(prepared: Prepared, folder: RunFolder) -> None:
    """Write down what is to be done and what it stands on, before anything is."""
    standing_on = {"campaign_file": str(prepared.file.resolve()), "premises": premises_now(prepared)}
    folder.write(MANIFEST, {**manifest(prepared.inventory, prepared.profiles), **standing_on})
    folder.write(PLAN, plan_document(prepared.campaign, prepared.trials))
    if (selftest := newest()) is not None:
        folder.write(SELFTEST_FILE, selftest)


def premises_now(prepared: Prepared) -> dict[str, object]:
    """What the run stands on, as of now."""
    if prepared.inventory is not None:
        testbeds = [premises.of_inventory(prepared.inventory)]
    else:
        asked_for = {testbed_key(planned): planned.campaign for planned in prepared.trials}
        testbeds = [
            premises.emulated(
                profiles_of(campaign, prepared.file), conditions_of(campaign, prepared.file), campaign.clients
            )
            for campaign in asked_for.values()
        ]
    names = [planned.name for planned in prepared.trials]
    return premises.premises(prepared.text, prepared.app, names, testbeds)


def run(prepared: Prepared, folder: RunFolder) -> int:
    """Carry out what is missing of the plan, in its order. Interrupted is raised after all is taken down.

    Returns 0 where every trial is ok, 1 where one failed, 3 where all ran whole and one is invalid: measured, but not
    under the conditions that it was to be measured under.
    """
    with Interrupts() as interrupts, RunProgress(prepared.rounds) as progress:
        standing = Standing(
            campaign_file=prepared.file,
            app=prepared.app,
            trials=prepared.trials,
            inventory=prepared.inventory,
            folder=folder,
            mark=f"{getpass.getuser()}@{socket.gethostname()}:{folder.path}",
            interrupts=interrupts,
            progress=progress,
        )
        finish_half_done(standing, prepared.trials)
        with standing:
            codes = {_settle(standing, prepared, planned, folder) for planned in prepared.trials}
    return next((code for code in (FAILED, EXIT_UNFIT) if code in codes), EXIT_GOOD)


def reopen(path: Path, *, accepted: bool) -> tuple[Prepared, RunFolder]:
    """The run in a folder, to be carried on with `run`.

    Raises RunFolderError where it is none, and ChangedError, with the differences, where what it stands on has
    changed and that is not `accepted`; what is accepted is recorded in manifest.json.
    """
    folder = RunFolder.existing(path)
    manifest_then = folder.read(MANIFEST)
    file = Path(manifest_then["campaign_file"])
    prepared = prepare(file, None if file.exists() else folder.path / CAMPAIGN)
    now = premises_now(prepared)
    if changed := premises.changes(manifest_then["premises"], now):
        if not accepted:
            raise ChangedError(premises.refusal(path, changed))
        folder.accept(changed, campaign=prepared.text, premises=now)
        folder.write(PLAN, plan_document(prepared.campaign, prepared.trials))
    return prepared, folder


def _settle(standing: Standing, prepared: Prepared, planned: PlannedTrial, folder: RunFolder) -> int:
    """Run a trial until it is valid or has been repeated often enough; the exit code that it asks for."""
    before = prepared.rounds_before(planned)
    while missing(folder, planned):
        setting = standing.setting(planned)
        _note_testbed(setting, prepared.campaign, folder)
        if folder.trial(planned.name).ended:
            folder.set_aside(planned.name)
        trial = folder.trial(planned.name)
        attempts = folder.attempts(planned.name)
        number = attempts[-1].attempt + 1 if attempts else 1
        trial.enter("planned", attempt=number, **asked(setting, planned))
        folder.check_space()
        conduct(setting, planned, trial, rounds_before=before)
        setting.progress.say(ending(planned.name, trial.facts))
    standing.progress.rounds_done(before + planned.campaign.rounds)
    facts = folder.trial(planned.name).facts
    if facts["outcome"] == "ok":
        return EXIT_GOOD
    return EXIT_UNFIT if facts["ran_whole"] else FAILED


def missing(folder: RunFolder, planned: PlannedTrial) -> bool:
    """Whether a trial is still to be run: it never ended, or is invalid and may be repeated."""
    trial = folder.trial(planned.name)
    if not trial.ended or trial.valid:
        return not trial.ended
    spoiled = [one for one in [*folder.attempts(planned.name), trial] if not one.interrupted]
    return trial.interrupted or len(spoiled) <= planned.campaign.limits.repeats


def ending(name: str, facts: Mapping[str, Any]) -> str:
    """How a trial ended, and what conducting it cost beside its rounds."""
    reason = f": {facts['reason']}" if facts["reason"] else ""
    words = f"{name}: {facts['outcome']}{reason}"
    if "conducting_s" not in facts:
        return words
    wall, rounds, rest = (facts[name] for name in ("wall_s", "rounds_s", "conducting_s"))
    return f"{words} ({wall:.1f} s, its rounds {rounds:.1f} s: conducting {rest:.1f} s)"


def _note_testbed(setting: Setting, campaign: Campaign, folder: RunFolder) -> None:
    """When the first testbed stands: its description into the manifest; its links measured where that is asked."""
    document = folder.read(MANIFEST)
    if document["inventory"] is None:
        folder.write(MANIFEST, {**document, "inventory": described(setting.inventory)})
    if campaign.collect.baseline and not _links_measured(campaign, folder):
        _measure_links(setting, campaign, folder)


def _links_measured(campaign: Campaign, folder: RunFolder) -> bool:
    if not (folder.path / BASELINE_FILE).exists():
        return False
    return len(folder.read(BASELINE_FILE)["links"]) >= campaign.clients * len(campaign.factors.interface)


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
