"""What becomes of a trial when its processes have ended: its files are fetched, verified, stored, and it is judged.

All that this needs of the measuring stands in trial.json when it begins, so that another process can do it, or
finish it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from analysis import load, store
from instrument.spool import SpoolError
from testbed import checks, paths
from testbed.conducting import costs
from testbed.deadline import DeadlineError, deadline
from testbed.deployment import Deployment
from testbed.fetch import fetch
from testbed.path_watch import PathWatch
from testbed.run_folder import TrialFolder, sync_below
from testbed.setting import Setting
from testbed.states import State, limit_s
from testbed.trial_document import conditions
from testbed.validity import Invalid, Reason, as_documents, from_documents, text_of

UNFIT: frozenset[Reason] = frozenset(
    {"another interface", "clock error", "throttled", "capture dropped", "other load"}
)
"""Against a trial that ran whole: measured, but not under the conditions that it was to be measured under."""


def keep(setting: Setting, deployment: Deployment, folder: TrialFolder) -> None:
    """Fetch, verify, store and judge; a trial without a reason against it is ok.

    `reasons` in trial.json has what speaks against it so far, `looks` the two looks at each node.
    """
    against = from_documents(folder.facts.get("reasons", []))
    setting.progress.doing(f"{deployment.trial}: fetching and checking records")
    if not folder.facts.get("fetched"):
        folder.enter("fetching")
        problems = _fetch(deployment, folder)
        sync_below(folder.path)
        folder.add(fetched=not problems, not_fetched=[one.detail for one in problems])
        against = against or problems  # where it was not measured to its end, files that were never made are missing
    folder.enter("verifying", reasons=as_documents(against))
    records, facts = None, _facts_without_records(deployment, folder)
    try:
        with deadline(_limit_s(deployment, "verifying"), "checking the records"):
            records = load.load_spools(folder.spool)
            facts, wrong_way = _judged(setting, deployment, folder, records)
            against += wrong_way
    except (SpoolError, OSError, DeadlineError) as error:
        against = against or [Invalid("records missing", str(error))]
    folder.enter("storing")
    try:
        with deadline(_limit_s(deployment, "storing"), "storing the records"):
            if records is not None:
                store.write(records, folder.records)
                sync_below(folder.records)
    except (store.StoreError, OSError, DeadlineError) as error:
        against.append(Invalid("not stored", str(error)))
    folder.forget("looks")  # `paths` has what they told
    entered = {**folder.facts["entered"], "done": datetime.now(tz=UTC).isoformat(timespec="milliseconds")}
    folder.enter(
        "done",
        outcome="invalid" if against else "ok",
        reason=text_of(against),
        reasons=as_documents(against),
        ran_whole=all(one.reason in UNFIT for one in against),
        astray=any(one.reason == "another interface" for one in against),
        **({} if folder.facts.get("resumed") else costs(entered, records)),
        **facts,
    )


def _fetch(deployment: Deployment, folder: TrialFolder) -> list[Invalid]:
    try:
        with deadline(_limit_s(deployment, "fetching"), "fetching the records"):
            problems = fetch(deployment, folder)
    except DeadlineError as error:
        problems = [f"{error} (limits.fetch_s of the campaign file)"]
    return [Invalid("records missing", problem) for problem in problems]


def _facts_without_records(deployment: Deployment, folder: TrialFolder) -> dict[str, Any]:
    return {"checks": [], "paths": paths.as_documents(_watch(deployment, folder).paths({}))}


def _judged(
    setting: Setting, deployment: Deployment, folder: TrialFolder, records: load.Records
) -> tuple[dict[str, Any], list[Invalid]]:
    """Facts of a trial that its records tell, and what they say against it."""
    ways = _watch(deployment, folder).paths(checks.peers(records))
    payloads = {way.node: checks.payload_of(records, way.node) for way in ways}
    wrong_way = paths.reason(ways, payloads)
    found = checks.all_checks(
        records, _devices(deployment), _dialled(deployment), security=setting.inventory.security
    )
    facts = {
        "settings": {**folder.facts["settings"], **conditions(setting, deployment.campaign, records)},
        "checks": checks.as_documents([*found, *checks.path_checks(ways, payloads)]),
        "paths": paths.as_documents(ways),
    }
    return facts, [Invalid("another interface", wrong_way)] if wrong_way else []


def _watch(deployment: Deployment, folder: TrialFolder) -> PathWatch:
    return PathWatch.of_document(deployment, folder.facts.get("looks", {}))


def _limit_s(deployment: Deployment, state: State) -> float:
    campaign = deployment.campaign
    return limit_s(state, campaign.limits, rounds=campaign.rounds, hosts=len(deployment.hosts))


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
