"""Measures one node's link on one network: path MTU, latency of the idle link, then iperf3 up and down.

Echo requests go at a stated rate on the idle link, and again while iperf3 fills it. What the link carried is held
against what every interface of the node carried, as in a trial.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeVar

from instrument.clock import SystemClock, sleep_s
from testbed.baseline import iperf3, path_mtu, ping
from testbed.baseline.document import BaselineLink
from testbed.baseline.plan import Plan
from testbed.deployment import SUPERLINK_PORT
from testbed.errors import FedprobeError, RemoteError
from testbed.interrupts import Interrupts
from testbed.inventory import Host, Inventory, NetworkName
from testbed.path_reading import look
from testbed.path_watch import devices_of, path_of
from testbed.paths import Look, NodePath, Payload, astray
from testbed.shell import Completed, Shell

COMMAND_S = 20.0
POLL_S = 0.1
GRACE_S = 1.0
CONNECT_MS = 5000
RAMP_S = 0.5  # after iperf3's start and the seconds that it omits: pings then see a link that is full
C_LOCALE = {"LC_ALL": "C"}

Direction = Literal["up", "down"]
T = TypeVar("T")


class LinkMeasurement:
    """One node's link on one network, while it is measured."""

    def __init__(
        self,
        *,
        inventory: Inventory,
        node: Host,
        network: NetworkName,
        shell: Shell,
        interrupts: Interrupts,
        plan: Plan,
    ) -> None:
        self._inventory, self._node, self._network = inventory, node, network
        self._shell, self._interrupts, self._plan = shell, interrupts, plan
        self._server = inventory.server_addresses[network]
        self._version = 6 if ":" in self._server else 4
        self._folder = posixpath.join(node.work_folder, "baseline")
        self._problems: list[str] = []

    def measured(self) -> BaselineLink:
        """Everything, in turn; a part that fails is a problem, and the next one is tried."""
        before = self._part("the state of its interfaces", self._look)
        device_mtu = self._part("the device's MTU", self._device_mtu)
        passed = None if device_mtu is None else self._part("the path MTU", partial(self._path_mtu, device_mtu))
        idle = self._part("the idle latency", lambda: self._latency(self._plan.idle_pings))
        up, latency_up = self._part("the uplink", lambda: self._loaded("up")) or (None, None)
        down, latency_down = self._part("the downlink", lambda: self._loaded("down")) or (None, None)
        after = self._part("the state of its interfaces", self._look)
        path = self._path(before, after) if before and after else None
        if path is not None:
            self._hold_against_counters(path, up, down)
        return BaselineLink(
            node=self._node.name,
            network=self._network,
            device=self._node.interfaces[self._network].device,
            device_mtu=device_mtu,
            path_mtu=passed,
            up=up,
            down=down,
            latency_idle=idle,
            latency_up=latency_up,
            latency_down=latency_down,
            moved_bytes=_moved_bytes(path) if path else {},
            problems=tuple(self._problems),
        )

    def _part(self, what: str, measure: Callable[[], T]) -> T | None:
        try:
            return measure()
        except FedprobeError as error:
            self._problems.append(f"{what} of {self._node.name} on {self._network} is not known: {error}")
            return None

    def _look(self) -> Look:
        return look(self._shell, self._server, devices_of(self._node))

    def _path(self, before: Look, after: Look) -> NodePath:
        return path_of(self._inventory, self._node, network=self._network, before=before, after=after)

    def _hold_against_counters(self, path: NodePath, up: iperf3.Carried | None, down: iperf3.Carried | None) -> None:
        payload = Payload(sent_bytes=up.counted_bytes if up else 0, received_bytes=down.counted_bytes if down else 0)
        if wrong_way := astray(path, payload):
            self._problems.append(wrong_way)

    def _device_mtu(self) -> int:
        file = f"/sys/class/net/{self._node.interfaces[self._network].device}/mtu"
        return int(self._shell.check(["cat", file], timeout_s=COMMAND_S).text)

    def _path_mtu(self, device_mtu: int) -> int | None:
        def passes(size: int) -> bool:
            """Whether one of three packets of that size, never in fragments, is answered."""
            length = str(path_mtu.echo_bytes(size, self._version))
            words = ["-M", "do", "-c", "3", "-i", "0.2", "-W", "1", "-s", length]
            return self._ping(words, limit_s=COMMAND_S).status == 0

        return path_mtu.path_mtu(passes, device_mtu=device_mtu, version=self._version)

    def _latency(self, count: int) -> ping.Latency:
        interval_s = 1 / self._plan.pings_per_s
        done = self._ping(
            ["-c", str(count), "-i", f"{interval_s:g}", "-W", "2"], limit_s=count * interval_s + COMMAND_S
        )
        return ping.latency(ping.parse(done.text if done.text.strip() else done.complaint))

    def _ping(self, words: Sequence[str], *, limit_s: float) -> Completed:
        return self._shell.run(["ping", "-n", *words, self._server], timeout_s=limit_s, env=C_LOCALE)

    def _loaded(self, direction: Direction) -> tuple[iperf3.Carried, ping.Latency]:
        """iperf3 in one direction, and the latency of echo requests while the link is full."""
        self._shell.check(["mkdir", "-p", self._folder], timeout_s=COMMAND_S)
        out, complaints = (posixpath.join(self._folder, name) for name in ("iperf3.json", "iperf3.err"))
        pid = self._shell.start(self._iperf3(direction), stdout=out, stderr=complaints)
        try:
            sleep_s(self._plan.omitted_s + RAMP_S)
            meanwhile = self._latency(self._plan.loaded_pings)
            self._wait_ended(pid)
        finally:
            with self._interrupts.shield():
                self._shell.stop_group(pid, grace_s=GRACE_S)
        return iperf3.parse(self._shell.read_text(out) or self._shell.read_text(complaints)), meanwhile

    def _iperf3(self, direction: Direction) -> list[str]:
        command = ["iperf3", "--client", self._server, "--port", str(SUPERLINK_PORT), "--json"]
        command += ["--time", str(self._plan.load_s), "--omit", str(self._plan.omitted_s)]
        return [*command, "--connect-timeout", str(CONNECT_MS), *(["--reverse"] if direction == "down" else [])]

    def _wait_ended(self, pid: int) -> None:
        clock = SystemClock()
        deadline_ns = clock.mono_ns() + round((self._plan.filled_s + COMMAND_S) * 1e9)
        while self._shell.alive(pid):
            if clock.mono_ns() > deadline_ns:
                raise RemoteError(f"{self._node.name}: iperf3 has not ended {COMMAND_S:g} s after its time.")
            sleep_s(POLL_S)


def _moved_bytes(path: NodePath) -> dict[str, int | None]:
    found = {network: path.moved(network) for network in path.devices}
    return {network: None if moved is None else moved.total_bytes for network, moved in found.items()}
