"""Asks every host for its facts, all at once, while the server listens where a SuperLink would."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydantic import ValidationError

from instrument.clock import SystemClock, sleep_s
from testbed.deployment import CLOCK_PORT, SUPERLINK_PORT
from testbed.errors import FedprobeError, RemoteError
from testbed.every_host import on_every_host
from testbed.inventory import Host, Inventory
from testbed.inventory_words import MANAGEMENT
from testbed.login import login_to
from testbed.preflight.facts import HostFacts, Looked
from testbed.shell import Shell
from testbed.ssh import connect

FACTS_S = 45.0
READY_S = 20.0
POLL_S = 0.1
GRACE_S = 2.0


def looked_at(inventory: Inventory) -> list[Looked]:
    """Every host with its facts, or with the reason why there are none; in the order of the inventory."""
    server = inventory.server
    try:
        with connect(login_to(inventory, server)) as shell, _counterpart(shell, server):
            return _all(inventory, listening=True)
    except FedprobeError as error:
        problem = Looked(host=server.name, problem=_fact(error, server), next_step=_next_step(error))
    others = [one for one in _all(inventory, listening=False) if one.host != server.name]
    return [problem, *others]


def _all(inventory: Inventory, *, listening: bool) -> list[Looked]:
    found = on_every_host(inventory.hosts, lambda host: _one(inventory, host, listening=listening))
    return [found.required()[host.name] for host in inventory.hosts]


def _one(inventory: Inventory, host: Host, *, listening: bool) -> Looked:
    try:
        with connect(login_to(inventory, host)) as shell:
            command = _command(inventory, host, listening=listening)
            done = shell.run(command, timeout_s=FACTS_S, env=host.environment)
    except FedprobeError as error:
        return Looked(host=host.name, problem=_fact(error, host), next_step=_next_step(error))
    if done.status:
        said = done.complaint.splitlines()[-1]
        return Looked(
            host=host.name,
            problem=f"fedprobe does not run with {host.python}: {said}",
            next_step="Install fedprobe[node] there, or correct `python` in the inventory.",
        )
    try:
        return Looked(host=host.name, facts=HostFacts.model_validate_json(done.stdout))
    except ValidationError:
        return Looked(
            host=host.name,
            problem="its facts are those of another version of fedprobe",
            next_step="Install the controller's version of fedprobe there.",
        )


def _command(inventory: Inventory, host: Host, *, listening: bool) -> list[str]:
    command = [host.python, "-m", "collectors.facts", "--folder", host.work_folder]
    for interface in host.interfaces.values():
        command += ["--device", interface.device]
    if listening and host.role == "node":
        for network in host.interfaces:
            if network in inventory.networks_by_route:
                continue  # a trial makes that route, and until then the address leads by another network
            command += ["--dial", f"{network}={inventory.server_addresses[network]}:{SUPERLINK_PORT}"]
        if not inventory.server.shared_networks:
            command += ["--dial", f"{MANAGEMENT}={inventory.server.management.address}:{SUPERLINK_PORT}"]
        command += ["--clock", f"{inventory.server.management.address}:{CLOCK_PORT}"]
    return command


@contextmanager
def _counterpart(shell: Shell, server: Host) -> Iterator[None]:
    """The server's half, from ready to ended. Raises RemoteError where it does not start."""
    folder = posixpath.join(server.work_folder, "preflight")
    log = posixpath.join(folder, "counterpart.log")
    shell.check(["mkdir", "-p", folder], timeout_s=READY_S)
    address = f"{server.management.address}:{CLOCK_PORT}"
    command = [server.python, "-m", "collectors.counterpart", "--port", str(SUPERLINK_PORT), "--clock", address]
    pid = shell.start(command, stdout=log, stderr=log, env=server.environment)
    try:
        _wait_ready(shell, pid, log)
        yield
    finally:
        shell.stop_group(pid, grace_s=GRACE_S)


def _wait_ready(shell: Shell, pid: int, log: str) -> None:
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + round(READY_S * 1e9)
    while "ready" not in (said := shell.read_text(log)).split("\n"):
        if clock.mono_ns() > deadline_ns or not shell.alive(pid):
            last = (said.strip().splitlines() or ["no message"])[-1]
            raise RemoteError(
                f"{shell.name}: cannot stand in for a SuperLink: {last}. "
                "End what holds the port, or install fedprobe[node] there."
            )
        sleep_s(POLL_S)


def _fact(error: FedprobeError, host: Host) -> str:
    """An error's first sentence, without the host's name, which has a column of its own."""
    return _sentences(error)[0].removeprefix(f"{host.name}: ")


def _next_step(error: FedprobeError) -> str:
    return " ".join(_sentences(error)[1:]) or "Correct that, and look again."


def _sentences(error: FedprobeError) -> Sequence[str]:
    first, dot, rest = str(error).partition(". ")
    return [first, rest] if dot else [first]
