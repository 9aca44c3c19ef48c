"""From the steps of a fault to orders for single hosts. Pure: what is asked in, what is to be started where out."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, takewhile
from typing import Any, Literal

from testbed.emulation.shaping import ShapedClass
from testbed.faults.arrivals import TraceError, arrivals
from testbed.faults.churn import Move
from testbed.faults.link_commands import LinkCommands, at_receiver, in_router, slower_classes, slower_device
from testbed.faults.tables import LINK_KINDS, FaultStep
from testbed.inventory import Host, Inventory, NetworkName
from testbed.validation import nearest

Place = Literal["host", "router", "machine"]
Window = tuple[float, float | None]
CLIENT_APP = ("flwr-clientapp",)
SUPERNODE = (
    "flower-supernode",
    "flower-superexec",
    "flwr-clientapp",
)  # SuperExec outlives the SuperNode that began it
SUPERLINK = ("flower-superlink", "flower-superexec", "flwr-serverapp")
COLLECTOR = ("collector",)
ROLES_OF: Mapping[str, tuple[str, ...]] = {
    "clientapp": CLIENT_APP,
    "supernode": SUPERNODE,
    "superlink": SUPERLINK,
    "collector": COLLECTOR,
    "node": (*SUPERNODE, *COLLECTOR),
}
_LAST_SENT_S = 0.5  # for the last arrival of a trace to be sent
_CLIENT_APP_WAIT_S = 60.0  # a ClientApp runs only while it handles a message
_OTHERS_WAIT_S = 2.0
_LEAST_QUOTA_US = 1000  # of the kernel's CPU controller
_LEAST_KHZ = 1
CPUFREQ = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_max_freq"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """One order, for one place: a host by its shell, the router of a network, or the machine of an emulated testbed.

    `host` is whose clock it reads and into whose spool it writes. `as_root` where it needs root there.
    """

    step: FaultStep
    host: Host
    place: Place
    network: NetworkName
    action: str
    asked: Mapping[str, Any]
    windows: Sequence[Window]
    does: str
    as_root: bool = False
    touches: Sequence[str] = ()  # hosts, where they are others or more than `host`
    files: Mapping[str, str] = field(default_factory=dict)  # on the host: name below `faults/` -> text


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What orders are made of, of one trial."""

    inventory: Inventory
    nodes: Sequence[Host]
    network: Callable[[Host], NetworkName]
    trial: str
    folder: Callable[..., str]  # of the trial on a host, with parts below it
    classes: Callable[[NetworkName], Sequence[ShapedClass]]  # of an emulated network
    cpu_limit_file: Callable[[str], str]  # of an emulated host
    start_of: Callable[[Host], Mapping[str, Any]]  # how a SuperNode is started
    text_of: Callable[[str], str]  # of a file beside the campaign
    moves_of: Callable[[FaultStep], Sequence[Move]]

    @property
    def emulated(self) -> bool:
        """Whether the links are this machine's own."""
        return self.inventory.emulator is not None


def targets(step: FaultStep, inventory: Inventory, nodes: Sequence[Host]) -> list[Host]:
    """The hosts of a step. Raises ValueError for a target that takes no part in the trial."""
    if step.target == "all":
        return list(nodes)
    if step.target == "server":
        return [inventory.server]
    found = [node for node in nodes if step.target == node.name or step.target in node.groups]
    if not found:
        known = dict.fromkeys(
            [*(node.name for node in nodes), "server", "all", *(g for n in nodes for g in n.groups)]
        )
        raise ValueError(f"target = {step.target!r} takes no part. {nearest(step.target, known)}")
    return found


def orders_of(step: FaultStep, scene: Scene) -> list[Ordered]:
    """What is to be started for a step, in this order."""
    hosts = targets(step, scene.inventory, scene.nodes)
    if step.kind in LINK_KINDS:
        return list(_links(step, scene, hosts, _windows(step)))
    made = [one for host in hosts if (one := _on(host, step, scene)).windows]  # a node that never leaves has none
    if step.process == "node":
        made += _links(step, scene, hosts, [(0.0, step.duration_s)])
    return made


def _windows(step: FaultStep) -> list[Window]:
    if step.kind != "flap" or step.duration_s is None:
        return [(0.0, step.duration_s)]
    length, whole = step.down_s + step.up_s, step.duration_s
    begins = takewhile(lambda begin: begin < whole, (number * length for number in count()))
    return [(begin, min(begin + step.down_s, whole)) for begin in begins]


def _links(step: FaultStep, scene: Scene, hosts: Sequence[Host], windows: Sequence[Window]) -> Iterator[Ordered]:
    """One order for each network of the emulated testbed; for a real link one at each end."""
    to_server = hosts == [scene.inventory.server]
    nodes = list(scene.nodes) if to_server else list(hosts)
    if scene.emulated:
        for network in dict.fromkeys(scene.network(node) for node in nodes):
            theirs = [node for node in nodes if scene.network(node) == network]
            addresses = [str(node.interfaces[network].address) for node in theirs]
            if step.rate_ratio is not None:
                commands = slower_classes(scene.classes(network), addresses, step.rate_ratio)
            else:
                commands = in_router([] if to_server else addresses, step.loss_ratio)
            yield replace(
                _link(step, theirs[0], network, commands, windows),
                place="router",
                touches=[node.name for node in theirs],
            )
        return
    server = scene.inventory.server
    for node in nodes:
        network = scene.network(node)
        here, there = node.interfaces[network], server.interfaces[network]
        if step.rate_bit_per_s is not None:
            yield _link(step, node, network, slower_device(here.device, step.rate_bit_per_s), windows)
            continue
        for host, own, other in ((node, here, there), (server, there, here)):
            commands = at_receiver(str(other.address), own.device, step.loss_ratio)
            yield replace(_link(step, host, network, commands, windows), touches=[node.name])


def _link(
    step: FaultStep, host: Host, network: NetworkName, commands: LinkCommands, windows: Sequence[Window]
) -> Ordered:
    does = step.kind if step.kind in LINK_KINDS else "cut"
    return Ordered(
        step=step,
        host=host,
        place="host",
        network=network,
        action="commands",
        asked=commands.document(),
        windows=windows,
        does=f"{does} {network}",
        as_root=True,
    )


def _on(host: Host, step: FaultStep, scene: Scene) -> Ordered:
    made = _MAKERS[step.kind](host, step, scene)
    values: dict[str, Any] = {"host": host, "place": "host", "windows": [(0.0, step.duration_s)], "does": step.kind}
    return Ordered(step=step, network=scene.network(host) if host in scene.nodes else "", **{**values, **made})


def _kill(host: Host, step: FaultStep, scene: Scene) -> dict[str, Any]:
    assert step.process
    return {
        "action": "signals",
        "asked": _signals(step.process, host, scene, "SIGKILL"),
        "windows": [(0.0, 0.0)],
        "does": f"kill {step.process}",
    }


def _stop(host: Host, step: FaultStep, scene: Scene) -> dict[str, Any]:
    assert step.process
    asked = {**_signals(step.process, host, scene, "SIGSTOP"), "undo_signal": _number("SIGCONT")}
    return {"action": "signals", "asked": asked, "does": f"stop {step.process}"}


def _signals(process: str, host: Host, scene: Scene, name: str) -> dict[str, Any]:
    return {
        "roles": list(ROLES_OF[process]),
        "trial": scene.trial,
        "spool": scene.folder(host, "spool"),
        "signal": _number(name),
        "wait_s": _CLIENT_APP_WAIT_S if process == "clientapp" else _OTHERS_WAIT_S,
    }


def _number(name: str) -> int:
    return int(signal.Signals[name])


def _clock(host: Host, step: FaultStep, scene: Scene) -> dict[str, Any]:
    assert step.step_ms is not None
    step_ns = round(step.step_ms * 1_000_000)
    moved = {"mono_ns": step_ns, "wall_ns": 0} if step.clock == "monotonic" else {"mono_ns": 0, "wall_ns": step_ns}
    return {
        "action": "step",
        "asked": {"file": clock_file(scene.folder, host), **moved},
        "does": f"step {step.clock} clock",
    }


def clock_file(folder: Callable[..., str], host: Host) -> str:
    """The file that steps a host's injected clock in a trial."""
    return folder(host, "faults", "clock-step")


def _disk(host: Host, _step: FaultStep, scene: Scene) -> dict[str, Any]:
    return {"action": "fill", "asked": {"folder": scene.folder(host, "spool")}, "does": "fill disk"}


def small_disk(host: Host, step: FaultStep, scene: Scene) -> Ordered:
    """The order that is started before all others: a small disk of its own below a host's records."""
    return Ordered(
        step=step,
        host=host,
        place="host",
        network="",
        action="small-disk",
        asked={"folder": scene.folder(host, "spool"), "bytes": step.size_bytes},
        windows=[(0.0, None)],
        does="small disk",
        as_root=True,
    )


def _load(_host: Host, step: FaultStep, _scene: Scene) -> dict[str, Any]:
    assert step.duration_s is not None
    return {"action": "load", "asked": {"processes": step.processes, "limit_s": int(step.duration_s) + 30}}


def _throttle(host: Host, step: FaultStep, scene: Scene) -> dict[str, Any]:
    asked = {"ratio": step.cpu_ratio}
    if scene.emulated:
        quota = {"files": scene.cpu_limit_file(host.name), "least": _LEAST_QUOTA_US}
        return {"action": "settings", "asked": {**asked, **quota}, "place": "machine", "as_root": True}
    return {"action": "settings", "asked": {**asked, "files": CPUFREQ, "least": _LEAST_KHZ}, "as_root": True}


def _background(host: Host, step: FaultStep, scene: Scene) -> dict[str, Any]:
    assert step.trace
    node, server = (scene.nodes[0] if host not in scene.nodes else host), scene.inventory.server
    network = scene.network(node)
    ends = (str(node.interfaces[network].address), scene.inventory.server_addresses[network])
    source, address = ends if step.direction == "up" else ends[::-1]
    sender = node if step.direction == "up" else server
    text = scene.text_of(step.trace)
    name = f"arrivals-{hashlib.sha256(step.trace.encode()).hexdigest()[:8]}.csv"
    return {
        "action": "traffic",
        "asked": {"address": address, "source": source, "trace": scene.folder(sender, "faults", name)},
        "files": {name: text},
        "windows": [(0.0, step.duration_s or arrivals(text.splitlines(), step.trace)[-1].after_s + _LAST_SENT_S)],
        "does": f"background {step.direction}",
        "touches": [node.name],
        "host": sender,
    }


def _churn(host: Host, step: FaultStep, scene: Scene) -> dict[str, Any]:
    moves = [move for move in scene.moves_of(step) if move.node == host.name]
    leaves = [move.after_s for move in moves if move.event == "leave"]
    joins: list[float | None] = [move.after_s for move in moves if move.event == "join"]
    if moves and moves[0].event == "join":
        raise TraceError(f"{host.name} is there when the churn begins: its first move is to leave.")
    joins += [None] * (len(leaves) - len(joins))
    return {
        "action": "churn",
        "asked": {**_signals("supernode", host, scene, "SIGKILL"), "start": scene.start_of(host)},
        "windows": list(zip(leaves, joins, strict=True)),
    }


_MAKERS: Mapping[str, Callable[[Host, FaultStep, Scene], dict[str, Any]]] = {
    "kill": _kill,
    "stop": _stop,
    "clock": _clock,
    "disk": _disk,
    "load": _load,
    "throttle": _throttle,
    "background": _background,
    "churn": _churn,
}
