"""Faults held against the testbed before anything is started: what it cannot give is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from testbed.campaign import Campaign, CampaignError
from testbed.emulation import namespaces, programs, rootless
from testbed.errors import EmulationError, FedprobeError, MissingCapabilityError
from testbed.every_host import on_every_host
from testbed.faults.arrivals import TraceError, arrivals
from testbed.faults.orders import targets
from testbed.faults.scene import moves_of
from testbed.faults.tables import LINK_KINDS, FaultStep
from testbed.inventory import Host, Inventory
from testbed.shell import Shell
from testbed.validation import nearest

_NEED_ROOT = (*LINK_KINDS, "disk", "throttle")
_MATCH = ("-m", "statistic", "--mode", "random", "--probability", "0.5", "-j", "DROP")


def ready(campaign: Campaign, campaign_file: Path, inventory: Inventory | None) -> Campaign:
    """The campaign with the paths of its faults' files made absolute. Raises CampaignError.

    `inventory` is None for a testbed that is yet to be emulated.
    """
    faults = {}
    for name, steps in campaign.fault.items():
        faults[name] = tuple(_absolute(step, campaign_file) for step in steps)
        for step in faults[name]:
            for reason in refusals(step, campaign, inventory):
                raise CampaignError(f"{campaign_file}: fault.{name}: {reason}")
    return campaign.model_copy(update={"fault": faults}) if faults else campaign


def refusals(step: FaultStep, campaign: Campaign, inventory: Inventory | None) -> Iterator[str]:
    """Why a step cannot be, each reason with the next step; none: it can. Reads the step's own files."""
    nodes = _node_names(step, campaign, inventory)
    if isinstance(nodes, str):
        yield nodes
        return
    if step.at_round is not None and step.at_round > campaign.rounds:
        yield f"at_round = {step.at_round}, and the campaign has {campaign.rounds} rounds. Name one of them."
    emulated = campaign.testbed.kind == "emulated" or (inventory is not None and inventory.emulator is not None)
    yield from _of_emulated(step, campaign, inventory) if emulated else _of_real(step, campaign, inventory)
    yield from _of_files(step, nodes)


def _node_names(step: FaultStep, campaign: Campaign, inventory: Inventory | None) -> list[str] | str:
    """The nodes of a step, none where it is the server; text: there is no such target."""
    if inventory is not None:
        try:
            found = targets(step, inventory, inventory.nodes[: campaign.clients])
        except ValueError as error:
            return str(error)
        return [host.name for host in found if host.role == "node"]
    nodes = [f"pi{number}" for number in range(1, campaign.clients + 1)]
    if step.target in {"all", "server"}:
        return nodes if step.target == "all" else []
    if step.target not in nodes:
        return f"target = {step.target!r} takes no part. {nearest(step.target, [*nodes, 'server', 'all'])}"
    return [step.target]


def _of_emulated(step: FaultStep, campaign: Campaign, inventory: Inventory | None) -> Iterator[str]:
    emulator = inventory.emulator if inventory else None
    if step.kind == "disk" and (emulator.rootless if emulator else rootless.is_rootless()):
        yield "a host of an emulated testbed without root cannot mount a disk. Run it as root, or leave it out."
    if step.kind == "degrade":
        if step.rate_ratio is None:
            yield "an emulated link is slowed down by a part of its rates. Write rate_ratio = 0.1 or the like."
        networks = emulator.networks if emulator else {}
        followed = {*campaign.testbed.trace, *(name for name, one in networks.items() if one.trace is not None)}
        if both := sorted(followed & set(campaign.factors.interface)):
            yield f"{both[0]} follows a trace, whose next step would undo it. Leave the trace or the fault out."
    if step.kind == "throttle":
        limited = campaign.testbed.pi_cpu is not None if inventory is None else bool(emulator and emulator.pi_cpu)
        if not limited:
            yield "an emulated host has a speed to lower only where it has a limit. Write testbed.pi_cpu = 0.5 or so."
        if step.target == "server":
            yield "the emulated server has no processor limit to lower. Name a node."


def _of_real(step: FaultStep, campaign: Campaign, inventory: Inventory | None) -> Iterator[str]:
    if step.kind == "degrade" and step.rate_bit_per_s is None:
        yield "what a real link carries is not known. Write rate_bit_per_s, to which its uplink is slowed down."
    if inventory is None:
        return
    hosts = targets(step, inventory, inventory.nodes[: campaign.clients])
    if step.kind in LINK_KINDS or step.process == "node":
        nodes = hosts if step.target != "server" else inventory.nodes[: campaign.clients]
        for host in [*nodes, inventory.server]:
            for network in (one for one in campaign.factors.interface if one in host.shared_networks):
                yield f"{host.name} is managed over {network} too, so that nobody could see to its end. Leave it out."
    if step.kind in {"clock", "disk"}:
        for host in (one for one in hosts if not one.work_folder.startswith("/")):
            yield f"{host.name} needs a work_folder that is an absolute path. Correct the inventory."


def _of_files(step: FaultStep, nodes: Sequence[str]) -> Iterator[str]:
    try:
        if step.kind == "background" and step.trace:
            arrivals(Path(step.trace).read_text(encoding="ascii").splitlines(), step.trace)
        if step.kind == "churn" and step.trace:
            moves_of(step, nodes, "")
    except OSError as error:
        yield f"trace = {step.trace!r}: {error.strerror}. Name a readable file."
    except (TraceError, UnicodeDecodeError) as error:
        yield str(error)


def _absolute(step: FaultStep, campaign_file: Path) -> FaultStep:
    if step.trace is None:
        return step
    return step.model_copy(update={"trace": str(campaign_file.resolve().parent / Path(step.trace).expanduser())})


def require_machine(campaign: Campaign) -> None:
    """Raises MissingCapabilityError where this machine cannot do to emulated links what is asked."""
    kinds = {step.kind for steps in _asked(campaign).values() for step in steps}
    for kind, match in (("loss", _MATCH), ("cut", ("-j", "DROP")), ("flap", ("-j", "DROP"))):
        if kind in kinds:
            _require_rule(kind, match)


def _require_rule(kind: str, match: Sequence[str]) -> None:
    rule = ["iptables", "-w", "-t", "mangle", "-A", "FORWARD", *match]
    attempt: Callable[[], str] = lambda: programs.output(rule, testbed_id="")  # noqa: E731
    try:
        namespaces.inside_scratch(attempt)
    except (EmulationError, OSError) as error:
        raise MissingCapabilityError(
            f"a fault of kind {kind!r} needs netfilter's mangle table here: {error} Leave the fault out."
        ) from error


def require_hosts(campaign: Campaign, inventory: Inventory, sessions: Mapping[str, Shell]) -> None:
    """Raises FedprobeError where a fault needs root on a real host and does not get it, or a program it lacks."""
    asked = [step for steps in _asked(campaign).values() for step in steps if step.kind in _NEED_ROOT]
    if inventory.emulator is not None or not asked:
        return
    nodes = inventory.nodes[: campaign.clients]
    hosts = {host.name: host for step in asked for host in targets(step, inventory, nodes)}
    programs_asked = {"iptables"} if any(step.kind in {"cut", "flap", "loss"} for step in asked) else set()
    programs_asked |= {"tc"} if any(step.kind == "degrade" for step in asked) else set()

    def look(host: Host) -> None:
        for program in sorted(programs_asked) or ["true"]:
            found = sessions[host.name].run(["sh", "-c", 'command -v "$0"', program], timeout_s=15, sudo=True)
            if found.status:
                raise FedprobeError(f"{host.name}: a fault needs {program}, which is not there. Install it.")

    on_every_host(list(hosts.values()), look).required()


def _asked(campaign: Campaign) -> Mapping[str, Sequence[FaultStep]]:
    return {name: campaign.fault[name] for name in campaign.factors.fault if name in campaign.fault}
