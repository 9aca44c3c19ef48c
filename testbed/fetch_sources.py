"""Where a trial's files are: on its hosts, by kind, and in its folder here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.deployment import Deployment
from testbed.errors import RemoteError, RemoteTimeoutError, UnreachableError
from testbed.held import HeldFile, held_file, held_there
from testbed.inventory import Host
from testbed.login import login_to
from testbed.run_folder import TrialFolder
from testbed.shell import Shell
from testbed.ssh import connect

KINDS = ("spool", "logs", "pcap")
AWAY = (UnreachableError, RemoteTimeoutError)
"""How it is told that a host cannot be reached now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a host keeps a trial's files, by kind, and two ways to it: `shell`, and another login by `connect`."""

    name: str
    folders: Mapping[str, str]
    shell: Shell
    connect: Callable[[], Shell]


def sources_of(deployment: Deployment) -> list[Source]:
    """The hosts of a trial."""

    def source(host: Host) -> Source:
        return Source(
            name=host.name,
            folders={kind: deployment.folder(host, kind) for kind in KINDS},
            shell=deployment.sessions[host.name],
            connect=lambda: connect(login_to(deployment.inventory, host)),
        )

    return [source(host) for host in deployment.hosts]


def held_at(shell: Shell, remote: str, *, may_be_gone: bool) -> Mapping[str, HeldFile]:
    """What a folder of a host holds; nothing where it may be gone and is. Raises RemoteError."""
    try:
        return held_there(shell, remote)
    except AWAY:
        raise
    except RemoteError:
        if may_be_gone:
            return {}
        raise


def local_folder(folder: TrialFolder, kind: str, host: str) -> Path:
    """Where files of one kind of a host are in a trial's folder."""
    return folder.path / kind / host


def is_here(local: Path, file: HeldFile) -> bool:
    """Whether a folder of this machine has a file with this content. Raises OSError."""
    path = local / file.name
    return path.is_file() and path.stat().st_size == file.size_bytes and held_file(path) == file
