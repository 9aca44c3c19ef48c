"""What a run that was killed left behind, taken down before it is resumed; what it had measured is kept.

An emulated testbed: its processes are ended in order, so that they complete their records, then all of it is
removed and its hosts' files go to the run folder (`unfetched`). Hosts of an inventory: the processes that carry a
trial's mark are ended, and routes and keys of that trial taken back.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from instrument.clock import SystemClock, sleep_s
from testbed import pinning, unfetched
from testbed.deployment import COLLECTORS_MARK, TRIAL_MARK, Deployment
from testbed.emulation import lifecycle, processes
from testbed.errors import FedprobeError
from testbed.inventory import Inventory
from testbed.local_shell import local_shell
from testbed.run_folder import RunFolder
from testbed.shell import Shell
from testbed.standing import TESTBEDS

GRACE_S = 8.0
POLL_S = 0.05


def take_down_emulated(run: RunFolder) -> list[str]:
    """Remove the testbeds that the run left on this machine; returns their ids."""
    left = lifecycle.left_by(run.path)
    for testbed_id in left:
        for mark in (TRIAL_MARK, COLLECTORS_MARK):
            _end_in_order(testbed_id, mark)
        lifecycle.down(testbed_id)
    return left


def _end_in_order(testbed_id: str, mark: str) -> None:
    """Ask the marked processes of a testbed to end, and wait for them, for a while."""
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + int(GRACE_S * 1e9)
    asked: set[int] = set()
    while (found := _marked(testbed_id, mark)) and clock.mono_ns() < deadline_ns:
        for pid in found - asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        asked |= found
        sleep_s(POLL_S)


def _marked(testbed_id: str, mark: str) -> set[int]:
    return {pid for pid in processes.of_testbed(testbed_id) if _has(pid, f"{mark}=".encode())}


def _has(pid: int, mark: bytes) -> bool:
    with suppress(OSError):
        return any(pair.startswith(mark) for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    return False


def take_down_on_hosts(deployment: Deployment) -> list[str]:
    """End what is left of a trial on the hosts of an inventory; returns what could not be."""
    deployment.stop_unattended()
    problems = list(deployment.not_ended)
    for node in deployment.nodes:
        if deployment.network(node) in deployment.inventory.networks_by_route:
            try:
                pinning.release(deployment.sessions[node.name])
            except FedprobeError as error:
                problems.append(f"{node.name}: {error}")
    return problems


def stood(run: RunFolder, testbed_id: str) -> tuple[Inventory, Mapping[str, Shell]]:
    """A testbed that is no more, as those see it who fetch: its hosts' files as they lie in the run folder."""
    document: dict[str, Any] = run.read(f"{TESTBEDS}/{testbed_id}.json")
    for host in document["hosts"]:
        host["work_folder"] = str(run.path / unfetched.FOLDER / host["name"])
    inventory = Inventory.model_validate(document)
    return inventory, {host.name: local_shell(host.name) for host in inventory.hosts}
