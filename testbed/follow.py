"""Follows a trial while it runs: nodes that register, rounds that end, replies that are errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from instrument.clock import SystemClock, sleep_s
from instrument.records import Dispatch, End, Record, Reply, Score, Serve, Span
from testbed.deployment import Deployment, TrialError
from testbed.faults.conduct import Faults
from testbed.spool_tail import SpoolTail

POLL_S = 0.5
LIVENESS_NS = 5_000_000_000
CLOCKS_NS = 30_000_000_000  # between two exchanges of clocks: each is a login session on every node

Said = Callable[[str], None]


@dataclass(slots=True)
class RunState:
    """What the ServerApp's records have told so far."""

    round: int = 0
    begun: int = 0
    accuracy: float | None = None
    strategy_ended: bool = False
    strategy_error: str | None = None
    process_ended: bool = False
    errors: list[Reply] = field(default_factory=list)
    errors_of_round: list[Reply] = field(default_factory=list)

    def take(self, record: Record) -> None:
        """Learn from one record."""
        match record:
            case Span(name="aggregate", message_type="train", round=number) if number:
                self.round = number
            case Dispatch(round=number) if number > self.begun:
                self.begun, self.errors_of_round = number, []
            case Span(name="strategy", error=error):
                self.strategy_ended, self.strategy_error = True, error
            case Score(source="server", metrics=metrics):
                self.accuracy = metrics.get("accuracy", self.accuracy)
            case Reply(error_code=code) if code is not None:
                self.errors.append(record)
                self.errors_of_round.append(record)
            case End():
                self.process_ended = True


class Follower:
    """Waits for the events of one trial. Raises TrialError where they do not come."""

    def __init__(
        self, deployment: Deployment, on_round: Callable[[RunState], None], faults: Faults | None = None
    ) -> None:
        self._deployment = deployment
        self._faults = faults or Faults(deployment)
        self._on_round = on_round
        self._clock = SystemClock()
        self._checked_ns = self._exchanged_ns = self._clock.mono_ns()
        server = deployment.inventory.server
        shell, folder = deployment.sessions[server.name], deployment.folder(server, "spool")
        self._superlink = SpoolTail(shell, folder, "flower-superlink")
        self._server_app = SpoolTail(shell, folder, "flwr-serverapp")

    def wait_registered(self, nodes: int) -> None:
        """Return when so many SuperNodes are active at the SuperLink."""
        registered = 0

        def all_registered() -> bool:
            nonlocal registered
            for record in self._superlink.new_records():
                if isinstance(record, Serve) and record.path.endswith("/activate-node") and record.status == 200:
                    registered += 1
            return registered >= nodes

        limit_s = self._deployment.campaign.limits.start_s
        if not self._until(all_registered, limit_s):
            raise TrialError(
                f"{registered} of {nodes} SuperNodes registered within {limit_s:g} s. "
                "See their logs in the trial's folder."
            )

    def wait_finished(self) -> RunState:
        """Return when the ServerApp's process has ended."""
        state, limit_s = RunState(), self._deployment.campaign.limits.round_s
        while not state.process_ended:
            before = state.round

            def moved_on(before: int = before) -> bool:
                for record in self._server_app.new_records():
                    state.take(record)
                self._faults.round_began(state.begun)
                _refuse_errors(state, self._deployment, self._faults)
                return state.round != before or state.process_ended

            if not self._until(moved_on, limit_s):
                raise TrialError(
                    f"round {state.round + 1} did not end within {limit_s:g} s (limits.round_s of the campaign file)"
                )
            self._on_round(state)
            self._exchange_clocks(state)
        if state.strategy_error:
            raise TrialError(f"the ServerApp's strategy raised {state.strategy_error}")
        return state

    def _exchange_clocks(self, state: RunState) -> None:
        """After a round, where the last exchange is some time ago."""
        now_ns = self._clock.mono_ns()
        if now_ns - self._exchanged_ns >= CLOCKS_NS and not state.process_ended:
            self._deployment.exchange_clocks()
            self._exchanged_ns = now_ns

    def _until(self, reached: Callable[[], bool], limit_s: float) -> bool:
        deadline_ns = self._clock.mono_ns() + int(limit_s * 1e9)
        while not reached():
            now_ns = self._clock.mono_ns()
            if now_ns > deadline_ns:
                return False
            if now_ns - self._checked_ns > LIVENESS_NS:
                self._deployment.check_alive(self._faults.may_end)
                self._checked_ns = now_ns
            sleep_s(POLL_S)
        return True


def _refuse_errors(state: RunState, deployment: Deployment, faults: Faults) -> None:
    """A reply that is an error spoils the round for every client: the trial ends here, unless a fault excuses it."""
    errors = faults.unexcused(state.errors, state.errors_of_round)
    if not errors:
        return
    reasons = sorted({reply.error_reason or f"code {reply.error_code}" for reply in errors})
    raise TrialError(
        f"{len(errors)} of {len(deployment.nodes)} clients answered round {state.round + 1} with an error: "
        f"{'; '.join(reasons)[:300]}. The ClientApps' logs are in the trial's folder, logs/*/supernode.log."
    )
