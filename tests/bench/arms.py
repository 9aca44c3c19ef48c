"""Two Flower deployments side by side, alike but for the probes, whose rounds are released one at a time.

Each has an emulated testbed of its own: a server and one node. The node's and the server's waits are fast in both.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from instrument.clock import SystemClock, sleep_s
from testbed.campaign import Campaign, Collect, Factors, Workload
from testbed.deployment import Deployment, TrialError
from testbed.emulation import lifecycle
from testbed.inventory import Host, Inventory
from testbed.login import login_to
from testbed.shell import Shell
from testbed.ssh import connect
from tests.bench import processor

HERE = Path(__file__).resolve().parent
APP = HERE / "app"
# training for about 5 s, so that a round is as long as one of the quickstart over Ethernet (6 s): much of what the
# probes add to a round does not grow with it, so a ratio is of a length
LOCAL_EPOCHS = 90
WAIT_S = 0.25
REPLY_WAIT_S = 0.05
BACK_OFF_S = 0.02
ROUND_LIMIT_S = 60.0
FIRST_ROUND_LIMIT_S = 90.0
# how long after a round its processes are let be: the ClientApp ends, and the probes write down the rest
SETTLE_S = 1.0


@dataclass(slots=True)
class BenchDeployment(Deployment):
    """A deployment whose processes get some variables more."""

    variables: Mapping[str, str] = field(default_factory=dict)

    def _start(self, kind: str, host: Host, command: list[str], environment: Mapping[str, str]) -> None:  # type: ignore[override]
        added = {} if kind == "collectors" else self.variables
        Deployment._start(self, kind, host, command, {**environment, **added})


class Gate:
    """The benchmark's ends of the app's two pipes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in ("told", "release"):
            os.mkfifo(folder / name)
        # opened both ways, which waits for nobody
        self._told = os.open(folder / "told", os.O_RDWR)
        self._release = os.open(folder / "release", os.O_RDWR)
        self.folder = folder

    def release(self, phases: str) -> None:
        """Let the next round start, whose polls come at phases that are drawn from a word."""
        clock = SystemClock()
        fresh = self.phases.with_suffix(".new")
        fresh.write_text(f"{clock.wall_ns() / 1e9:.6f} {phases}\n")
        fresh.replace(self.phases)
        os.write(self._release, b"!")

    @property
    def phases(self) -> Path:
        """The file that `fast_waits` reads."""
        return self.folder / "phases"

    def wait(self, limit_s: float) -> float:
        """Seconds of the round that ran, by the ServerApp's clock; returns when the next one waits to start."""
        ready, _, _ = select.select([self._told], [], [], limit_s)
        if not ready:
            raise TrialError(
                f"no round ended within {limit_s:g} s. See the logs beside {self.folder}.", reason="time limit"
            )
        start_ns, end_ns = map(int, os.read(self._told, 4096).split())
        return (end_ns - start_ns) / 1e9

    def close(self) -> None:
        """Close both ends."""
        os.close(self._told)
        os.close(self._release)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of one arm: its seconds, and the processor seconds of each role until it had settled."""

    wall_s: float
    processor_s: Mapping[str, float]


@dataclass(slots=True, kw_only=True)
class Arm:
    """A running deployment: `probed`, or with the probes switched off."""

    probed: bool
    deployment: BenchDeployment
    gate: Gate
    roots: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Start everything; returns when the first round waits for its release."""
        one = self.deployment
        one.prepare()
        if one.campaign.collect.capture:
            one.start_collectors()
        one.start_superlink()
        one.start_supernodes()
        one.put_app(APP)
        one.submit()
        self.gate.wait(FIRST_ROUND_LIMIT_S)
        self.roots = processor.roots(one.trial)

    def round(self, phases: str) -> Round:
        """One round, and what it cost until it had settled."""
        before = processor.seconds_by_role(self.roots)
        self.gate.release(phases)
        wall_s = self.gate.wait(ROUND_LIMIT_S)
        sleep_s(SETTLE_S)
        after = processor.seconds_by_role(self.roots)
        return Round(wall_s=wall_s, processor_s={role: after[role] - before.get(role, 0.0) for role in after})

    def capture_file(self) -> Path:
        """The node's packets; complete when the deployment has stopped."""
        (file,) = Path(self.deployment.folder(self.deployment.nodes[0], "pcap")).glob("*.pcap")
        return file


@contextmanager
def two_testbeds(network: str) -> Iterator[tuple[Inventory, Inventory]]:
    """Two emulated testbeds of one node each."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(lifecycle.emulated(1, networks=[network], seed=7)) for _ in range(2))
        yield first, second


@contextmanager
def two_arms(
    network: str, testbeds: tuple[Inventory, Inventory], *, block: int, rounds: int, capture: bool = False
) -> Iterator[tuple[Arm, Arm]]:
    """Both arms, the probed one first, ready for their first rounds. The testbeds change places with each block."""
    places = testbeds if block % 2 == 0 else testbeds[::-1]
    with ExitStack() as stack:
        arms = tuple(
            stack.enter_context(_arm(network, place, probed=probed, block=block, rounds=rounds, capture=capture))
            for place, probed in zip(places, (True, False), strict=True)
        )
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Arm.start, arms))
        yield arms[0], arms[1]


@contextmanager
def _arm(
    network: str, inventory: Inventory, *, probed: bool, block: int, rounds: int, capture: bool
) -> Iterator[Arm]:
    trial = f"bench-{network}-{block}-{'on' if probed else 'off'}"
    gate = Gate(inventory.known_hosts.parent / "gates" / trial)
    campaign = Campaign(
        name="bench",
        rounds=rounds + 1,  # the last one is never released: its predecessor ends at its gate
        clients=1,
        factors=Factors(interface=(network,)),
        workload=Workload(settings={"gate": str(gate.folder), "local-epochs": LOCAL_EPOCHS}),
        collect=Collect(collectors=("host",), interval_ms=60_000, capture=capture),
    )
    variables = {
        "PYTHONPATH": str(HERE / "fast_waits"),
        "BENCH_WAIT_S": str(WAIT_S),
        "BENCH_REPLY_WAIT_S": str(REPLY_WAIT_S),
        "BENCH_BACK_OFF_S": str(BACK_OFF_S),
        "BENCH_PHASES": str(gate.phases),
        **({} if probed else {"FEDPROBE_DISABLE": "1"}),
    }
    with ExitStack() as stack:
        stack.callback(gate.close)
        sessions: dict[str, Shell] = {}
        for host in inventory.hosts:
            sessions[host.name] = stack.enter_context(connect(login_to(inventory, host)))
        deployment = BenchDeployment(
            inventory=inventory,
            sessions=sessions,
            campaign=campaign,
            trial=trial,
            interface=network,
            nodes=inventory.nodes,
            variables=variables,
        )
        stack.callback(deployment.stop)
        yield Arm(probed=probed, deployment=deployment, gate=gate)
