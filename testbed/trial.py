"""One trial, from the first process to the checked records: each state is on the disk before it is entered.

    planned → preparing → checking → starting → registering → running
            → stopping → fetching → verifying → storing → done

Whatever ends the first of these goes on with stopping. Each has a deadline (`testbed.states`), apart from stopping:
its commands have limits of their own, and all of them must be tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from instrument.clock import SystemClock
from instrument.records import Record
from testbed import quick_look
from testbed.blame import blamed
from testbed.deadline import DeadlineError, deadline
from testbed.deployment import Deployment, TrialError
from testbed.emulation import trial_facts
from testbed.errors import FedprobeError
from testbed.faults.conduct import Faults
from testbed.follow import Follower
from testbed.interrupts import Interrupted
from testbed.keeping import keep
from testbed.machine_watch import MachineWatch
from testbed.path_watch import PathWatch
from testbed.pinning import Pins, pins_of
from testbed.plan import PlannedTrial
from testbed.run_folder import TrialFolder
from testbed.run_state import RunState
from testbed.setting import Setting
from testbed.states import State, limit_s
from testbed.trial_document import asked
from testbed.validity import Invalid, as_documents
from testbed.watch.live_document import TrialNow

INTERRUPTED = "interrupted by the user"
RATES_FILE = "rates.csv"


def conduct(setting: Setting, planned: PlannedTrial, folder: TrialFolder, *, rounds_before: int) -> None:
    """Run one trial and keep what it measured, whole or marked invalid with its reasons.

    `rounds_before` is how many rounds of the campaign were before it, for the progress.

    Raises Interrupted, after the same taking down and keeping, where the user ended it.
    """
    deployment = setting.deployment(planned, folder.attempt)
    setting.progress.began(
        TrialNow(
            name=planned.name, attempt=folder.attempt, interface=planned.interface, rounds=planned.campaign.rounds
        ),
        deployment.addresses,
    )
    folder.add(on_hosts=deployment.trial, testbed=setting.inventory.name, **asked(setting, planned))
    if setting.live is not None:
        folder.add(influxdb_live=True)
        setting.live.began(planned.name)
    to_pin = pins_of(setting.inventory, [(node, deployment.network(node)) for node in deployment.nodes])
    with Pins(setting.sessions, to_pin, setting.interrupts) as pins:
        attempt = _Attempt(setting, deployment, folder, pins, rounds_before)
        interrupted = attempt.measure()
        with setting.interrupts.shield():
            attempt.stop()
            keep(setting, deployment, folder)
            setting.progress.over()
            if setting.live is not None:
                setting.live.over()
    if interrupted:
        raise Interrupted


@dataclass(slots=True)
class _Attempt:
    """The states of a trial in which it is measured, and its stopping. `against`: what speaks against it so far."""

    setting: Setting
    deployment: Deployment
    folder: TrialFolder
    pins: Pins
    rounds_before: int
    against: list[Invalid] = field(default_factory=list)
    watch: PathWatch = field(init=False)
    follower: Follower = field(init=False)
    machine: MachineWatch = field(init=False)
    faults: Faults = field(init=False)
    emulator: trial_facts.Before | None = None

    def __post_init__(self) -> None:
        self.watch = PathWatch(self.deployment)
        self.machine = MachineWatch(self.folder.path, shared=self.setting.inventory.emulator is not None)
        done, progress = self.rounds_before, self.setting.progress
        self.faults = Faults(self.deployment)

        def on_round(state: RunState) -> None:
            progress.rounds_done(done + state.round)
            progress.round_done(state.round)

        live = self.setting.live

        def on_records(records: Sequence[Record]) -> None:
            progress.saw(records)
            if live is not None:
                live.saw(records)

        self.follower = Follower(self.deployment, on_round, self.faults, on_records, with_samples=live is not None)

    def measure(self) -> bool:
        """Go through the states until one fails. Returns whether the user ended it."""
        steps: tuple[tuple[State, Callable[[], None]], ...] = (
            ("preparing", self._prepare),
            ("checking", self._check),
            ("starting", self._start),
            ("registering", self._register),
            ("running", self._run),
        )
        begun_ns = SystemClock().mono_ns()
        for state, step in steps:
            try:
                self.folder.enter(state)
                allowed_s = self._limit_s(state, begun_ns)
                self.setting.progress.entered(state, allowed_s)
                with deadline(allowed_s, state):
                    step()
            except Interrupted:
                self.against.append(Invalid("interrupted", INTERRUPTED))
                return True
            except DeadlineError as error:
                self.against.append(Invalid("time limit", f"{error}{self._wait(state)}"))
            except FedprobeError as error:
                self.against.append(blamed(error, "run failed" if state == "running" else "not started"))
            if self.against:
                return False
        return False

    def _limit_s(self, state: State, begun_ns: int) -> float:
        campaign = self.deployment.campaign
        limits = campaign.limits
        own_s = limit_s(state, limits, rounds=campaign.rounds, hosts=len(self.deployment.hosts))
        if limits.trial_s is None:
            return own_s
        return min(own_s, limits.trial_s - (SystemClock().mono_ns() - begun_ns) / 1e9)

    def _wait(self, state: State) -> str:
        return f": {self.follower.waits_for()}" if state == "running" else ""

    def _prepare(self) -> None:
        """Folders first of all: what is fetched in the end must be of this trial."""
        deployment = self.deployment
        self.setting.progress.doing(
            f"{deployment.trial}: starting Flower on {len(deployment.nodes)} nodes, collectors"
        )
        deployment.prepare()
        deployment.put_app(self.setting.app)
        self.pins.apply()

    def _check(self) -> None:
        self.setting.before_timed()
        self.against += quick_look.unfit(self.deployment)
        if not self.against:
            self.machine.begin()
            self.emulator = trial_facts.before(self.setting.inventory)
            self.watch.look_before()
            self.faults.prepare()

    def _start(self) -> None:
        """Collectors while the SuperLink, which takes seconds to listen, does so."""
        deployment = self.deployment
        deployment.begin_superlink()
        deployment.start_collectors()
        deployment.wait_superlink()
        deployment.register_supernodes()
        if deployment.registered:
            self.folder.add(registered_nodes=dict(deployment.registered))
        deployment.start_supernodes()

    def _register(self) -> None:
        self.follower.wait_registered(len(self.deployment.nodes))

    def _run(self) -> None:
        deployment, rounds = self.deployment, self.deployment.campaign.rounds
        self.setting.progress.doing(f"{deployment.trial}: running {rounds} rounds over {deployment.interface}")
        run_id = deployment.submit()
        self.folder.add(run_id=run_id)
        self.faults.begin()
        self.follower.wait_finished()
        status = deployment.finish(run_id)
        self.folder.add(flower_status=status)
        if status != "finished:completed":
            raise TrialError(f"Flower says {status} of the run. The SuperLink's log is in the trial's folder.")

    def stop(self) -> None:
        """End every process, and write down what the keeping of the records needs."""
        deployment = self.deployment
        self.setting.progress.doing(f"{deployment.trial}: stopping")
        self.setting.progress.entered("stopping", None)
        try:
            self.folder.enter("stopping", reasons=as_documents(self.against))
        finally:  # a full disk must not leave processes on the hosts
            self.machine.end()
            not_undone = self.faults.end()
            deployment.stop()
        ended_well = not self.against
        problems = [*not_undone, *self.faults.end_disks(), *deployment.not_ended, *self.watch.look_after()]
        left_behind = self.pins.undo()
        emulator: dict[str, object] = {}
        try:
            emulator = trial_facts.during(self.setting.inventory, deployment.interface, self.emulator)
            self._keep_rates()
            self.machine.keep()
        except (FedprobeError, ValueError, OSError) as error:
            problems.append(str(error))
        if ended_well:
            self.against += [Invalid("node lost", problem) for problem in problems]
        self.against += [Invalid("another interface", problem) for problem in left_behind]
        self.folder.add(reasons=as_documents(self.against), looks=self.watch.as_document(), emulator=emulator)
        self.folder.add(**self.faults.facts())

    def _keep_rates(self) -> None:
        """The rates that a trace made of the trial's link, beside its records."""
        applied = trial_facts.rates_applied(self.setting.inventory, self.deployment.interface)
        if applied is not None:
            (self.folder.path / RATES_FILE).write_text(applied, encoding="ascii")
