"""Takes up a run whose controller is gone: takes down what it left, and finishes the trial that it was at.

A trial whose processes had ended is finished: its files are fetched, verified and stored, and it may be valid. One
that was cut off before is invalid, "interrupted": what its hosts had written is fetched and kept all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from testbed import aftermath, unfetched
from testbed.keeping import keep
from testbed.plan import PlannedTrial
from testbed.run_folder import TrialFolder
from testbed.setting import Setting
from testbed.standing import Standing, sessions_to
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


def _finish(standing: Standing, planned: PlannedTrial, trial: TrialFolder) -> None:
    if (inventory := standing.prepared.inventory) is not None:
        with sessions_to(inventory, planned.campaign.clients) as sessions:
            setting = standing.reaching(inventory, sessions)
            problems = aftermath.take_down_on_hosts(setting.deployment(planned, trial.attempt))
            finish(standing, setting, planned, trial, problems)
        return
    stood, files = aftermath.stood(standing.folder, str(trial.facts["testbed"]))
    finish(standing, standing.reaching(stood, files), planned, trial, [])


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
