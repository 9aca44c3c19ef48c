"""The faults of one trial: got ready, begun with the run, looked after while it runs, and undone on every way out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from instrument.clock import kernel_mono_ns, sleep_s
from instrument.clock_error import VARIABLE
from instrument.clock_step import FILE_BYTES
from instrument.records import Reply
from testbed.campaign import Campaign
from testbed.deployment import Deployment, Started, trial_folder
from testbed.errors import FedprobeError
from testbed.every_host import on_every_host
from testbed.faults import placing
from testbed.faults.excuses import Happened, consequence, may_end, told, unexcused
from testbed.faults.on_host import DONE, READY
from testbed.faults.orders import Ordered, Scene, clock_file, orders_of, small_disk, targets
from testbed.faults.scene import scene_of
from testbed.faults.tables import FaultStep
from testbed.inventory import Host, Inventory
from testbed.validity import Invalid, as_documents

_SAID_S = 1.0  # until what ended a process has said so
_SLACK_S = 120.0  # for the start and the end of a trial, beyond what its rounds may take


class Faults:
    """What the campaign asks to go wrong in one trial. With no steps nothing here does anything."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        campaign = deployment.campaign
        self.name = campaign.fault_name
        self._steps = campaign.fault_steps
        self._waiting = [step for step in self._steps if step.at_round is not None]
        self._running: list[placing.Running] = []
        self._disks: list[placing.Running] = []
        self._begun_ns = 0
        self._count = 0
        self._judged = 0  # error replies that were looked at
        self._scene: Scene | None = None
        rounds_s = campaign.limits.round_s * campaign.rounds
        self._limit_s = campaign.limits.start_s + rounds_s + _SLACK_S

    def prepare(self) -> None:
        """Before the first process: small disks, and files by which clocks are stepped. Raises FedprobeError."""
        if not self._deployment.campaign.fault:
            return
        deployment = self._deployment
        on_every_host(deployment.hosts, lambda host: placing.sweep(host, deployment.sessions[host.name])).required()
        if not self._steps:
            return
        self._scene = scene_of(deployment)
        for host in deployment.hosts:
            made = ["mkdir", "-p", "--", deployment.folder(host, "faults")]
            deployment.sessions[host.name].check(made, timeout_s=15)
        for step, host in self._targets("clock"):
            zeros = ["dd", "if=/dev/zero", f"of={clock_file(deployment.folder, host)}", f"bs={FILE_BYTES}", "count=1"]
            deployment.sessions[host.name].check(zeros, timeout_s=15)
            del step
        for step, host in self._targets("disk"):
            disk = self._start(small_disk(host, step, self._scene), since="run", elapsed_s=0.0, recorded=False)
            self._disks.append(disk)
            placing.wait_for(disk, "applied")

    def begin(self) -> None:
        """The run was submitted: start what counts from there. Raises FedprobeError."""
        self._begun_ns = kernel_mono_ns()
        for step in self._steps:
            if step.at_round is None:
                self._begin_step(step, since="run")

    def round_began(self, number: int) -> None:
        """A round's first message was seen: start what counts from there. Raises FedprobeError."""
        due = [step for step in self._waiting if step.at_round is not None and step.at_round <= number]
        for step in due:
            self._waiting.remove(step)
            self._begin_step(step, since=f"round {step.at_round}")

    def unexcused(self, errors: Sequence[Reply], in_round: Sequence[Reply]) -> list[Reply]:
        """The error replies that end this trial."""
        if len(errors) == self._judged:
            return []
        found = unexcused(errors, in_round, self.happened())
        self._judged = len(errors)
        return found

    def may_end(self, process: Started) -> bool:
        """Whether a process that has ended may have."""
        if not self._steps:
            return False
        if may_end(process.kind, process.host.name, self.happened()):
            return True
        sleep_s(_SAID_S)
        return may_end(process.kind, process.host.name, self.happened())

    def happened(self) -> list[Happened]:
        """The steps that were applied so far, one for each host and order, in the order of their starts."""
        found = []
        for running in self._running:
            ordered = running.ordered
            for line in _lines(running):
                phase, _, rest = line.partition(" ")
                if phase == "applied":
                    since_s, _, detail = rest.partition(" ")
                    since = "run" if ordered.step.at_round is None else f"round {ordered.step.at_round}"
                    touched = ordered.touches or [ordered.host.name]
                    found += [Happened(ordered.step, host, since, float(since_s), detail) for host in touched]
                    break
        return found

    def facts(self) -> dict[str, Any]:
        """What trial.json says of them: every step with what it came to. Nothing where there are none."""
        if not self._steps:
            return {}
        applied = [
            {
                "kind": running.ordered.step.kind,
                "does": running.ordered.does,
                "host": running.ordered.host.name,
                "said": [line for line in _lines(running) if line not in {READY, DONE}],
            }
            for running in self._running
        ]
        happened = self.happened()
        cause = Invalid(consequence(happened[0].step), told(happened, self.name)) if happened else None
        return {"faults_applied": applied, "fault_cause": as_documents([cause] if cause else [])}

    def end(self) -> list[str]:
        """Undo what is not undone, before the trial's processes end. Returns what went wrong."""
        for step in self._waiting if self._begun_ns else ():
            with suppress(FedprobeError, OSError):  # it is told to a host that may be gone, and nothing was done
                self._begin_step(step, since=f"round {step.at_round}", missed=f"round {step.at_round} never began")
        self._waiting = []
        return self._end(self._running)

    def end_disks(self) -> list[str]:
        """Take small disks away, after the trial's processes have ended; what they held stays."""
        return self._end(self._disks)

    def _targets(self, kind: str) -> list[tuple[FaultStep, Host]]:
        deployment = self._deployment
        return [
            (step, host)
            for step in self._steps
            if step.kind == kind
            for host in targets(step, deployment.inventory, deployment.nodes)
        ]

    def _begin_step(self, step: FaultStep, *, since: str, missed: str = "") -> None:
        assert self._scene is not None
        begun_ns = self._begun_ns if since == "run" else kernel_mono_ns()
        for ordered in orders_of(step, self._scene):
            elapsed_s = (kernel_mono_ns() - begun_ns) / 1e9
            self._running.append(self._start(ordered, since=since, elapsed_s=elapsed_s, missed=missed))

    def _start(
        self, ordered: Ordered, *, since: str, elapsed_s: float, recorded: bool = True, missed: str = ""
    ) -> placing.Running:
        deployment, host = self._deployment, ordered.host
        self._count += 1
        document = {
            "fault": self.name,
            "does": ordered.does,
            "target": ", ".join(ordered.touches or [host.name]),
            "action": ordered.action,
            "asked": dict(ordered.asked),
            "windows": [list(window) for window in ordered.windows],
            "delay_s": max(0.0, ordered.step.at_s - elapsed_s) if recorded else 0.0,
            "limit_s": self._limit_s,
            "since": since,
            "elapsed_s": elapsed_s,
            "missed": missed,
            "out": deployment.folder(host, "spool") if recorded else "",
        }
        return placing.start(
            ordered,
            document,
            name=f"fault-{self._count}-{ordered.step.kind}",
            inventory=deployment.inventory,
            shell=deployment.sessions[host.name],
            folder=deployment.folder(host),
            trial=deployment.trial if recorded else "",
        )

    def _end(self, orders: list[placing.Running]) -> list[str]:
        return [problem for running in reversed(orders) if (problem := placing.end(running))]


def _lines(running: placing.Running) -> list[str]:
    """What an order has said, as far as its host answers: what is judged by it is judged again later."""
    with suppress(FedprobeError):
        return running.lines()
    return []


def with_stepped_clocks(inventory: Inventory, campaign: Campaign, trial: str) -> Inventory:
    """The inventory with the hosts whose injected clock a fault steps set to read it. Pure."""
    nodes = inventory.nodes[: campaign.clients]
    steps = [step for step in campaign.fault_steps if step.kind == "clock"]
    stepped = {host.name for step in steps for host in targets(step, inventory, nodes)}
    if not stepped:
        return inventory
    hosts = [_stepping(host, trial) if host.name in stepped else host for host in inventory.hosts]
    return inventory.model_copy(update={"hosts": tuple(hosts)})


def _stepping(host: Host, trial: str) -> Host:
    file = clock_file(partial(trial_folder_of, trial), host)
    asked = ",".join(filter(None, (host.environment.get(VARIABLE), f"step_file={file}")))
    return host.model_copy(update={"environment": {**host.environment, VARIABLE: asked}})


def trial_folder_of(trial: str, host: Host, *parts: str) -> str:
    """`trial_folder`, with the trial first."""
    return trial_folder(host, trial, *parts)
