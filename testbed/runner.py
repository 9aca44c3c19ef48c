"""Carries out a plan: the trials that are missing, one after another, each on the testbed that it asks for."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from analysis.baseline import FILE as BASELINE_FILE
from analysis.verdicts import EXIT_GOOD, EXIT_UNFIT
from instrument.clock import sleep_s
from testbed import late_records
from testbed.baseline.conduct import Site, measured
from testbed.baseline.document import BaselineLink, document
from testbed.baseline.plan import Plan
from testbed.campaign import Campaign
from testbed.design.pacing import may_begin
from testbed.design.testbeds import AskedTestbed
from testbed.errors import FedprobeError
from testbed.interrupts import Interrupts
from testbed.manifest import described
from testbed.plan import PlannedTrial
from testbed.prepared import Prepared
from testbed.progress import RunProgress
from testbed.resume import bring_late, finish, finish_half_done
from testbed.run_folder import MANIFEST, RunFolder
from testbed.setting import Setting
from testbed.sink.feed import Feed
from testbed.sink.live import Live
from testbed.standing import Standing
from testbed.trial import conduct
from testbed.trial_document import asked
from testbed.watch.expected import expected
from testbed.watch.live import LiveRun

FAILED = FedprobeError.exit_code


def run(prepared: Prepared, folder: RunFolder) -> int:
    """Carry out what is missing of the plan, in its order. Interrupted is raised after all is taken down.

    Returns 0 where every trial is ok, 1 where one failed, 3 where all ran whole and one is invalid: measured, but not
    under the conditions that it was to be measured under.
    """
    mark = f"{getpass.getuser()}@{socket.gethostname()}:{folder.path}"
    began = datetime.fromisoformat(folder.read(MANIFEST)["begun"])
    view = LiveRun(folder.path, expected(prepared.slots))
    with (
        Interrupts() as interrupts,
        RunProgress(prepared.rounds, view) as progress,
        Feed(prepared.campaign.influxdb, folder.path, progress.say) as feed,
        Live(prepared.campaign.influxdb, folder.path, progress.say) as live,
    ):
        standing = Standing(
            prepared=prepared,
            folder=folder,
            mark=mark,
            interrupts=interrupts,
            progress=progress,
            before_timed=feed.pause,
            live=live if live.on else None,
        )
        finish_half_done(standing)
        with standing:
            for planned in prepared.trials:
                _settle(standing, prepared, planned, folder, began=began)
                feed.begin()
            _fetch_late(standing, prepared, folder)
        feed.finish()
        codes = {_code(folder.trial(planned.name).facts) for planned in prepared.trials}
    return next((code for code in (FAILED, EXIT_UNFIT) if code in codes), EXIT_GOOD)


def _settle(
    standing: Standing, prepared: Prepared, planned: PlannedTrial, folder: RunFolder, *, began: datetime
) -> None:
    """Run a trial until it is valid, or has been repeated often enough, or waits for a host to give its records."""
    before = prepared.rounds_before(planned)
    while missing(folder, planned):
        setting = standing.setting(planned)
        _note_testbed(setting, prepared, planned, folder)
        _wait_until(may_begin(planned, prepared.trials, began=began, last_ended=last_end(folder)), planned, standing)
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


def _fetch_late(standing: Standing, prepared: Prepared, folder: RunFolder) -> None:
    """Try again to fetch what a host did not give when its trial ended; it stays there where that fails again."""
    for planned in prepared.trials:
        trial = folder.trial(planned.name)
        if trial.state == "fetching" and standing.has(str(trial.facts["testbed"])):
            finish(standing, standing.setting(planned), planned, trial, [])
        for attempt in late_records.waiting(folder, planned.name):
            if standing.has(str(attempt.facts["testbed"])):
                bring_late(standing, standing.setting(planned), planned, attempt)


def _code(facts: Mapping[str, Any]) -> int:
    """The exit code that a trial asks for."""
    if facts["outcome"] == "ok":
        return EXIT_GOOD
    return EXIT_UNFIT if facts.get("ran_whole") else FAILED


def missing(folder: RunFolder, planned: PlannedTrial) -> bool:
    """Whether a trial is still to be run: it never ended, or is invalid and may be repeated.

    One that its fault ended is not: that is what the fault does. Nor is one whose records are still on a host.
    """
    trial = folder.trial(planned.name)
    if trial.state == "fetching":
        return False
    if not trial.ended or trial.valid or trial.facts.get("ended_by_fault"):
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


def last_end(folder: RunFolder) -> datetime | None:
    """When the last trial ended, attempts too; None: none has."""
    ends = [stamp for trial in folder.trials() if (stamp := trial.facts.get("entered", {}).get("done"))]
    return max(map(datetime.fromisoformat, ends), default=None)


def _wait_until(due: datetime, planned: PlannedTrial, standing: Standing) -> None:
    left_s = (due - _now()).total_seconds()
    if left_s > 0:
        standing.progress.doing(f"{planned.name}: begins at {due:%H:%M:%S}, in {left_s:.0f} s")
        standing.progress.waits(due.timestamp())
    while (left_s := (due - _now()).total_seconds()) > 0:
        sleep_s(min(left_s, 1.0))


def _now() -> datetime:
    return datetime.now().astimezone()


def _note_testbed(setting: Setting, prepared: Prepared, planned: PlannedTrial, folder: RunFolder) -> None:
    """When the first testbed stands: its description into the manifest; its links measured where that is asked."""
    noted = folder.read(MANIFEST)
    if noted["inventory"] is None:
        folder.write(MANIFEST, {**noted, "inventory": described(setting.inventory)})
    asked_for = prepared.testbed_of(planned)
    is_first = planned.testbed_key == prepared.trials[0].testbed_key
    if prepared.campaign.collect.baseline and is_first and not _links_measured(asked_for, folder):
        _measure_links(setting, asked_for, prepared.campaign, folder)


def _links_measured(asked_for: AskedTestbed, folder: RunFolder) -> bool:
    if not (folder.path / BASELINE_FILE).exists():
        return False
    return len(folder.read(BASELINE_FILE)["links"]) >= asked_for.clients * len(asked_for.networks)


def _measure_links(setting: Setting, asked_for: AskedTestbed, campaign: Campaign, folder: RunFolder) -> None:
    """Measure the links of the first testbed alone."""
    inventory = setting.inventory
    plan = Plan(load_s=campaign.collect.baseline_s)
    site = Site(
        inventory=inventory,
        nodes=inventory.nodes[: asked_for.clients],
        sessions=setting.sessions,
        interrupts=setting.interrupts,
        progress=setting.progress,
        plan=plan,
    )
    setting.progress.say(plan.words(len(site.nodes) * len(asked_for.networks)))
    links: list[BaselineLink] = []
    for network in asked_for.networks:
        links += measured(site, network)
        folder.write(BASELINE_FILE, document(links, plan))
    for link in links:
        for problem in link.problems:
            setting.progress.say(f"link baseline: {problem}")
