"""Brings a trial's files from the hosts over the management network, verified by count and digest.

Done again at any time, by this process or another, it goes on where it was cut off: what is here with the host's own
digest is not copied again, a file that was cut off is continued, and what it did is in `fetched.json`.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from instrument.clock import SystemClock
from instrument.folders import made_folder, sync_folders
from testbed.deployment import Deployment
from testbed.errors import FedprobeError, RemoteError
from testbed.every_host import on_every_host
from testbed.fetch_sources import AWAY, KINDS, Source, held_at, is_here, local_folder, sources_of
from testbed.fetched import FetchedFile, FetchedHost, read_fetched, spool_file, summary, write_fetched
from testbed.held import HeldFile, held_file
from testbed.run_folder import DiskFullError, TrialFolder
from testbed.shell import Shell

RETRY_S = 5.0
SPARE_BYTES = 20_000_000  # left free for what a trial itself still writes
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


def fetch(deployment: Deployment, folder: TrialFolder, *, limit_s: float = 0.0) -> list[str]:
    """Copy spools, logs and captures of every host below the trial's folder, verified and on this machine's disk.

    A host that is away is logged in to again, and again for `limit_s` seconds. Returns what went wrong, by host; what
    is not here then is still on its host. `fetched.is_complete` tells whether all is here.
    """
    return fetch_from(sources_of(deployment), folder, limit_s=limit_s)


def fetch_from(sources: Sequence[Source], folder: TrialFolder, *, limit_s: float = 0.0) -> list[str]:
    """As `fetch`, from these hosts. The folder's trial.json tells of it under `files`."""
    before = read_fetched(folder.path)
    ending = _Ending(limit_s)
    try:
        outcomes = on_every_host(sources, lambda one: _Fetching(one, folder, before.get(one.name), ending).all())
    finally:
        ending.now()
    problems = [problem for found in outcomes.results.values() for problem in found.problems]
    problems += [f"{name}: {error}" for name, error in outcomes.errors.items()]
    hosts = {**before, **{name: found.host for name, found in outcomes.results.items()}}
    try:
        write_fetched(folder.path, hosts)
        folder.add(files=summary(hosts))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        ending.disk_full = True
    if ending.disk_full:
        late = [source.name for source in sources if source.name not in hosts or not hosts[source.name].complete]
        problems.append(
            f"{folder.path}: the disk is full. The rest of the files of {', '.join(late) or 'no host'} is still "
            "there, and nothing was deleted. Make room and fetch again: it goes on where it stopped."
        )
    return problems


class _Ending:
    """When to try no more: after the limit, when the caller goes away, or when this machine's disk is full."""

    def __init__(self, limit_s: float) -> None:
        self._clock = SystemClock()
        self._deadline_ns = self._clock.mono_ns() + int(limit_s * 1e9)
        self._now = threading.Event()
        self.disk_full = False

    def now(self) -> None:
        """Ask all who fetch to stop."""
        self._now.set()

    def check(self) -> None:
        """Raises _StoppedError where it was asked for."""
        if self._now.is_set():
            raise _StoppedError

    def another_try(self) -> bool:
        """Wait a little; whether there is time for another try."""
        left_s = (self._deadline_ns - self._clock.mono_ns()) / 1e9
        return left_s > 0 and not self._now.wait(min(RETRY_S, left_s))


class _StoppedError(FedprobeError):
    """Nothing is wrong with the host: fetching was asked to stop."""


@dataclass(frozen=True, slots=True)
class _Found:
    host: FetchedHost
    problems: list[str]


@dataclass(slots=True)
class _Fetching:
    """The fetching from one host; `before` is what an earlier one brought."""

    source: Source
    folder: TrialFolder
    before: FetchedHost | None
    ending: _Ending
    files: list[FetchedFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    complete: bool = True

    def all(self) -> _Found:
        """Its files of every kind."""
        try:
            for kind in KINDS:
                self._tried(kind)
        except AWAY as error:  # the same is true of all else on this host
            self.problems.append(str(error))
            self.complete = False
        except DiskFullError:  # told once, for all hosts
            self.complete = False
            self.ending.disk_full = True
            self.ending.now()
        except _StoppedError:
            self.complete = False
        if not self.complete and self.before is not None and self.before.complete and self._as_before():
            return _Found(self.before, [])
        on_host = self.before.on_host if self.before is not None else "kept"
        return _Found(FetchedHost(files=self.files, complete=self.complete, on_host=on_host), self.problems)

    def _tried(self, kind: str) -> None:
        try:
            self._connected(partial(self._kind, kind=kind))
        except (*AWAY, DiskFullError, _StoppedError):
            raise
        except (FedprobeError, OSError) as error:
            self.problems.append(f"{self.source.name}: {kind}: {error}")
            self.complete = False

    def _connected(self, action: Callable[[Shell], None]) -> None:
        """Do it over the session there is, and where that is lost over another one, until there is no time left."""
        with suppress(*AWAY):
            return action(self.source.shell)
        while True:
            try:
                with self.source.connect() as shell:
                    return action(shell)
            except AWAY:
                if not self.ending.another_try():
                    raise

    def _kind(self, shell: Shell, kind: str) -> None:
        local = local_folder(self.folder, kind, self.source.name)
        unsynced = made_folder(local)
        gone = self._deleted(kind)
        there = held_at(shell, self.source.folders[kind], may_be_gone=kind == "pcap" or bool(gone))
        missing = [file for file in there.values() if not is_here(local, file)]
        self._require_room(sum(file.size_bytes for file in missing))
        for file in missing:
            self.ending.check()
            self._copy(shell, kind, file, local / file.name)
        for name in there:
            _sync_file(local / name)
        sync_folders(unsynced)
        self.files += [self._checked(kind, file, local) for file in there.values()]
        self.files += [self._checked(kind, file, local) for name, file in gone.items() if name not in there]

    def _copy(self, shell: Shell, kind: str, file: HeldFile, path: Path) -> None:
        try:
            shell.get(f"{self.source.folders[kind]}/{file.name}", path)
        except RemoteError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
                raise DiskFullError(str(error)) from error
            raise
        if held_file(path) != file:
            raise RemoteError(
                f"{file.name} changed while it was fetched: a process of the trial still writes to it. End it there "
                "and fetch again."
            )

    def _require_room(self, needed_bytes: int) -> None:
        if needed_bytes and shutil.disk_usage(self.folder.path).free < needed_bytes + SPARE_BYTES:
            raise DiskFullError(f"{needed_bytes} bytes are to come")

    def _deleted(self, kind: str) -> dict[str, HeldFile]:
        """Files that may have been deleted on the host after they had arrived."""
        if self.before is None or self.before.on_host == "kept":
            return {}
        return {file.name: file.held for file in self.before.of(kind)}

    def _as_before(self) -> bool:
        """Whether all that was brought earlier is here still."""
        assert self.before is not None
        return all(
            is_here(local_folder(self.folder, file.kind, self.source.name), file.held) for file in self.before.files
        )

    def _checked(self, kind: str, file: HeldFile, local: Path) -> FetchedFile:
        path = local / file.name
        if not is_here(local, file):
            self.problems.append(
                f"{path}: was fetched whole and deleted on {self.source.name}, and has changed since"
            )
        elif kind == "spool":
            checked, problem = spool_file(file, path)
            self.problems += [problem] if problem else []
            return checked
        return FetchedFile(kind=kind, name=file.name, size_bytes=file.size_bytes, sha256=file.sha256)


def _sync_file(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
