"""Brings a trial's files from the hosts over the management network and checks that they arrived whole."""

from __future__ import annotations

from pathlib import Path

from instrument.spool import SchemaError, SpoolError, read_segment
from testbed.deployment import Deployment
from testbed.errors import FedprobeError, RemoteError, UnreachableError
from testbed.every_host import on_every_host
from testbed.inventory import Host
from testbed.run_folder import TrialFolder

KINDS = ("spool", "logs", "pcap")


def fetch(deployment: Deployment, folder: TrialFolder) -> list[str]:
    """Copy spools, logs and captures of every host below the trial's folder. Returns what went wrong, by host."""
    found = on_every_host(deployment.hosts, lambda host: _fetch_host(deployment, folder, host))
    problems = [problem for problems in found.results.values() for problem in problems]
    return problems + [f"{name}: {error}" for name, error in found.errors.items()]


def _fetch_host(deployment: Deployment, folder: TrialFolder, host: Host) -> list[str]:
    problems: list[str] = []
    for kind in KINDS:
        try:
            _fetch_folder(deployment, host, kind, folder.path / kind / host.name)
        except UnreachableError as error:  # the same is true of all else on this host
            problems.append(str(error))
            break
        except (FedprobeError, OSError) as error:
            problems.append(f"{host.name}: {kind}: {error}")
    problems += [problem for file in sorted((folder.spool / host.name).glob("*.jsonl")) for problem in damaged(file)]
    return problems


def _fetch_folder(deployment: Deployment, host: Host, kind: str, local: Path) -> None:
    shell, remote = deployment.sessions[host.name], deployment.folder(host, kind)
    local.mkdir(parents=True, exist_ok=True)
    try:
        entries = shell.listdir(remote)
    except RemoteError:
        if kind == "pcap":
            return  # captures are made only where the campaign asks for them
        raise
    for entry in entries:
        if not entry.is_folder:
            shell.get(f"{remote}/{entry.name}", local / entry.name)


def damaged(file: Path) -> list[str]:
    """What is wrong with a fetched spool file: its trailer's count and digest against what is there.

    One of another fedprobe's schema has arrived whole: the report goes on without it and says so.
    """
    try:
        read_segment(file)
    except SchemaError:
        return []
    except SpoolError as error:
        return [str(error)]
    return []
