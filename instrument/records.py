"""What the probes and collectors write down: one frozen class for each kind of record.

Every record is raw: clock readings of the host that made it, in integer nanoseconds of the clock that its
segment's header names; nothing is corrected, converted or left out. `None` means "not measured", never zero.

The text form is one JSON object a line, with the record's kind under "kind". Fields that are None and fields
that equal their default are left out of the line. Unknown keys are refused: a newer writer has a newer
SCHEMA_VERSION in its segment header.
"""

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, field
from functools import cache
from typing import Any, ClassVar, Union, get_args, get_origin

from instrument.values import defaults, record

SCHEMA_VERSION = 2
# 2: waits for a core in Segment and Span; Hook records (before, only hooks that failed were told of, as faults)


class RecordError(ValueError):
    """A line or a mapping is not a record of this schema."""


@record
class Segment:
    """Header of one process's spool file: who writes, on which clock, and under which conditions.

    `exec_mono_ns` is the process's start from /proc (10 ms ticks); `mono_ns`, `wall_ns` and `run_queue_wait_ns` were
    read together, the last of them being how long the main thread had waited for a core since the process's fork.
    `autogroup` is the scheduling group of its session and the group's nice value, as the kernel words it.
    """

    kind: ClassVar[str] = "segment"
    schema_version: int
    host: str
    role: str
    pid: int
    clock: str
    mono_ns: int
    wall_ns: int
    exec_mono_ns: int
    trial: str = ""
    parent_pid: int = 0
    nice: int = 0
    autogroup: str = ""
    scheduler: str = ""
    run_queue_wait_ns: int | None = None
    argv: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


@record
class End:
    """Trailer of a spool file: how many records precede it, the SHA-256 of their bytes, and the process's cost.

    A file without a trailer was cut off (a killed process); what precedes the cut is still whole.
    """

    kind: ClassVar[str] = "end"
    records: int
    sha256: str
    mono_ns: int
    dropped: int = 0
    cpu_s: float | None = None
    run_queue_wait_s: float | None = None
    max_rss_bytes: int | None = None


@record
class Rpc:
    """One attempt of one request, seen by its client; `server_*` are the server's own readings of its own clock.

    Moments in order: start, (connect), headers_sent, body_sent (handed to the kernel: not the network),
    response (response headers complete), body_read, end. `late_ms` is how long the response's last bytes had lain in
    the kernel at `body_read`, `server_late_ms` the request's at `server_last_byte`: by the kernel's count of whole
    ticks, 0 where that is less than two of them (as where the whole answer took less than one: then the kernel is not
    asked), None where the kernel does not tell, and where it is not asked: it is of objects pulled and pushed only.
    `server_clock` is the `clock.short_id` of the server's clock. `object_ids` are the objects of a pulled message; of
    a pushed one those that the server asked for, as it may have some already.
    """

    kind: ClassVar[str] = "rpc"
    method: str
    server: str
    start_mono_ns: int
    end_mono_ns: int
    headers_sent_mono_ns: int | None = None
    body_sent_mono_ns: int | None = None
    response_mono_ns: int | None = None
    body_read_mono_ns: int | None = None
    connect_start_mono_ns: int | None = None
    connect_end_mono_ns: int | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    status: int | None = None
    error: str | None = None
    local_port: int | None = None
    thread: int = 0
    run_id: str | None = None
    node_id: str | None = None
    object_id: str | None = None
    session_id: str | None = None
    message_id: str | None = None
    reply_to: str | None = None
    message_type: str | None = None
    object_ids: list[str] = field(default_factory=list)
    object_available: bool | None = None
    stored: bool | None = None
    server_clock: str | None = None
    server_request: int | None = None
    server_arrive_mono_ns: int | None = None
    server_first_byte_mono_ns: int | None = None
    server_last_byte_mono_ns: int | None = None
    server_response_mono_ns: int | None = None
    server_late_ms: int | None = None
    late_ms: int | None = None


@record
class Serve:
    """One request, seen by its server: arrival, first and last body byte read, response start and end.

    `late_ms` is how long the last byte had lain in the kernel when it was read, as in `Rpc`.
    """

    kind: ClassVar[str] = "serve"
    request: int
    path: str
    peer: str
    peer_port: int
    arrive_mono_ns: int
    first_byte_mono_ns: int | None = None
    last_byte_mono_ns: int | None = None
    response_mono_ns: int | None = None
    response_end_mono_ns: int | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    status: int | None = None
    error: str | None = None
    late_ms: int | None = None


@record
class Span:
    """An interval inside one process; `name` is one of `instrument.phases.SPANS`.

    `wait_before_ns` and `wait_after_ns` are how long the main thread had waited for a core since its fork, read right
    before the start and right after the end: in a ClientApp only, and None where the kernel does not tell.
    """

    kind: ClassVar[str] = "span"
    name: str
    start_mono_ns: int
    end_mono_ns: int
    thread: int = 0
    message_id: str | None = None
    message_type: str | None = None
    round: int | None = None
    run_id: str | None = None
    count: int | None = None
    error: str | None = None
    wait_before_ns: int | None = None
    wait_after_ns: int | None = None


@record
class Sleep:
    """A sleep of the framework's own: where it was asked for, how long was asked, how long it took."""

    kind: ClassVar[str] = "sleep"
    where: str
    asked_s: float
    start_mono_ns: int
    end_mono_ns: int
    thread: int = 0


@record
class Dispatch:
    """One message that the ServerApp pushed: the table that gives a message id its round.

    `round_source` is "strategy" where a Strategy named the round, "push" where it was counted from pushes.
    """

    kind: ClassVar[str] = "dispatch"
    message_id: str
    mono_ns: int
    round: int
    round_source: str
    message_type: str
    node_id: str
    run_id: str


@record
class Reply:
    """One reply that the ServerApp has pulled and inflated; `error_code` is Flower's, None where it is good."""

    kind: ClassVar[str] = "reply"
    message_id: str
    reply_to: str
    mono_ns: int
    message_type: str
    node_id: str
    error_code: int | None = None
    error_reason: str | None = None


@record
class Model:
    """The global model after a round: SHA-256 over name, dtype, shape and bytes of each array in order."""

    kind: ClassVar[str] = "model"
    round: int
    mono_ns: int
    sha256: str
    arrays: int
    payload_bytes: int


@record
class Score:
    """Metrics of a round; `source` is "server" (evaluate_fn), "train" or "evaluate" (aggregated from clients)."""

    kind: ClassVar[str] = "score"
    round: int
    mono_ns: int
    source: str
    metrics: dict[str, float] = field(default_factory=dict)


@record
class Sample:
    """One reading of a collector. `values` holds only names of `instrument.metrics.METRICS`.

    `late_ns` is how long after its schedule the reading was made; `cost_ns` how long the reading took.
    """

    kind: ClassVar[str] = "sample"
    collector: str
    subject: str
    scheduled_mono_ns: int
    mono_ns: int
    late_ns: int
    cost_ns: int
    values: dict[str, int | float] = field(default_factory=dict)


@record
class Exchange:
    """A four-timestamp exchange (RFC 5905): sent and received here, received and answered on the peer's clock."""

    kind: ClassVar[str] = "exchange"
    peer: str
    peer_clock: str
    path: str
    sent_mono_ns: int
    peer_received_mono_ns: int
    peer_sent_mono_ns: int
    received_mono_ns: int


@record
class Fault:
    """Something the instrument itself could not do: a hook whose target is gone, a record that would not encode."""

    kind: ClassVar[str] = "fault"
    where: str
    error: str
    mono_ns: int


@record
class Applied:
    """One step of a fault that the campaign asked for: applied, undone, or missed, and on which target.

    What was done lies between the two moments. `since_s` counts from `since`: "run" (its submission) or "round N"
    (when the controller saw its first message). Not to be confused with `Fault`, a failure of the instrument.
    """

    kind: ClassVar[str] = "applied"
    fault: str
    does: str
    phase: str
    target: str
    start_mono_ns: int
    end_mono_ns: int
    since: str
    since_s: float
    detail: str = ""


@record
class Hook:
    """One module of Flower's in one process, right after its import: whether what is hooked there was found.

    A module that was never imported has no record.
    """

    kind: ClassVar[str] = "hook"
    name: str
    mono_ns: int
    found: bool
    error: str | None = None


@record
class Capture:
    """One packet capture of one interface: clock pairs at start and end, and what the kernel dropped."""

    kind: ClassVar[str] = "capture"
    interface: str
    file: str
    bpf: str
    start_mono_ns: int
    start_wall_ns: int
    end_mono_ns: int
    end_wall_ns: int
    packets: int | None = None
    dropped: int | None = None


Record = Union[  # noqa: UP007
    Segment,
    End,
    Rpc,
    Serve,
    Span,
    Sleep,
    Dispatch,
    Reply,
    Model,
    Score,
    Sample,
    Exchange,
    Fault,
    Applied,
    Hook,
    Capture,
]
KINDS: Mapping[str, type[Record]] = {kind.kind: kind for kind in get_args(Record)}


def encode(record: Record) -> str:
    """One line of JSON without its newline."""
    body: dict[str, Any] = {"kind": record.kind}
    for name, default in _defaults(record.kind).items():
        value = getattr(record, name)
        if value is not None and (default is MISSING or value != default):
            body[name] = value
    line = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # lone surrogates (file names that are not UTF-8) become JSON escapes: no line is ever refused by UTF-8
    return line.encode("utf-8", "backslashreplace").decode("utf-8")


def decode(line: str) -> Record:
    """The record of one line. Raises RecordError where the line is no record of this schema."""
    try:
        body = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not a record: {error}: {line[:80]!r}") from error
    return from_mapping(body)


def from_mapping(body: object) -> Record:
    """A record from its keys and values. Raises RecordError for an unknown kind or key, or a wrong type."""
    name = body.get("kind") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(name, str) or name not in KINDS:
        raise RecordError(f"not a record of a known kind: {str(body)[:120]}")
    kind = KINDS[name]
    values = {key: value for key, value in body.items() if key != "kind"}
    checks = _checks(kind.kind)
    for key, value in values.items():
        if key not in checks:
            raise RecordError(f"{kind.kind} record has no field {key!r}: written by a newer fedprobe?")
        if not _fits(value, checks[key]):
            raise RecordError(f"{kind.kind}.{key}: {value!r} is not {checks[key]}")
    try:
        return kind(**values)
    except TypeError as error:
        raise RecordError(f"{kind.kind} record: {error}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


@cache
def _defaults(kind: str) -> dict[str, Any]:
    return defaults(KINDS[kind])


@cache
def _checks(kind: str) -> dict[str, Any]:
    hints = typing.get_type_hints(KINDS[kind])
    return {name: hints[name] for name in _defaults(kind)}


def _fits(value: object, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in arguments)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items()
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
