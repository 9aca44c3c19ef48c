"""The testbed that stands while a run goes on: built for the first trial, and anew where a trial asks for another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType

from testbed.design.testbeds import AskedTestbed
from testbed.emulation import lifecycle
from testbed.emulation.profiles import Profiles
from testbed.errors import FedprobeError
from testbed.every_host import Outcomes, on_every_host
from testbed.faults.refusals import require_hosts
from testbed.interrupts import Interrupts
from testbed.inventory import Host, Inventory
from testbed.login import login_to
from testbed.manifest import described
from testbed.plan import PlannedTrial
from testbed.prepared import Prepared
from testbed.progress import RunProgress
from testbed.run_folder import RunFolder
from testbed.setting import Setting
from testbed.shell import Shell
from testbed.sink.live import Live
from testbed.ssh import connect

TESTBEDS = "testbeds"
ANSWER_S = 10.0


@dataclass(slots=True)
class Standing:
    """Gives each trial its setting. Leaving the `with` block takes the testbed down."""

    prepared: Prepared
    folder: RunFolder
    mark: str
    interrupts: Interrupts
    progress: RunProgress
    before_timed: Callable[[], None] = lambda: None
    live: Live | None = None
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

    def has(self, testbed: str) -> bool:
        """Whether the testbed of that name stands now."""
        return self._setting is not None and self._setting.inventory.name == testbed

    def setting(self, planned: PlannedTrial) -> Setting:
        """The setting of a trial, its testbed built and its hosts logged in to. Raises FedprobeError."""
        if self._setting is None or planned.testbed_key != self._key:
            self._stack.close()
            self._setting, self._key = None, planned.testbed_key
            self._setting = self._built(self.prepared.testbed_of(planned))
        else:
            self._log_in_again(self._setting.inventory)
        return replace(self._setting, app=self.prepared.app_of(planned))

    def _built(self, asked: AskedTestbed) -> Setting:
        inventory = self._stack.enter_context(self._testbed(asked))
        self._sessions = self._stack.enter_context(sessions_to(inventory, asked.clients))
        require_hosts(self.prepared.campaign, inventory, self._sessions)
        return self.reaching(inventory, self._sessions, asked.profiles)

    def reaching(
        self, inventory: Inventory, sessions: Mapping[str, Shell], profiles: Profiles | None = None
    ) -> Setting:
        """The setting of trials on hosts that are reached by these shells."""
        return Setting(
            app=self.prepared.app,
            inventory=inventory,
            profiles=profiles,
            sessions=sessions,
            interrupts=self.interrupts,
            progress=self.progress,
            run=self.mark,
            before_timed=self.before_timed,
            live=self.live,
        )

    @contextmanager
    def _testbed(self, asked: AskedTestbed) -> Iterator[Inventory]:
        if self.prepared.inventory is not None:
            yield self.prepared.inventory
            return
        self.progress.doing("building the testbed")
        inventory = lifecycle.up(
            asked.clients,
            networks=asked.networks,
            profiles=asked.profiles,
            held=False,
            seed=self.prepared.campaign.seed,
            conditions=asked.conditions,
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


def _answers(shell: Shell) -> bool:
    return shell.run(["true"], timeout_s=ANSWER_S).status == 0


@contextmanager
def sessions_to(inventory: Inventory, clients: int) -> Iterator[dict[str, Shell]]:
    """Shells on the server and the first nodes, by host name, for the length of a `with` block.

    One that is put in the place of another is closed too.

    Raises HostsFailedError, with a line for each host that could not be logged in to.
    """
    with logins_to(inventory, clients) as logins:
        found = dict(logins.required())
        try:
            yield found
        finally:
            for shell in found.values():
                shell.close()


@contextmanager
def logins_to(inventory: Inventory, clients: int) -> Iterator[Outcomes[Shell]]:
    """As `sessions_to`, with the hosts that could not be logged in to among the outcomes."""
    opened: list[Shell] = []

    def open_one(host: Host) -> Shell:
        shell = connect(login_to(inventory, host))
        opened.append(shell)
        return shell

    try:
        yield on_every_host([inventory.server, *inventory.nodes[:clients]], open_one)
    finally:
        for shell in opened:
            shell.close()
