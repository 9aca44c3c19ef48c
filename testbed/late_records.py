"""Records of a trial that is done, still on a host that was away: brought when the host is back.

Such a trial is invalid, since a host was lost, and stays so: its records are added to what is kept of it, and nothing
is judged anew.
"""

from __future__ import annotations

from dataclasses import replace

from analysis import load, store
from instrument.spool import SpoolError
from testbed.delete_fetched import delete_on_hosts
from testbed.deployment import Deployment
from testbed.errors import FedprobeError
from testbed.fetch import fetch
from testbed.fetched import is_complete, read_fetched
from testbed.run_folder import RunFolder, TrialFolder, sync_below


def waiting(run: RunFolder, trial: str) -> list[TrialFolder]:
    """The attempts at a trial that are done and of which a host has not given all."""
    made = [*run.attempts(trial), run.trial(trial)]
    return [one for one in made if one.ended and one.facts.get("fetched") is False]


def reached(deployment: Deployment) -> Deployment:
    """The same trial with those of its nodes alone that were logged in to."""
    return replace(deployment, nodes=[node for node in deployment.nodes if node.name in deployment.sessions])


def bring(deployment: Deployment, folder: TrialFolder) -> list[str]:
    """Fetch what is missing from the hosts that were logged in to, and store it. Returns what is missing still.

    Its records stand beside the others before trial.json says that all are fetched: cut off, it is done again.
    """
    names = [host.name for host in deployment.hosts]
    before = read_fetched(folder.path)
    there = reached(deployment)
    problems = [f"{name}: still away" for name in names if name not in deployment.sessions]
    try:
        problems += fetch(there, folder)
        sync_below(folder.path)
        if read_fetched(folder.path) != before:
            store.write(load.load_spools(folder.spool), folder.records)
            sync_below(folder.records)
    except (FedprobeError, SpoolError, store.StoreError, OSError) as error:
        return [*problems, str(error)]
    here = is_complete(folder.path, names)
    folder.add(fetched=here, not_fetched=problems)
    if here and not deployment.campaign.collect.keep_on_nodes:
        folder.add(not_deleted=delete_on_hosts(there, folder))
    return problems
