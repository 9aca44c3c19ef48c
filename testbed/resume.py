"""Takes up a run whose controller is gone: takes down what it left, and finishes the trial that it was at.

A trial whose processes had ended is finished: its files are fetched, verified and stored, and it may be valid. One
that was cut off before is invalid, "interrupted": what its hosts had written is fetched and kept all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from testbed import aftermath, late_records, unfetched
from testbed.deployment import Deployment
from testbed.keeping import keep
from testbed.plan import PlannedTrial
from testbed.run_folder import TrialFolder
from testbed.setting import Setting
from testbed.standing import Standing, logins_to, sessions_to
from testbed.validity import Invalid, as_documents, from_documents


def finish_half_done(standing: Standing) -> None:
    """Leave no trial of the run between its beginning and its end. Raises FedprobeError for a host not reached."""
    with standing.interrupts.shield():
        if standing.prepared.inventory is None:
            for testbed_id in aftermath.take_down_emulated(standing.folder):
                standing.progress.say(f"testbed {testbed_id}, left by the run that was killed, is taken down")
        for planned in standing.prepared.trials:
            trial = standing.folder.trial(planned.name)
            if trial.begun and not trial.ended:
                _finish(standing, planned, trial)
            for attempt in late_records.waiting(standing.folder, planned.name):
                _bring_from_where_it_is(standing, planned, attempt)


def _finish(standing: Standing, planned: PlannedTrial, trial: TrialFolder) -> None:
    if (inventory := standing.prepared.inventory) is not None:
        with sessions_to(inventory, planned.campaign.clients) as sessions:
            setting = standing.reaching(inventory, sessions)
            problems = aftermath.take_down_on_hosts(setting.deployment(planned, trial.attempt))
            finish(standing, setting, planned, trial, problems)
        return
    stood, files = aftermath.stood(standing.folder, str(trial.facts["testbed"]))
    finish(standing, standing.reaching(stood, files), planned, trial, [])


def _bring_from_where_it_is(standing: Standing, planned: PlannedTrial, trial: TrialFolder) -> None:
    """A host that is still away is in nobody's way: the trial is done."""
    if (inventory := standing.prepared.inventory) is not None:
        with logins_to(inventory, planned.campaign.clients) as logins:
            bring_late(standing, standing.reaching(inventory, logins.results), planned, trial)
        return
    stood, files = aftermath.stood(standing.folder, str(trial.facts["testbed"]))
    _bring(standing, standing.reaching(stood, files).deployment(planned, trial.attempt), trial)
    if trial.facts["fetched"]:
        unfetched.forget(standing.folder.path, str(trial.facts["on_hosts"]))


def bring_late(standing: Standing, setting: Setting, planned: PlannedTrial, trial: TrialFolder) -> None:
    """Fetch what a host that was away kept of a trial that is done, whose outcome stays what it is.

    What the trial left running there is ended first: nobody could when the trial ended.
    """
    deployment = setting.deployment(planned, trial.attempt)
    if setting.inventory.server.name not in setting.sessions:
        standing.progress.say(f"{trial.path.name}: its records are not all fetched: the server is away")
        return
    aftermath.take_down_on_hosts(late_records.reached(deployment))
    _bring(standing, deployment, trial)


def _bring(standing: Standing, deployment: Deployment, trial: TrialFolder) -> None:
    problems = late_records.bring(deployment, trial)
    left = f"its records are not all fetched: {'; '.join(problems)}" if problems else "its other records are here now"
    standing.progress.say(f"{trial.path.name}: {left}")


def finish(
    standing: Standing, setting: Setting, planned: PlannedTrial, trial: TrialFolder, problems: Sequence[str]
) -> None:
    """Fetch, verify and store, as far as hosts answer. A trial cut off while it was measured is invalid for that."""
    trial.add(resumed=True)
    if not trial.measured:
        against = from_documents(trial.facts.get("reasons", []))
        cut_off = Invalid("interrupted", f"interrupted: the controller ended while the trial was {trial.state}")
        left = [Invalid("node lost", problem) for problem in problems]
        trial.add(reasons=as_documents([cut_off, *against, *left]))
    setting.progress.say(f"{planned.name}: left in state {trial.state}, is finished")
    keep(setting, setting.deployment(planned, trial.attempt), trial)
    if trial.facts["fetched"] and standing.prepared.inventory is None:
        unfetched.forget(standing.folder.path, str(trial.facts["on_hosts"]))
    outcome, reason = trial.facts["outcome"], trial.facts["reason"]
    setting.progress.say(f"{planned.name}: {outcome}" + (f": {reason}" if reason else ""))
