"""What is written into a database: each measurement with its tags and fields, their types, units and meanings.

The one list, from which the points are made and checked and the table in docs/influxdb.md is written. Sampled metrics
come from `instrument.metrics`, by what they are of; what a round was charged to from `instrument.phases`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from instrument.metrics import HOST, INTERFACE, METRICS, PROCESS
from instrument.phases import PHASES

TAGS: Mapping[str, str] = {
    "campaign": "the campaign's name",
    "scenario": "the trial's condition without its repetition: network, polling, the levels that vary",
    "iface": "the trial's network: ethernet, wifi, 5g; in link that of the sampled interface, also management",
    "node": "the host",
    "role": "server or client; in process the Flower process's; other for programs that are not the campaign's",
}
PHASE_TAG: Mapping[str, str] = {"phase": "the phase, or uplink and downlink for a transfer"}
SAMPLED: Mapping[str, str] = {HOST: "system", PROCESS: "process", INTERFACE: "link"}
RESIDUAL = "residual"  # what no phase explains, as analysis.breakdown calls it
NO_UNIT = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its type, which is the same for ever, and its unit; empty where it counts or names something."""

    name: str
    type: type[bool] | type[int] | type[float] | type[str]
    unit: str
    description: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement: every point has all of its tags and one or more of its fields."""

    name: str
    description: str
    tags: Mapping[str, str]
    fields: Mapping[str, Field]


def charged_field(phase: str) -> str:
    """The field of fl_round that holds what was charged to a phase."""
    return f"charged_{phase}_s"


def metrics_of(measurement: str) -> list[str]:
    """The metrics whose values are fields of a measurement."""
    return [name for name, metric in METRICS.items() if SAMPLED[metric.subject] == measurement]


def _measurement(name: str, description: str, *fields: Field, by_phase: bool = False) -> Measurement:
    tags = {**TAGS, **PHASE_TAG} if by_phase else TAGS
    return Measurement(name, description, tags, {field.name: field for field in fields})


def _sampled(name: str, description: str, *fields: Field) -> Measurement:
    metrics = [METRICS[metric] for metric in metrics_of(name)]
    values = (Field(one.name, one.type, one.unit, one.description) for one in metrics)
    return _measurement(name, description, *values, *fields, _LATE, _TRIAL)


_TRIAL = Field("trial", str, NO_UNIT, "the trial's name")
_LATE = Field("collector_late_s", float, "s", "how long after its schedule the reading was made")
_REP = Field("rep", int, NO_UNIT, "the repetition, from 1")
_ROUND = Field("round", int, NO_UNIT, "the round, from 1")
_WARMUP = Field("warmup", bool, NO_UNIT, "whether it is of a round or trial that the campaign marked as warm-up")
_FUNCTION = Field("function", str, NO_UNIT, "train, test or validate: what the message asked for")
_MESSAGE = Field("message_id", str, NO_UNIT, "Flower's id of the message")
_OUTCOME = Field("outcome", str, NO_UNIT, "ok, error:CODE, lost or censored")
_CLOCK_ERROR = Field("clock_error_s", float, "s", "bound of how far the host's clock was mapped wrong")

_ALL = (
    _measurement(
        "fl_phase",
        "One phase of one message; what a round does once (configure, publish, aggregate, evaluate_server) is the "
        "server's, once. Phases of one message may overlap.",
        Field("duration_s", float, "s", "how long it took, overlaps with other phases not removed"),
        _FUNCTION,
        _OUTCOME,
        _MESSAGE,
        Field("waited_for_core_s", float, "s", "how long the phase's process was runnable and no core ran it"),
        _CLOCK_ERROR,
        _ROUND,
        _REP,
        _TRIAL,
        _WARMUP,
        by_phase=True,
    ),
    _measurement(
        "fl_round",
        "One round: first configure to last aggregate, and the phases that its critical path waited for.",
        Field("duration_s", float, "s", "the round's wall time"),
        Field("t_r_s", float, "s", "the paper's round: the longest downlink + train + test + validate + uplink"),
        Field("residual_share", float, "1", "share of the round that no phase explains; absent without charges"),
        Field("straggler", str, NO_UNIT, "the node that was waited for"),
        Field("complete", bool, NO_UNIT, "whether every client finished: others are kept out of comparisons"),
        Field("clients_ok", int, "{client}", "clients of which every message of the round ended well"),
        Field("clients_failed", int, "{client}", "the other clients of the round"),
        Field("accuracy", float, "1", "accuracy after the round, by score_source"),
        Field("loss", float, "1", "loss after the round, by score_source"),
        Field("score_source", str, NO_UNIT, "server, evaluate or train: who made accuracy and loss"),
        _ROUND,
        _REP,
        _TRIAL,
        _WARMUP,
        *(Field(charged_field(name), float, "s", f"charged to {name}: {of.spans}") for name, of in PHASES.items()),
        Field(charged_field(RESIDUAL), float, "s", "charged to no phase"),
    ),
    _measurement(
        "fl_transfer",
        "One direction of one message over the network.",
        Field("active_s", float, "s", "union over objects of their time on the way, by `estimator`"),
        Field("stall_s", float, "s", "the rest of whole_s"),
        Field("whole_s", float, "s", "first start to last end"),
        Field("active_error_s", float, "s", "bound of the error of active_s"),
        Field("bound_s", float, "s", "the least that the link's rates allow, beside the other transfers"),
        Field("over_bound", float, "1", "active_s over bound_s"),
        Field("payload_bytes", int, "By", "bytes of its objects"),
        Field("objects", int, "{object}", "objects"),
        Field("attempts", int, "{request}", "requests made for them"),
        Field("estimator", str, NO_UNIT, "two-ended or one-host: where active_s is from"),
        Field("two_ended_s", float, "s", "active time read at both ends"),
        Field("one_host_s", float, "s", "active time read on one host, which needs no clock agreement"),
        Field("read_late_s", float, "s", "how long its bytes lay in the receiver's kernel: no part of the others"),
        _OUTCOME,
        _FUNCTION,
        _MESSAGE,
        _ROUND,
        _REP,
        _TRIAL,
        _WARMUP,
        by_phase=True,
    ),
    _sampled(
        "system",
        "One look at a host, by one collector: as many points at a moment as collectors looked.",
        Field("subject", str, NO_UNIT, "one program of role other, NAME:PID; absent where it is the whole host"),
    ),
    _sampled(
        "process",
        "One look at a Flower process; process_count, of no one process, has the host's role and no pid.",
        Field("pid", int, NO_UNIT, "process id"),
    ),
    _sampled(
        "link",
        "One look at an interface: counters since its start.",
        Field("device", str, NO_UNIT, "its name on the host"),
    ),
    _measurement(
        "clock",
        "How one clock of a host was mapped onto the server's in a trial; at the trial's start.",
        Field("offset_s", float, "s", "the server's clock less this one, at its first use"),
        Field("drift_ppm", float, "ppm", "how fast the offset grows"),
        Field("error_s", float, "s", "bound of the mapping's error inside the trial; absent where nothing bounds it"),
        Field("exchanges", int, "{exchange}", "exchanges that it was made from"),
        Field("source", str, NO_UNIT, "what bounds it best: management, requests, chrony, same clock, none"),
        _TRIAL,
    ),
    _measurement(
        "fault",
        "One time that a fault which the campaign asked for was applied to a host, or missed.",
        Field("fault", str, NO_UNIT, "the fault's name in the campaign"),
        Field("does", str, NO_UNIT, "what it does"),
        Field("state", str, NO_UNIT, "applied or missed"),
        Field("detail", str, NO_UNIT, "how"),
        Field("duration_s", float, "s", "until it was undone; absent where it was not"),
        Field("noticed_s", float, "s", "until the ServerApp had an error reply for the host"),
        Field("delay_s", float, "s", "how much longer the slowest touched round took than the median of the others"),
        Field("wasted_s", float, "s", "lives of ClientApps on the host whose reply never counted"),
        _ROUND,
        _TRIAL,
    ),
    _measurement(
        "trial",
        "One trial, at its start.",
        Field("outcome", str, NO_UNIT, "ok, invalid, unfinished"),
        Field("valid", bool, NO_UNIT, "whether nothing speaks against it"),
        Field("reasons", str, NO_UNIT, "what speaks against it: REASON: DETAIL; ..."),
        Field("wall_s", float, "s", "all of the trial"),
        Field("rounds_s", float, "s", "its rounds"),
        Field("conducting_s", float, "s", "the rest: starting, stopping, fetching, storing"),
        Field("rounds", int, "{round}", "rounds that were recorded"),
        Field("records", int, "{record}", "records of all processes"),
        Field("dropped_records", int, "{record}", "records that the probes had to drop"),
        Field("max_residual_share", float, "1", "largest residual_share of its complete rounds"),
        Field("max_clock_error_s", float, "s", "largest error_s of its clocks; absent where nothing bounds one"),
        Field("order", int, NO_UNIT, "its place in the plan, from 0"),
        _REP,
        _TRIAL,
        _WARMUP,
    ),
)
MEASUREMENTS: Mapping[str, Measurement] = {one.name: one for one in _ALL}
