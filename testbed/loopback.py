"""A whole Flower deployment on this machine's loopback: one SuperLink, N SuperNodes, real processes.

    with Loopback(nodes=2, folder=Path("deployment")) as deployment:
        status = deployment.run(Path("fl_app"), {"num-server-rounds": 2, "num-clients": 2}, timeout_s=300)

Each process has its own log in `folder/logs` and its own Flower home in `folder/homes`; node i serves partition
i of N. `launcher` is put before each `flower-*` command, so that the same deployment runs bare or instrumented.
Apps run in processes that SuperLink and SuperNodes start (form "subprocess"), that SuperExecs of their own start
("process"), or all in one simulation by Ray ("simulation"), which has no SuperNodes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

import psutil

from instrument.clock import SystemClock, sleep_s
from testbed.errors import FedprobeError
from testbed.inventory import Security
from testbed.loopback_tls import PemFiles, Plain
from testbed.process_tree import family, signal_group

HOST = "127.0.0.1"
START_TIMEOUT_S = 60.0
GRACE_S = 10.0
"""From the request to end to the kill. A SuperNode that runs a task needs 1 to 3 s."""

CONNECTION = "loopback"
STATUS_TRIES = 3

RunConfig: TypeAlias = Mapping[str, bool | float | int | str]
Form: TypeAlias = Literal["subprocess", "process", "simulation"]
# given a node's number and where the SuperLink listens, returns where that node looks for it
Route: TypeAlias = Callable[[int, str], str]


class LoopbackError(FedprobeError):
    """A process of the deployment did not start, ended early, or a run did not finish in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """What became of a run; `status` is Flower's word, such as `finished:completed`."""

    run_id: str
    status: str

    @property
    def completed(self) -> bool:
        return self.status == "finished:completed"


class Loopback:
    """Starts the processes on entry, when each is ready for the next, and ends all of them on exit."""

    def __init__(
        self,
        nodes: int,
        folder: Path,
        launcher: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        *,
        form: Form = "subprocess",
        security: Security = "none",
        route: Route | None = None,
    ) -> None:
        self.logs = folder / "logs"
        self._nodes = nodes
        self._form = form
        self._security: Security = security
        self._certificates = folder / "certificates"
        self._tls: Plain | PemFiles = Plain()
        self._route = route or (lambda _, address: address)
        self._homes = folder / "homes"
        self._launcher = tuple(launcher)
        self._environment = dict(environment or {})
        self._port = 0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Loopback:
        self.logs.mkdir(parents=True, exist_ok=True)
        if self._security != "none":
            self._tls = PemFiles(HOST, self._certificates)
        try:
            self._start_superlink()
            for index in range(0 if self._form == "simulation" else self._nodes):
                self._start_supernode(index)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def address(self) -> str:
        """Where the SuperLink listens, as host:port."""
        return f"{HOST}:{self._port}"

    def pid(self, name: str) -> int:
        """The process id of one of the processes that were started here, such as "supernode-0"."""
        return self._processes[name].pid

    def run(self, app: Path, run_config: RunConfig, timeout_s: float) -> RunStatus:
        """Run the app in `app` and wait until it has finished, well or not.

        The strategy of the app waits for its nodes. Raises: LoopbackError if the run was refused, or has not
        finished after `timeout_s`; the deployment's exit then ends it.
        """
        deadline_ns = SystemClock().mono_ns() + int(timeout_s * 1e9)
        overrides = [f"{key}={json.dumps(value)}" for key, value in run_config.items()]
        flags = [word for override in overrides for word in ("--run-config", override)]
        if self._form == "simulation":
            flags += ["--federation-config", f"num-supernodes={self._nodes}"]
        accepted = json.loads(self._flwr("run", str(app), CONNECTION, "--format", "json", *flags))
        if not accepted.get("success"):
            raise LoopbackError(
                f"flwr run {app}: refused: {accepted.get('error-message', accepted)}. Correct the app."
            )
        run_id = str(accepted["run-id"])
        self._follow(run_id, deadline_ns)
        return self._status(run_id)

    def _start_superlink(self) -> None:
        self._port = free_port()
        forms = {"process": ("--isolation", "process"), "simulation": ("--simulation",)}
        self._start(
            "superlink",
            [
                *("flower-superlink", *self._tls.server, "--disable-runtime-dependency-installation"),
                *(("--enable-supernode-auth",) if self._security == "tls+supernode-auth" else ()),
                *("--host", HOST, "--port", str(self._port), *forms.get(self._form, ())),
            ],
            port=self._port,
        )
        self._start_superexec("superlink", self._port)
        home = self._home("flwr")
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.toml").write_text(
            f'[superlink]\ndefault = "{CONNECTION}"\n\n'
            f'[superlink.{CONNECTION}]\naddress = "{self.address}"\n{self._tls.connection}\n',
            encoding="utf-8",
        )

    def _start_supernode(self, index: int) -> None:
        port = free_port()
        self._start(
            f"supernode-{index}",
            [
                *("flower-supernode", *self._tls.client, *self._tls.runtime),
                *self._registered(f"supernode-{index}"),
                *("--superlink", self._route(index, self.address), "--port", str(port)),
                *("--node-config", f"partition-id={index} num-partitions={self._nodes}"),
                *(("--isolation", "process") if self._form == "process" else ()),
            ],
            port=port,
        )
        self._start_superexec(f"supernode-{index}", port)

    def _registered(self, name: str) -> Sequence[str]:
        """Make a key for a SuperNode and tell the SuperLink of it; returns what the SuperNode is told."""
        if self._security != "tls+supernode-auth":
            return ()
        assert isinstance(self._tls, PemFiles)
        private, public = self._tls.supernode_key(name)
        self._flwr("supernode", "register", public, CONNECTION, "--format", "json")
        return ("--auth-supernode-private-key", private)

    def _start_superexec(self, of: str, port: int) -> None:
        """Start what starts the apps of a SuperLink or a SuperNode, where they do not do so themselves."""
        if self._form == "process":
            at = ("--runtime-api-address", f"{HOST}:{port}")
            self._start(f"superexec-of-{of}", ["flower-superexec", *self._tls.client, *at])

    def _start(self, name: str, command: Sequence[str], *, port: int | None = None) -> None:
        """Start a process in a session of its own, and return when its port, if it has one, accepts connections."""
        with self._log(name).open("wb") as log:
            process = subprocess.Popen(
                [*self._launcher, *command],
                env=self._variables(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes[name] = process
        deadline_ns = SystemClock().mono_ns() + int(START_TIMEOUT_S * 1e9)
        while port is not None and not _accepts(port):
            if process.poll() is not None:
                raise LoopbackError(
                    f"{name}: ended with code {process.returncode} at its start: {self._last_words(name)}"
                )
            if SystemClock().mono_ns() > deadline_ns:
                raise LoopbackError(
                    f"{name}: port {port} is closed after {START_TIMEOUT_S:g} s: {self._last_words(name)}"
                )
            sleep_s(0.05)

    def _follow(self, run_id: str, deadline_ns: int) -> None:
        """Return when the run's log has ended, which it does with the run; the log goes to `logs/run-ID.log`.

        Following costs one process that sleeps; asking for the status again and again costs one second of
        processor time for every question, taken from what is being measured.
        """
        remaining_s = max(0.0, (deadline_ns - SystemClock().mono_ns()) / 1e9)
        with self._log(f"run-{run_id}").open("wb") as log:
            try:
                subprocess.run(
                    ["flwr", "log", run_id, CONNECTION, "--stream"],
                    env=self._variables("flwr"),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=remaining_s,
                    check=False,
                )
            except subprocess.TimeoutExpired as late:
                raise LoopbackError(
                    f"run {run_id}: not finished in time, it is {self._status(run_id).status}: "
                    f"{self._last_words('superlink')}"
                ) from late

    def _status(self, run_id: str) -> RunStatus:
        """Flower's word for the run; asked again where a busy SuperLink answers without it."""
        for _ in range(STATUS_TRIES):
            listing = json.loads(self._flwr("list", CONNECTION, "--run-id", run_id, "--format", "json"))
            if listing.get("runs"):
                return RunStatus(run_id=run_id, status=str(listing["runs"][0]["status"]))
        raise LoopbackError(f"run {run_id}: flwr list does not know it: {listing.get('error-message', listing)}")

    def _flwr(self, *arguments: str) -> str:
        """Standard output of one `flwr` command. Raises: LoopbackError if it failed."""
        done = subprocess.run(
            ["flwr", *arguments],
            env=self._variables("flwr"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip()
            raise LoopbackError(f"flwr {' '.join(arguments)}: failed with code {done.returncode}: {said}")
        return done.stdout

    def _variables(self, name: str) -> dict[str, str]:
        """The environment of one process: this interpreter's programs first, and no traffic of Flower's own."""
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        home = {"FLWR_HOME": str(self._home(name))}
        return {**os.environ, "PATH": programs, **home, **self._environment, **quiet}

    def _home(self, name: str) -> Path:
        return self._homes / name

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _last_words(self, name: str) -> str:
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'it said nothing'} (all of it in {self._log(name)})"

    def _stop(self) -> None:
        """End every process started here: nodes first, so that none of them retries a SuperLink that has gone."""
        started = list(reversed(self._processes.values()))
        everyone = [child for process in started for child in family(process.pid)]
        for process in started:
            signal_group(process, signal.SIGTERM)
        _, stubborn = psutil.wait_procs(everyone, timeout=GRACE_S)
        for process in started:
            signal_group(process, signal.SIGKILL)
        for straggler in stubborn:  # a SuperLink's children live in a session of their own
            if straggler.is_running():
                straggler.kill()
        for process in started:
            process.wait()
        self._processes.clear()
        self._tls.remove()


def free_port() -> int:
    """A TCP port of the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
