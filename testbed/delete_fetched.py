"""Deletes on the hosts what has been fetched: only where the campaign asks, and only what is safe here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from testbed.deployment import Deployment
from testbed.every_host import on_every_host
from testbed.fetch_sources import Source, held_at, is_here, local_folder, sources_of
from testbed.fetched import FetchedHost, read_fetched, summary, write_fetched
from testbed.host_shell import COMMAND_S
from testbed.run_folder import TrialFolder

_REMOVED_AT_ONCE = 200  # names of a command line


def delete_on_hosts(deployment: Deployment, folder: TrialFolder) -> list[str]:
    """Delete on every host what `fetch` has brought here. Returns what could not be, by host."""
    return delete_on(sources_of(deployment), folder)


def delete_on(sources: Sequence[Source], folder: TrialFolder) -> list[str]:
    """As `delete_on_hosts`, on these hosts.

    Deleted is what has the same length and digest there, here and in fetched.json, of hosts whose files are all here.
    That it is begun is on the disk before, that it is done afterwards, and in trial.json under `files`.
    """
    hosts = read_fetched(folder.path)
    chosen = [one for one in sources if one.name in hosts and hosts[one.name].complete]
    if not chosen:
        return []
    hosts |= {one.name: replace(hosts[one.name], on_host="deleting") for one in chosen}
    try:
        write_fetched(folder.path, hosts)
    except OSError as error:
        return [f"{folder.path}: nothing was deleted on the hosts, for it cannot be noted here: {error.strerror}"]
    outcomes = on_every_host(chosen, lambda one: _delete(one, folder, hosts[one.name]))
    for name, left in outcomes.results.items():
        hosts[name] = replace(hosts[name], on_host="deleting" if left else "deleted")
    write_fetched(folder.path, hosts)
    folder.add(files=summary(hosts))
    problems = [problem for left in outcomes.results.values() for problem in left]
    return problems + [f"{name}: {error}" for name, error in outcomes.errors.items()]


def _delete(source: Source, folder: TrialFolder, host: FetchedHost) -> list[str]:
    """Returns what is left there, and why."""
    left = []
    for kind, remote in source.folders.items():
        there = held_at(source.shell, remote, may_be_gone=True)
        fetched = [file for file in host.of(kind) if file.name in there]
        local = local_folder(folder, kind, source.name)
        safe = [file.name for file in fetched if file.held == there[file.name] and is_here(local, file.held)]
        left += [
            f"{source.name}: {kind}/{file.name} is not as it was fetched, and is kept there"
            for file in fetched
            if file.name not in safe
        ]
        for first in range(0, len(safe), _REMOVED_AT_ONCE):
            names = safe[first : first + _REMOVED_AT_ONCE]
            source.shell.check(["rm", "-f", "--", *names], timeout_s=COMMAND_S, cwd=remote)
    return left
