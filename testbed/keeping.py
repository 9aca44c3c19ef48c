"""What becomes of a trial when its processes have ended: its files are fetched, verified, stored, and it is judged.

All that this needs of the measuring stands in trial.json when it begins, so that another process can do it, or
finish it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from analysis import load, store
from instrument.spool import SpoolError
from testbed import checks, paths, verify
from testbed.conducting import costs
from testbed.deadline import DeadlineError, deadline
from testbed.delete_fetched import delete_on_hosts
from testbed.deployment import Deployment
from testbed.faults.excuses import explained
from testbed.fetch import fetch
from testbed.fetched import is_complete
from testbed.machine_watch import machine_samples
from testbed.path_watch import PathWatch
from testbed.run_folder import TrialFolder, sync_below
from testbed.setting import Setting
from testbed.states import State, limit_s
from testbed.trial_document import conditions
from testbed.validity import Invalid, as_documents, from_documents, text_of
from testbed.verify import Judged


def keep(setting: Setting, deployment: Deployment, folder: TrialFolder) -> None:
    """Fetch, verify, store and judge; a trial without a reason against it is ok.

    `reasons` in trial.json has what speaks against it so far, `looks` the two looks at each node. A trial that was
    measured to its end and whose files are not all here stays in the state of fetching, and can be kept later.
    """
    against = from_documents(folder.facts.get("reasons", []))
    setting.progress.doing(f"{deployment.trial}: fetching and checking records")
    if not folder.facts.get("fetched"):
        folder.enter("fetching")
        setting.progress.entered("fetching", _limit_s(deployment, "fetching"))
        problems = _fetch(deployment, folder)
        sync_below(folder.path)
        here = is_complete(folder.path, [host.name for host in deployment.hosts])
        folder.add(fetched=here, not_fetched=[one.detail for one in problems])
        if not here and not against:
            folder.add(reason=f"its records are not all fetched: {text_of(problems)}")
            return
        against = against or problems  # where it was not measured to its end, files that were never made are missing
    folder.enter("verifying", reasons=as_documents(against))
    setting.progress.entered("verifying", _limit_s(deployment, "verifying"))
    failed = list(against)
    records, facts = None, _facts_without_records(deployment, folder)
    try:
        with deadline(_limit_s(deployment, "verifying"), "checking the records"):
            records = load.load_spools(folder.spool)
            facts, found = _judged(setting, deployment, folder, records)
            against += found
    except (SpoolError, OSError, DeadlineError) as error:
        failed = failed or [Invalid("records missing", str(error))]
        against = against or failed
    folder.enter("storing")
    setting.progress.entered("storing", _limit_s(deployment, "storing"))
    try:
        with deadline(_limit_s(deployment, "storing"), "storing the records"):
            if records is not None:
                store.write(records, folder.records)
                sync_below(folder.records)
                if not deployment.campaign.collect.keep_on_nodes:
                    folder.add(not_deleted=delete_on_hosts(deployment, folder))
    except (store.StoreError, OSError, DeadlineError) as error:
        failed.append(Invalid("not stored", str(error)))
        against.append(failed[-1])
    told = explained(against, from_documents(folder.facts.get("fault_cause", [])))
    by_fault = told != against and all(one.reason != "interrupted" for one in against)
    against = told
    folder.forget("looks")  # `paths` has what they told
    entered = {**folder.facts["entered"], "done": datetime.now(tz=UTC).isoformat(timespec="milliseconds")}
    folder.enter(
        "done",
        outcome="invalid" if against else "ok",
        reason=text_of(against),
        reasons=as_documents(against),
        ran_whole=not failed,
        ended_by_fault=by_fault,
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
    """Facts of a trial that its records tell, and what they say against it.

    Where it was not measured to its end, records that were never made are missing.
    """
    ways = _watch(deployment, folder).paths(checks.peers(records))
    payloads = {way.node: checks.payload_of(records, way.node) for way in ways}
    judged = Judged(
        records=records,
        server=deployment.inventory.server.name,
        nodes=[node.name for node in deployment.nodes],
        ways=ways,
        payloads=payloads,
        limits=deployment.campaign.validity,
        machine=machine_samples(folder.path),
    )
    against = verify.conditions(judged)
    if not folder.facts["reasons"]:
        against += verify.wholeness(judged)
    found = checks.all_checks(
        records, _devices(deployment), _dialled(deployment), security=setting.inventory.security
    )
    facts = {
        "settings": {**folder.facts["settings"], **conditions(setting, deployment.campaign, records)},
        "checks": checks.as_documents([*found, *checks.path_checks(ways, payloads)]),
        "paths": paths.as_documents(ways),
    }
    return facts, against


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
