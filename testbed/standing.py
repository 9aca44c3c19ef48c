"""The testbed that stands while a run goes on: built for the first trial, and anew where a trial asks for another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from testbed.campaign_conditions import conditions_of, profiles_of
from testbed.emulation import lifecycle
from testbed.emulation.profiles import Profiles
from testbed.errors import FedprobeError
from testbed.every_host import on_every_host
from testbed.interrupts import Interrupts
from testbed.inventory import Host, Inventory
from testbed.login import login_to
from testbed.manifest import described
from testbed.plan import PlannedTrial
from testbed.progress import RunProgress
from testbed.run_folder import RunFolder
from testbed.setting import Setting
from testbed.shell import Shell
from testbed.ssh import connect

TESTBEDS = "testbeds"
ANSWER_S = 10.0


@dataclass(slots=True)
class Standing:
    """Gives each trial its setting. Leaving the `with` block takes the testbed down."""

    campaign_file: Path
    app: Path
    trials: Sequence[PlannedTrial]
    inventory: Inventory | None  # None: the testbed is emulated
    folder: RunFolder
    mark: str
    interrupts: Interrupts
    progress: RunProgress
    _key: str = ""
    _setting: Setting | None = None
    _sessions: dict[str, Shell] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Standing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._setting is not None:
            self.progress.doing("taking the testbed down")
        self._stack.close()

    def setting(self, planned: PlannedTrial) -> Setting:
        """The setting of a trial, its testbed built and its hosts logged in to. Raises FedprobeError."""
        key = testbed_key(planned)
        if self._setting is None or key != self._key:
            self._stack.close()
            self._setting, self._key = None, key
            self._setting = self._built(planned)
        else:
            self._log_in_again(self._setting.inventory)
        return self._setting

    def _built(self, planned: PlannedTrial) -> Setting:
        alike = [trial for trial in self.trials if testbed_key(trial) == self._key]
        clients = max(trial.campaign.clients for trial in alike)
        profiles = None if self.inventory else profiles_of(planned.campaign, self.campaign_file)
        if self.inventory is None:
            self.progress.doing("building the testbed")
        inventory = self._stack.enter_context(self._testbed(planned, alike, clients, profiles))
        self._sessions = self._stack.enter_context(sessions_to(inventory, clients))
        return self.reaching(inventory, self._sessions, profiles)

    def reaching(
        self, inventory: Inventory, sessions: Mapping[str, Shell], profiles: Profiles | None = None
    ) -> Setting:
        """The setting of trials on hosts that are reached by these shells."""
        return Setting(
            app=self.app,
            inventory=inventory,
            profiles=profiles,
            sessions=sessions,
            interrupts=self.interrupts,
            progress=self.progress,
            run=self.mark,
        )

    @contextmanager
    def _testbed(
        self, planned: PlannedTrial, alike: Sequence[PlannedTrial], clients: int, profiles: Profiles | None
    ) -> Iterator[Inventory]:
        if self.inventory is not None:
            yield self.inventory
            return
        inventory = lifecycle.up(
            clients,
            networks=networks_of(alike),
            profiles=profiles,
            held=False,
            seed=planned.campaign.seed,
            conditions=conditions_of(planned.campaign, self.campaign_file),
            run_folder=self.folder.path,
        )
        try:
            (self.folder.path / TESTBEDS).mkdir(exist_ok=True)
            self.folder.write(f"{TESTBEDS}/{inventory.name}.json", described(inventory))
            yield inventory
        finally:
            with self.interrupts.shield():
                lifecycle.down(inventory.name)

    def _log_in_again(self, inventory: Inventory) -> None:
        """Where a login broke off since the last trial; a host that cannot be reached is the trial's to find."""
        lost = on_every_host(list(self._sessions.values()), _answers).errors
        for name in lost:
            host = next(host for host in inventory.hosts if host.name == name)
            try:
                fresh = connect(login_to(inventory, host))
            except FedprobeError:
                continue
            self._sessions[name].close()
            self._sessions[name] = fresh


def testbed_key(planned: PlannedTrial) -> str:
    """Trials with equal keys can run on one testbed."""
    campaign = planned.campaign
    return f"{campaign.clients} clients, seed {campaign.seed}, {campaign.testbed.model_dump_json()}"


def networks_of(trials: Sequence[PlannedTrial]) -> list[str]:
    """The networks that trials use, in the order of their campaign file."""
    used = {trial.interface for trial in trials} | {name for trial in trials for name in trial.networks.values()}
    named = [name for trial in trials for name in trial.campaign.factors.interface]
    return [name for name in dict.fromkeys([*named, *sorted(used)]) if name in used]


def _answers(shell: Shell) -> bool:
    return shell.run(["true"], timeout_s=ANSWER_S).status == 0


@contextmanager
def sessions_to(inventory: Inventory, clients: int) -> Iterator[dict[str, Shell]]:
    """Shells on the server and the first nodes, by host name, for the length of a `with` block.

    Raises HostsFailedError, with a line for each host that could not be logged in to.
    """
    opened: list[Shell] = []

    def open_one(host: Host) -> Shell:
        shell = connect(login_to(inventory, host))
        opened.append(shell)
        return shell

    found: dict[str, Shell] = {}
    try:
        found |= on_every_host([inventory.server, *inventory.nodes[:clients]], open_one).required()
        yield found
    finally:
        for shell in [*found.values(), *(one for one in opened if one not in found.values())]:
            shell.close()
