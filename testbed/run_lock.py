"""One run at a time on a testbed and in a run folder: a lock that tells who has it, and that ends with its holder.

The kernel keeps it (flock), so a holder that was killed, or a machine that lost power, leaves nothing to clean up;
what stands in the file only tells who and since when. Locks of inventories lie, by the inventory's name, below
`locks/` of $FEDPROBE_STATE, $XDG_STATE_HOME/fedprobe or ~/.local/state/fedprobe.
Source: flock(2); XDG Base Directory Specification 0.8.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from instrument.clock import sleep_s
from testbed.errors import UsageError
from testbed.inventory import Inventory

TRIES, TRY_AGAIN_S = 3, 0.05


class InUseError(UsageError):
    """Another run has the testbed, or the run folder."""


def lock_of_inventory(name: str, environment: Mapping[str, str]) -> Path:
    """The lock of an inventory on this controller."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    if named := environment.get("FEDPROBE_STATE"):
        return Path(named) / "locks" / safe
    state = environment.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "fedprobe" / "locks" / safe


@contextmanager
def alone_on(inventory: Inventory | None) -> Iterator[None]:
    """No other run of this user uses an inventory's hosts meanwhile; None: an emulated testbed is one run's alone.

    Raises InUseError.
    """
    if inventory is None:
        yield
        return
    with held(lock_of_inventory(inventory.name, os.environ), f"testbed {inventory.name}"):
        yield


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Have a lock for the length of a `with` block. Raises InUseError, which tells who has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _locked(descriptor):
            raise InUseError(refusal(what, _holder(descriptor)))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_myself()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Try a few times: `fedprobe watch` has a lock for a moment to see whether a run has it."""
    for _ in range(TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep_s(TRY_AGAIN_S)
        else:
            return True
    return False


def refusal(what: str, holder: Mapping[str, Any]) -> str:
    """Who has it, since when, and what to do. Pure."""
    if not holder:
        return f"{what} is in use by another run. Wait for it, or end it first."
    return (
        f"{what} is in use since {holder['since']} by process {holder['pid']} of {holder['user']} on "
        f"{holder['host']}: {holder['command']}. Wait for it, or end it first: kill {holder['pid']}"
    )


def _myself() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "command": shlex.join(sys.argv),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _holder(descriptor: int) -> dict[str, Any]:
    """Who wrote the file; empty where it is being written at this moment."""
    try:
        found = json.loads(os.pread(descriptor, 65_536, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.keys() >= _myself().keys() else {}
