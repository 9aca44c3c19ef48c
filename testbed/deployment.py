"""One trial's processes on the hosts: collectors, SuperLink, SuperNodes, the run, and their end.

Everything is started over SSH in a session of its own and ended by its process group, because SuperExec outlives
the SuperNode that started it. Nothing here measures; `instrument` and `collectors` do, on the hosts.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from instrument import polling
from instrument.clock import SystemClock, sleep_s
from instrument.launcher import QUIET_FLOWER
from instrument.polling import Polling
from testbed.campaign import Campaign
from testbed.credentials import Credentials
from testbed.errors import FedprobeError
from testbed.every_host import on_every_host
from testbed.inventory import Host, Inventory, NetworkName
from testbed.leftovers import end_leftovers
from testbed.new_folders import NEW_FOLDERS
from testbed.shell import Shell
from testbed.terminal_codes import without_terminal_codes
from testbed.validity import Reason

SUPERLINK_PORT = 8000
RUNTIME_PORT = 9094  # each host has its own loopback
CLOCK_PORT = 8900
CONNECTION = "trial"
POLL_S = 0.1
GRACE_S = 4.0  # a SuperNode unregisters in 1.1 s, a SuperLink shuts down in 0.6 s
COMMAND_S = 30.0
# `flwr` takes 0.7 s by itself, and 2.5 s beside the processes that start and end around a run where hosts share a
# machine: there it goes first. The kernel shares the processor among sessions (autogroups) before it looks at nice
# values: sched(7). Who may not set them goes on without.
GO_FIRST = '{ echo -10 >/proc/self/autogroup; renice -n -10 -p $$; } >/dev/null 2>&1; exec "$@"'
TRIAL_MARK, COLLECTORS_MARK, RUN_MARK = "FEDPROBE_TRIAL", "FEDPROBE_COLLECTS", "FEDPROBE_RUN"
"""In the environments of a trial's processes: by them a later controller finds what an earlier one left."""
# what a process's end by itself means for the trial
_LOST: Mapping[str, Reason] = {"superlink": "run failed", "supernode": "node lost", "collectors": "records missing"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class TrialError(FedprobeError):
    """A trial could not be carried through; the campaign goes on without it. `reason` is one of the closed list."""

    def __init__(self, detail: str, *, reason: Reason = "run failed") -> None:
        super().__init__(detail)
        self.reason: Reason = reason


@dataclass(slots=True)
class Started:
    """A process on a host, by its process group."""

    kind: str
    host: Host
    shell: Shell
    pid: int
    log: str

    @property
    def name(self) -> str:
        """What a message calls it."""
        return f"{self.kind} on {self.host.name}"


@dataclass(frozen=True, slots=True)
class Program:
    """A command of a trial under the probes, and the environment that it gets beside its host's own."""

    command: Sequence[str]
    environment: Mapping[str, str]


def trial_folder(host: Host, trial: str, *parts: str) -> str:
    """A path below a trial's folder on a host. Pure."""
    return posixpath.join(host.work_folder, "trials", trial, *parts)


@dataclass(slots=True)
class Deployment:
    """The processes of one trial. `nodes` are the SuperNodes' hosts in partition order.

    `trial` is what the hosts know it by, and `run` the run that it belongs to: both mark its processes.
    """

    inventory: Inventory
    sessions: Mapping[str, Shell]
    campaign: Campaign
    trial: str
    interface: str
    nodes: Sequence[Host]
    run: str = ""
    polling: Polling = "stock"
    networks: Mapping[str, str] = field(default_factory=dict)  # of nodes that are on another one than the trial's
    started: list[Started] = field(default_factory=list)
    not_ended: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)  # of `started`, at the end
    registered: dict[str, str] = field(default_factory=dict)  # node -> id at Flower, where SuperNodes authenticate

    @property
    def credentials(self) -> Credentials:
        """What SuperLink and SuperNodes know each other by."""
        folder = posixpath.join("trials", self.trial, "tls")
        return Credentials(inventory=self.inventory, nodes=self.nodes, sessions=self.sessions, folder=folder)

    def network(self, node: Host) -> NetworkName:
        """The network that a node's SuperNode uses."""
        return self.networks.get(node.name, self.interface)

    def address(self, node: Host) -> str:
        """What a node's SuperNode dials: the server's address on its network."""
        return f"{self.inventory.server_addresses[self.network(node)]}:{SUPERLINK_PORT}"

    @property
    def addresses(self) -> dict[str, str]:
        """The nodes by the address from which their SuperNodes come to the server."""
        return {str(node.interfaces[self.network(node)].address): node.name for node in self.nodes}

    @property
    def hosts(self) -> list[Host]:
        """The server and the trial's nodes."""
        return [self.inventory.server, *self.nodes]

    def folder(self, host: Host, *parts: str) -> str:
        """A path below this trial's folder on a host."""
        return trial_folder(host, self.trial, *parts)

    def prepare(self) -> None:
        """Make the trial's folders on every host; what an earlier run left under the trial's name is moved aside."""
        on_every_host(self.hosts, self._make_folders).required()
        self.credentials.put()
        self._write_connection()

    def _make_folders(self, host: Host) -> None:
        folders = [self.folder(host, name) for name in ("spool", "logs", "flwr-home")]
        self._checked(host, ["sh", "-c", NEW_FOLDERS, "prepare", self.folder(host), *folders])

    def put_app(self, app: Path) -> None:
        """Copy the app to the server host."""
        server = self.inventory.server
        self.sessions[server.name].put_folder(app, self.folder(server, "app"))

    def start_collectors(self) -> None:
        """Start the collectors, the server's first: it answers the nodes' clock exchanges."""
        server = self.inventory.server
        clock = f"{server.management.address}:{CLOCK_PORT}"
        self._collector(server, ["--serve-clock", clock])
        for node in self.nodes:
            self._collector(node, ["--clock", clock], wait=False)
        for node in self.nodes:
            self._wait_ready(node)

    def exchange_clocks(self) -> None:
        """Let every node's collector exchange clocks with the server once more: between rounds, never inside one."""
        for node in self.nodes:
            self._signal_collectors(node, "USR1")

    def _signal_collectors(self, host: Host, signal: str) -> None:
        for process in self.started:
            if process.kind == "collectors" and process.host == host:
                process.shell.run(["kill", f"-{signal}", str(process.pid)], timeout_s=COMMAND_S)

    def start_superlink(self) -> None:
        """Start the SuperLink; returns when it listens."""
        self.begin_superlink()
        self.wait_superlink()

    def begin_superlink(self) -> None:
        """Start the SuperLink, which listens some seconds later."""
        command = ["flower-superlink", *self.credentials.superlink_options()]
        command += ["--disable-runtime-dependency-installation"]
        server = self.inventory.server
        command += ["--host", "0.0.0.0", "--port", str(SUPERLINK_PORT)]  # noqa: S104
        program = self._instrumented("superlink", server, command)
        self._start("superlink", server, program.command, program.environment)

    def wait_superlink(self) -> None:
        """Return when the SuperLink listens."""
        server = self.inventory.server
        self._wait_port(server, SUPERLINK_PORT, self._find("superlink", server))

    def register_supernodes(self) -> None:
        """Tell the SuperLink which SuperNodes to take, where it asks them who they are. Raises TrialError."""
        if not self.credentials.authenticated:
            return
        for node in self.nodes:
            key = self.credentials.public_key(node)
            document = _json_of(self._flwr(["supernode", "register", key, CONNECTION, "--format", "json"]))
            if not document.get("success"):
                reason = document.get("error-message") or "no reason given"
                raise TrialError(f"the SuperLink does not register {node.name}: {reason}", reason="not started")
            self.registered[node.name] = str(document["node-id"])

    def start_supernodes(self) -> None:
        """Start a SuperNode on every node."""
        for node in self.nodes:
            program = self.supernode(node)
            self._start("supernode", node, program.command, program.environment)

    def supernode(self, node: Host) -> Program:
        """How the SuperNode of a node is started: at first, and when a node joins again."""
        config = f"partition-id={self.nodes.index(node)} num-partitions={len(self.nodes)}"
        command = ["flower-supernode", *self.credentials.supernode_options(node)]
        command += ["--superlink", self.address(node), "--port", str(RUNTIME_PORT)]
        return self._instrumented("supernode", node, [*command, "--node-config", config])

    def submit(self) -> str:
        """Run the app that was put on the server host. Returns Flower's run id."""
        server = self.inventory.server
        settings = [word for key, value in self.campaign.run_config().items() for word in _run_config(key, value)]
        answer = self._flwr(["run", self.folder(server, "app"), CONNECTION, "--format", "json", *settings])
        document = _json_of(answer)
        if not document.get("success"):
            reason = document.get("error-message") or answer.strip()[-400:]
            raise TrialError(f"flwr run refused the app: {reason}", reason="run failed")
        return str(document["run-id"])

    def run_status(self, run_id: str) -> str:
        """Flower's own word for the run's state, such as finished:completed."""
        answer = self._flwr(["list", CONNECTION, "--run-id", run_id, "--format", "json"])
        runs = _json_of(answer).get("runs") or [{}]
        return str(runs[0].get("status", "unknown"))

    def finish(self, run_id: str) -> str:
        """Flower's word for a run whose ServerApp has ended, asked while the SuperNodes, whose work is done, end."""
        with ThreadPoolExecutor(1) as pool:
            status = pool.submit(self.run_status, run_id)
            self._stop_kind("supernode")
            return status.result()

    def check_alive(self, may_end: Callable[[Started], bool] = lambda _: False) -> None:
        """Raises TrialError where a process has ended that must not have."""
        for process in self.started:
            if not process.shell.alive(process.pid) and not may_end(process):
                raise TrialError(
                    f"{process.name} ended by itself. {self._last_words(process)}", reason=_LOST[process.kind]
                )

    def stop(self) -> None:
        """End every process, and remove the keys; goes on where that fails.

        SuperNodes first, which say goodbye to the SuperLink: then there is nothing more to capture. Then all hosts at
        once, each its collectors last; the server's when the nodes' have exchanged clocks with it once more.
        """
        self._stop_kind("supernode")
        if self.campaign.collect.capture:
            with suppress(FedprobeError):  # a capture that is not told waits at its own end
                self._signal_collectors(self.inventory.server, "USR2")
        on_every_host(self.hosts, self._stop_host)
        self._stop_kind("collectors")

    def _stop_host(self, host: Host) -> None:
        self._stop_kind("superlink", host)
        self._end_leftovers(host)
        self._remove_credentials(host)
        if host.role == "node":
            self._stop_kind("collectors", host)

    def stop_unattended(self) -> None:
        """End what a controller that was killed left of this trial, in the order of `stop`."""
        on_every_host(self.hosts, self._end_leftovers)
        on_every_host(self.hosts, self._remove_credentials)
        on_every_host([*self.nodes, self.inventory.server], self._end_collectors)

    def _stop_kind(self, kind: str, host: Host | None = None) -> None:
        """End the processes of a kind, on one host or on all at once."""
        chosen = [one for one in self.started if one.kind == kind and (host is None or one.host == host)]
        on_every_host(chosen, self._stop_one)
        with self._lock:
            self.started = [one for one in self.started if one not in chosen]

    def _stop_one(self, process: Started) -> None:
        try:
            process.shell.stop_group(process.pid, grace_s=GRACE_S)
        except FedprobeError as error:
            self.not_ended.append(f"{process.name}: {error}")

    def _end_leftovers(self, host: Host) -> None:
        try:
            mark = f"{TRIAL_MARK}={self.trial}"
            end_leftovers(self.sessions[host.name], mark, spool=self.folder(host, "spool"))
        except FedprobeError as error:
            self.not_ended.append(f"leftovers on {host.name}: {error}")

    def _end_collectors(self, host: Host) -> None:
        try:
            end_leftovers(self.sessions[host.name], f"{COLLECTORS_MARK}={self.trial}")
        except FedprobeError as error:
            self.not_ended.append(f"collectors on {host.name}: {error}")

    def _remove_credentials(self, host: Host) -> None:
        try:
            self.credentials.remove(host)
        except FedprobeError as error:
            self.not_ended.append(f"keys of the trial are left on {host.name}: {error}")

    def _instrumented(self, kind: str, host: Host, command: Sequence[str]) -> Program:
        out = self.folder(host, "spool")
        bin_folder = posixpath.dirname(host.python)
        full = [posixpath.join(bin_folder, "fedprobe"), "instrument", "--out", out, "--", *command]
        environment = {
            **QUIET_FLOWER,
            **ONE_THREAD,
            **polling.variables(self.polling),
            "PATH": f"{bin_folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "FLWR_HOME": self.folder(host, "flwr-home", kind),
            TRIAL_MARK: self.trial,
            RUN_MARK: self.run,
            "FEDPROBE_HOST": host.name,
            "FEDPROBE_NICE": ",".join(f"{role}={value}" for role, value in self.campaign.priorities.items()),
        }
        return Program(full, environment)

    def _collector(self, host: Host, clock: list[str], *, wait: bool = True) -> None:
        collect = self.campaign.collect
        command = [host.python, "-m", "collectors", "--out", self.folder(host, "spool"), "--trial", self.trial]
        command += ["--host", host.name, "--collect", ",".join(collect.collectors)]
        command += ["--interval-ms", str(collect.interval_ms), *clock]
        if collect.capture:
            captured = [f"{device}:{SUPERLINK_PORT}" for device in self._devices(host)]
            command += ["--capture", *captured, "--capture-dir", self.folder(host, "pcap")]
            self._checked(host, ["mkdir", "-p", self.folder(host, "pcap")])
        marks = {COLLECTORS_MARK: self.trial, RUN_MARK: self.run}
        self._start("collectors", host, command, {**marks, "FEDPROBE_HOST": host.name})
        if wait:
            self._wait_ready(host)

    def _devices(self, host: Host) -> list[str]:
        """The devices of a host that carry the trial's transfers."""
        users = self.nodes if host == self.inventory.server else [host]
        return sorted({host.interfaces[self.network(node)].device for node in users})

    def _start(self, kind: str, host: Host, command: Sequence[str], environment: Mapping[str, str]) -> None:
        log = self.folder(host, "logs", f"{kind}.log")
        shell = self.sessions[host.name]
        pid = shell.start(command, stdout=log, stderr=log, env={**environment, **host.environment})
        self.started.append(Started(kind=kind, host=host, shell=shell, pid=pid, log=log))

    def _find(self, kind: str, host: Host) -> Started:
        return next(one for one in self.started if one.kind == kind and one.host == host)

    def _wait_ready(self, host: Host) -> None:
        process = self._find("collectors", host)
        self._wait(process, lambda: "ready" in process.shell.read_text(process.log).split("\n"), "ready")

    def _wait_port(self, host: Host, port: int, process: Started) -> None:
        state = ["ss", "-Hltn", f"sport = :{port}"]
        self._wait(
            process,
            lambda: bool(self.sessions[host.name].run(state, timeout_s=COMMAND_S).stdout.strip()),
            f"listening on {port}",
        )

    def _wait(self, process: Started, ready: Callable[[], bool], what: str) -> None:
        clock = SystemClock()
        deadline_ns = clock.mono_ns() + int(self.campaign.limits.start_s * 1e9)
        while not ready():
            if not process.shell.alive(process.pid):
                raise TrialError(
                    f"{process.name} ended at its start. {self._last_words(process)}", reason="not started"
                )
            if clock.mono_ns() > deadline_ns:
                raise TrialError(
                    f"{process.name} is not {what} after {self.campaign.limits.start_s:g} s. "
                    f"{self._last_words(process)}",
                    reason="not started",
                )
            sleep_s(POLL_S)

    def log_of(self, kind: str) -> str:
        """What a kind of process of the server's has written to its log so far."""
        process = self._find(kind, self.inventory.server)
        return process.shell.read_text(process.log)

    def _last_words(self, process: Started) -> str:
        log = without_terminal_codes(process.shell.read_text(process.log))
        lines = [line for line in log.splitlines() if line.strip()]
        return f"Its log ends: {' | '.join(lines[-3:])[-400:]}" if lines else "Its log is empty."

    def _flwr(self, arguments: Sequence[str]) -> str:
        server = self.inventory.server
        program = posixpath.join(posixpath.dirname(server.python), "flwr")
        environment = {**QUIET_FLOWER, "FLWR_HOME": self.folder(server, "flwr-home", "cli")}
        command = ["sh", "-c", GO_FIRST, "first", program, *arguments]
        done = self.sessions[server.name].run(command, env=environment, timeout_s=120)
        if done.status != 0 and "{" not in done.text:
            said = done.complaint if done.stderr else done.text.strip()
            raise TrialError(f"flwr {arguments[0]} failed: {said[-400:]}", reason="run failed")
        return done.text

    def _write_connection(self) -> None:
        """Where the `flwr` command on the server host finds the SuperLink."""
        server = self.inventory.server
        home = self.folder(server, "flwr-home", "cli")
        self._checked(server, ["mkdir", "-p", home])
        config = (
            f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
            f'address = "127.0.0.1:{SUPERLINK_PORT}"\n{self.credentials.connection_line()}\n'
        )
        self.sessions[server.name].write_text(posixpath.join(home, "config.toml"), config)

    def _checked(self, host: Host, command: Sequence[str]) -> None:
        self.sessions[host.name].check(command, timeout_s=COMMAND_S)


def _run_config(key: str, value: bool | float | str) -> list[str]:
    return ["--run-config", f"{key}={json.dumps(value)}"]


def _json_of(text: str) -> dict[str, Any]:
    """The JSON document in a command's output, which warnings may precede. Raises TrialError where there is none."""
    start = text.find("{")
    try:
        found = json.loads(text[start:]) if start >= 0 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise TrialError(f"flwr printed no JSON: {text.strip()[-300:]!r}", reason="run failed")
    return found
