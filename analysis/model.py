"""What analysis knows of a trial: every message's intervals on one axis, the rounds, and what each was charged to.

All `*_ns` here lie on one axis, the server host's monotonic clock; other hosts' readings were mapped onto it by
`analysis.timeline`, which says how wrong that may be. Durations are in seconds. None means "not measured".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of the axis, start <= end."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A stretch of a round charged to exactly one phase ("residual" where nothing explains it)."""

    phase: str
    interval: Interval
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRates:
    """The rates of one network, in bit/s on the wire; `None` capacity means a switch that shares nothing.

    `half_duplex` says that both directions share `cell_down_bit_per_s`.
    """

    interface: str
    client_down_bit_per_s: float
    client_up_bit_per_s: float
    cell_down_bit_per_s: float | None
    cell_up_bit_per_s: float | None
    half_duplex: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One direction of one message over the network.

    `whole_s` = first start to last end, two-ended, or by one host where nothing ties its clock to the axis;
    `active_s` = the union over objects; `stall_s` = the rest.
    `one_host_s` (active) and `one_host_whole_s` (whole) are estimates that need no clock agreement. Each has
    the bound of its own error beside it.
    `active_s` is by the estimator with the smaller error, which `estimator` names ("two-ended" or "one-host");
    `two_ended_s` is the two-ended one, whose error `two_ended_error_s` bounds. `bound_s` is the fluid bound of this
    transfer among the others that overlap it, `alone_bound_s` its least time with the link to itself (None where the
    link's rates are unknown). `busy` are the stretches
    with an object under way, `busy_bytes` the payload of each. `attempts` counts requests made for the objects:
    more than `objects` where some failed or came too early. `read_late_s` is how long the last bytes of objects lay
    in the receiver's kernel before its application read them, added up: no part of the times above.
    `alternatives` holds what other definitions would give, by name, in seconds.
    """

    direction: str
    interval: Interval
    whole_s: float
    active_s: float
    stall_s: float
    two_ended_error_s: float
    one_host_s: float | None
    one_host_error_s: float | None
    payload_bytes: int
    objects: int
    attempts: int
    outcome: str
    busy: Sequence[Interval] = ()
    bound_s: float | None = None
    local_ports: Sequence[int] = ()
    alternatives: Mapping[str, float] = field(default_factory=dict)
    busy_bytes: Sequence[int] = ()
    two_ended_s: float | None = None
    estimator: str = "two-ended"
    one_host_whole_s: float | None = None
    one_host_whole_error_s: float | None = None
    alone_bound_s: float | None = None
    read_late_s: float = 0.0

    @property
    def over_bound(self) -> float | None:
        """Active time over its fluid bound: 1 is what physics allows."""
        return self.active_s / self.bound_s if self.bound_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTimes:
    """One message to one node and its reply: raw intervals by phase, which may overlap, and both transfers.

    `function` is "train", "test" or "validate"; `outcome` "ok", "error:<code>", "lost" or "censored"; `error_code` is
    Flower's, where the ServerApp was given one.
    `missing` names the phases that could not be built, so that a hole is seen and not averaged over.
    `node_busy_s` is the share of wait_downlink in which the node handled another message: no polling explains it.
    `waited_for_core_s` is how long a phase's process was runnable without a core, by phase, where that is known
    (`analysis.starvation` says of which process, and which of them are estimates).
    """

    message_id: str
    round: int
    function: str
    node: str
    outcome: str
    intervals: Mapping[str, Interval]
    downlink: Transfer | None
    uplink: Transfer | None
    missing: Sequence[str] = ()
    wait_collect_parts: Mapping[str, float] = field(default_factory=dict)
    announced_early_s: float = 0.0
    node_busy_s: float = 0.0
    waited_for_core_s: Mapping[str, float] = field(default_factory=dict)
    error_code: int | None = None

    def seconds(self, phase: str) -> float | None:
        """The raw length of a phase, overlaps not removed; None where it was not measured."""
        interval = self.intervals.get(phase)
        return interval.seconds if interval is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTimes:
    """One round: first configure to last aggregate, and the phases that its critical path waited for.

    `t_r_s` is the paper's: the maximum over nodes of downlink + train + test + validate + uplink.
    `charges` tile `interval`; what is not explained is charged to "residual". `complete` is False where a client
    failed or is missing: such a round is reported and kept out of comparisons. Where the records of a client that did
    not fail cannot be read, there are no charges, no t_r and no straggler: any of them might be that client's. Where
    the critical node's clock is not known there are no charges, since its phases have no place in the round.
    """

    round: int
    interval: Interval
    t_r_s: float | None
    charges: Sequence[Charge]
    critical_nodes: Sequence[str]
    complete: bool
    straggler: str = ""

    @property
    def wall_s(self) -> float:
        """The length of the round."""
        return self.interval.seconds

    def charged_s(self, phase: str) -> float:
        """Seconds of this round charged to a phase."""
        return sum(charge.interval.seconds for charge in self.charges if charge.phase == phase)

    @property
    def residual_share(self) -> float:
        """Share of the round that no phase explains."""
        return self.charged_s("residual") / self.wall_s if self.wall_s else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFit:
    """How one host's clock was mapped onto the server's: by what source, from how many exchanges, how well.

    `error_s` bounds the mapping inside the trial; infinite where no exchange exists and the clocks differ.
    """

    host: str
    source: str
    exchanges: int
    offset_s: float
    drift_ppm: float
    error_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureCounts:
    """One packet capture that was made: what tcpdump counted. None where it ended before it was told to."""

    host: str
    interface: str
    packets: int | None
    dropped: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEffect:
    """One time that a fault which the campaign asked for was applied to a host, and what came of it.

    `start_s` and `undone_s` count from the trial's first configure, `since_s` from `since`; None: it was not undone,
    or its host's clock is not known. `round` is the one in which it began. `noticed_s` is how long Flower took until
    the ServerApp had an error reply for that host: None where none came. `lost` are the rounds from then on that are
    not complete; `delay_s` is how much longer the slowest round that it touched took than the median of those that no
    fault touched. `wasted_s` adds up the lives of ClientApps on that host whose reply never counted.
    """

    fault: str
    does: str
    host: str
    phase: str
    detail: str
    since: str
    since_s: float
    start_s: float | None
    undone_s: float | None = None
    round: int | None = None
    noticed_s: float | None = None
    error_codes: Sequence[int] = ()
    lost: Sequence[int] = ()
    delay_s: float | None = None
    wasted_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingHook:
    """A module of Flower's that processes of one role on one host were not hooked in, and why."""

    host: str
    role: str
    name: str
    reason: str
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFacts:
    """What the runner wrote of a trial (`trial.json`); empty for a spool folder that `instrument` wrote.

    `reasons` are those of docs/validity.md with their details, `reason` the same in words.
    """

    name: str
    interface: str
    outcome: str = "ok"
    reason: str = ""
    reasons: Sequence[Mapping[str, object]] = ()
    warmup: bool = False
    rounds: int | None = None
    nodes: Sequence[str] = ()
    link: LinkRates | None = None
    emulator: Mapping[str, object] = field(default_factory=dict)
    checks: Sequence[Mapping[str, object]] = ()
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTimes:
    """Everything analysis made of one trial.

    `unreadable` are spool files of which nothing was used: host, role, and what is wrong. `captures` are packet
    captures that were made, `failed_captures` host and reason of those that were not, or not to their end;
    `refused_priorities` host and reason of each process that did not get the priority asked for it, or not whole.
    """

    facts: TrialFacts
    messages: Sequence[MessageTimes]
    rounds: Sequence[RoundTimes]
    clocks: Sequence[ClockFit]
    scores: Sequence[tuple[int, str, Mapping[str, float]]] = ()
    score_times_s: Sequence[float] = ()
    models: Mapping[int, str] = field(default_factory=dict)
    evaluate_server_s: Sequence[float] = ()
    faults: Sequence[str] = ()
    effects: Sequence[FaultEffect] = ()
    missing_hooks: Sequence[MissingHook] = ()
    cut_segments: Sequence[str] = ()
    unreadable: Sequence[tuple[str, str, str]] = ()
    captures: Sequence[CaptureCounts] = ()
    failed_captures: Sequence[tuple[str, str]] = ()
    refused_priorities: Sequence[tuple[str, str]] = ()
    dropped_records: int = 0
    records: int = 0
    sleeps_s: Mapping[str, float] = field(default_factory=dict)
    collector_cost_s: Mapping[str, float] = field(default_factory=dict)
    collector_cpu_s: Mapping[str, float] = field(default_factory=dict)
    collector_late_s: Mapping[str, float] = field(default_factory=dict)
