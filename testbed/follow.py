"""Follows a trial while it runs: nodes that register, rounds that end, replies that are errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from instrument.clock import SystemClock, sleep_s
from instrument.records import Record, Serve
from testbed.deployment import Deployment, TrialError
from testbed.errors import FedprobeError
from testbed.faults.conduct import Faults
from testbed.run_state import NODE_UNAVAILABLE, RunState
from testbed.spool_tail import SpoolTail
from testbed.validity import Reason

POLL_S = 0.5
REGISTERED_POLL_S = 0.2
ACTIVATED = re.compile(r'"POST /v1/fleet/activate-node HTTP/[0-9.]+" 200')
LOOK_NS = 1_000_000_000
LIVENESS_NS = 5_000_000_000
CLOCKS_NS = 30_000_000_000  # between two exchanges of clocks: each is a login session on every node


class Follower:
    """Waits for the events of one trial. Raises TrialError where they do not come, which says what was waited for."""

    def __init__(
        self,
        deployment: Deployment,
        on_round: Callable[[RunState], None],
        faults: Faults | None = None,
        on_records: Callable[[Sequence[Record]], None] = lambda _: None,
        *,
        with_samples: bool = False,
    ) -> None:
        self._deployment = deployment
        self._faults = faults or Faults(deployment)
        self._on_round = on_round
        self._on_records = on_records
        self._state = RunState()
        self._clock = SystemClock()
        self._checked_ns = self._exchanged_ns = self._looked_ns = self._clock.mono_ns()
        server = deployment.inventory.server
        shell, folder = deployment.sessions[server.name], deployment.folder(server, "spool")
        self._superlink = SpoolTail(shell, folder, "flower-superlink")
        self._server_app = SpoolTail(shell, folder, "flwr-serverapp")
        self._looked_at = [self._superlink, *([SpoolTail(shell, folder, "collector")] if with_samples else [])]

    def wait_registered(self, nodes: int) -> None:
        """Return when so many SuperNodes are active at the SuperLink."""
        registered = 0

        def all_registered() -> bool:
            nonlocal registered
            records = list(self._superlink.new_records())
            self._on_records(records)
            for record in records:
                if isinstance(record, Serve) and record.path.endswith("/activate-node") and record.status == 200:
                    registered += 1
            return max(registered, self._registered_in_log()) >= nodes

        limit_s = self._deployment.campaign.limits.start_s
        if not self._until(all_registered, limit_s, poll_s=REGISTERED_POLL_S):
            raise TrialError(
                f"{registered} of {nodes} SuperNodes registered within {limit_s:g} s. "
                "See their logs in the trial's folder.",
                reason="not started",
            )

    def _registered_in_log(self) -> int:
        """How many SuperNodes the SuperLink's log tells of: a second before its records do, where it does."""
        return len(ACTIVATED.findall(self._deployment.log_of("superlink")))

    def wait_finished(self) -> RunState:
        """Return when the ServerApp's process has ended."""
        state, limit_s = self._state, self._deployment.campaign.limits.round_s
        while not state.process_ended:
            before = state.round

            def moved_on(before: int = before) -> bool:
                self._take_new()
                self._look_at_superlink()
                self._faults.round_began(state.begun)
                _refuse_errors(state, self._deployment, self._faults)
                return state.round != before or state.process_ended

            if not self._until(moved_on, limit_s):
                raise TrialError(
                    f"round {state.round + 1} did not end within {limit_s:g} s (limits.round_s of the campaign "
                    f"file): {self.waits_for()}",
                    reason="time limit",
                )
            self._on_round(state)
            self._exchange_clocks(state)
        if state.strategy_error:
            raise TrialError(f"the ServerApp's strategy raised {state.strategy_error}", reason="run failed")
        return state

    def _take_new(self) -> None:
        """What the ServerApp has written since the last time."""
        records = list(self._server_app.new_records())
        for record in records:
            self._state.take(record)
        self._on_records(records)

    def _look_at_superlink(self) -> None:
        """Once a second what the SuperLink has written, and the server's collector where its samples are asked for.

        Views alone need it: no failure of it counts.
        """
        now_ns = self._clock.mono_ns()
        if now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        for tail in self._looked_at:
            with suppress(FedprobeError):
                self._on_records(list(tail.new_records()))

    def waits_for(self) -> str:
        """Which wait it is, while the run goes on."""
        return self._state.waits_for(len(self._deployment.nodes))

    def _exchange_clocks(self, state: RunState) -> None:
        """After a round, where the last exchange is some time ago."""
        now_ns = self._clock.mono_ns()
        if now_ns - self._exchanged_ns >= CLOCKS_NS and not state.process_ended:
            self._deployment.exchange_clocks()
            self._exchanged_ns = now_ns

    def _check_server_app(self) -> None:
        """Raises TrialError where it was killed: it then writes no record of its end, and Flower may not say so."""
        header, server = self._state.server_app, self._deployment.inventory.server
        if header is None or self._deployment.sessions[server.name].alive(header.pid):
            return
        self._take_new()
        if not self._state.process_ended:
            raise TrialError(
                f"the ServerApp (process {header.pid} on {server.name}) ended without its last records: it was "
                "killed. See that host's journal for the kernel's out-of-memory messages."
            )

    def _until(self, reached: Callable[[], bool], limit_s: float, poll_s: float = POLL_S) -> bool:
        deadline_ns = self._clock.mono_ns() + int(limit_s * 1e9)
        while not reached():
            now_ns = self._clock.mono_ns()
            if now_ns > deadline_ns:
                return False
            if now_ns - self._checked_ns > LIVENESS_NS:
                self._deployment.check_alive(self._faults.may_end)
                self._check_server_app()
                self._checked_ns = now_ns
            sleep_s(poll_s)
        return True


def _refuse_errors(state: RunState, deployment: Deployment, faults: Faults) -> None:
    """A reply that is an error spoils the round for every client: the trial ends here, unless a fault excuses it."""
    errors = faults.unexcused(state.errors, state.errors_of_round)
    if not errors:
        return
    reasons = sorted({reply.error_reason or f"code {reply.error_code}" for reply in errors})
    lost = any(reply.error_code == NODE_UNAVAILABLE for reply in errors)
    reason: Reason = "node lost" if lost else "run failed"
    raise TrialError(
        f"{len(errors)} of {len(deployment.nodes)} clients answered round {state.round + 1} with an error: "
        f"{'; '.join(reasons)[:300]}. The ClientApps' logs are in the trial's folder, logs/*/supernode.log.",
        reason=reason,
    )
