"""What each client does now, and how its last messages went, as the server's own records tell it.

A server sees requests alone. What it cannot see is not named apart: from a node's confirmation of a message to its
next push a ClientApp boots, computes and waits for Flower's polls, all of which is `on the node`. So these are no
results: a report's phases come from the records of all hosts (`docs/measurement.md`).
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from instrument.flower.priority import PRIORITY
from instrument.records import Dispatch, Fault, Record, Reply, Score, Serve, Span

Phase = Literal["not heard", "to pull", "downlink", "on the node", "uplink", "replied"]
PHASES: tuple[Phase, ...] = get_args(Phase)
"""In the order in which a message goes through them, the last client first."""
LEGS = ("to pull", "downlink", "on the node", "uplink")
KEPT_MESSAGES = 6  # three kinds of message a round, and the next round may have begun
KEPT_FAULTS = 5
FLEET = "/v1/fleet/"


@dataclass(slots=True)
class Message:
    """Moments of one client's message on the server's monotonic clock, in ns; None: not seen yet."""

    pulled_ns: int
    confirmed_ns: int | None = None
    pushed_ns: int | None = None
    first_object_ns: int | None = None
    last_byte_ns: int | None = None


@dataclass(slots=True)
class Client:
    """One client: its phase since when, when its last request came, its last messages."""

    phase: Phase = "not heard"
    since_ns: int = 0
    heard_ns: int = 0
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))


@dataclass(frozen=True, slots=True)
class PassedRound:
    """A round that ended: its wall time, and per leg the median and the longest with its node. Seconds."""

    number: int
    wall_s: float
    median_s: Mapping[str, float]
    longest_s: Mapping[str, tuple[float, str]]
    clients: int


@dataclass(slots=True)
class ServerView:
    """The fold of one trial's records of ServerApp and SuperLink, in whatever order the two are read.

    `names` are nodes by the address that the server sees; one that it does not know is called by its address.
    """

    names: Mapping[str, str]
    clients: dict[str, Client] = field(default_factory=dict)
    round: int = 0
    kind: str = ""
    sent: int = 0
    replied: int = 0
    errors: int = 0
    latest_ns: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    scored_round: int = 0
    faults: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_FAULTS))
    _begun_ns: dict[int, int] = field(default_factory=dict)
    _collected_ns: dict[int, int] = field(default_factory=dict)
    _ended_ns: dict[int, int] = field(default_factory=dict)
    _sent_to: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for node in self.names.values():
            self.clients.setdefault(node, Client())

    def take(self, record: Record) -> None:
        """Learn from one record."""
        match record:
            case Serve() if record.path.startswith(FLEET):
                self._serve(record, record.path.removeprefix(FLEET))
            case Span(name="configure" | "grid_push" | "aggregate", round=int(number)) if number > 0:
                self._span(record, number)
            case Dispatch():
                self._dispatch(record)
            case Reply():
                if record.reply_to in self._sent_to:
                    self.replied += 1
                    self.errors += record.error_code is not None
                self._note(record.mono_ns)
            case Score():
                self.scores |= _named(record)
                self.scored_round = max(self.scored_round, record.round)
            case Fault():
                self.faults.append(_told(record))

    def _note(self, moment_ns: int) -> None:
        self.latest_ns = max(self.latest_ns, moment_ns)

    def _dispatch(self, sent: Dispatch) -> None:
        if (sent.round, sent.message_type) != (self.round, self.kind):
            if sent.round < self.round:
                return
            self.round, self.kind = sent.round, sent.message_type
            self.sent = self.replied = self.errors = 0
            self._sent_to.clear()
        self.sent += 1
        self._sent_to.add(sent.message_id)
        self._note(sent.mono_ns)

    def _span(self, span: Span, number: int) -> None:
        self._note(span.end_mono_ns)
        if span.name == "aggregate":
            if span.message_type == "train":
                self._collected_ns[number] = span.end_mono_ns
            self._ended_ns[number] = max(self._ended_ns.get(number, 0), span.end_mono_ns)
            self._forget_before(number - 2)
            return
        began = self._begun_ns.get(number, span.start_mono_ns)
        self._begun_ns[number] = min(began, span.start_mono_ns)
        if span.name == "grid_push" and span.count != 0:
            for client in self.clients.values():
                if client.phase != "not heard" and span.start_mono_ns > client.since_ns:
                    client.phase, client.since_ns = "to pull", span.start_mono_ns

    def _forget_before(self, number: int) -> None:
        for kept in (self._begun_ns, self._collected_ns, self._ended_ns):
            for old in [one for one in kept if one < number]:
                del kept[old]

    def _serve(self, serve: Serve, request: str) -> None:
        client = self.clients.setdefault(self.names.get(serve.peer, serve.peer), Client())
        moment = serve.arrive_mono_ns
        client.heard_ns = max(client.heard_ns, moment)
        self._note(moment)
        last = client.messages[-1] if client.messages else None
        if request == "pull-messages" and serve.response_bytes > 0 and serve.status == 200:
            if last is None or moment > last.pulled_ns:
                client.messages.append(Message(pulled_ns=moment))
            _move(client, "downlink", moment)
        elif request == "pull-messages" and client.phase in {"uplink", "not heard"}:
            _move(client, "replied" if client.phase == "uplink" else "to pull", moment)
        elif request == "confirm-message-received":
            if last is not None and last.confirmed_ns is None:
                last.confirmed_ns = moment
            _move(client, "on the node", moment)
        elif request in {"push-messages", "push-object"}:
            _pushed(last, serve)
            _move(client, "uplink", moment, keep_since=True)
        elif client.phase == "not heard":
            _move(client, "to pull", moment)

    def last_round(self) -> PassedRound | None:
        """The last round whose training was collected, as far as the records read so far tell it."""
        for number in sorted(self._collected_ns, reverse=True):
            if number in self._begun_ns:
                return self._passed(number)
        return None

    def _passed(self, number: int) -> PassedRound:
        begun, collected = self._begun_ns[number], self._collected_ns[number]
        lengths: dict[str, dict[str, float]] = {leg: {} for leg in LEGS}
        taking_part = 0
        for node, client in self.clients.items():
            own = [one for one in client.messages if begun <= one.pulled_ns <= collected]
            taking_part += bool(own)
            for leg, (start, end) in _legs(own[0], begun).items() if own else ():
                if start is not None and end is not None:
                    lengths[leg][node] = (end - start) / 1e9
        seen = {leg: of for leg, of in lengths.items() if of}
        return PassedRound(
            number=number,
            wall_s=(self._ended_ns[number] - begun) / 1e9,
            median_s={leg: statistics.median(of.values()) for leg, of in seen.items()},
            longest_s={leg: max((length, node) for node, length in of.items()) for leg, of in seen.items()},
            clients=taking_part,
        )


def _legs(message: Message, begun_ns: int) -> dict[str, tuple[int | None, int | None]]:
    return {
        "to pull": (begun_ns, message.pulled_ns),
        "downlink": (message.pulled_ns, message.confirmed_ns),
        "on the node": (message.confirmed_ns, message.pushed_ns),
        "uplink": (message.first_object_ns, message.last_byte_ns),
    }


def _pushed(message: Message | None, serve: Serve) -> None:
    if message is None:
        return
    if message.pushed_ns is None:
        message.pushed_ns = serve.arrive_mono_ns
    if serve.path.endswith("/push-object") and serve.last_byte_mono_ns is not None:
        first = message.first_object_ns
        message.first_object_ns = min(first or serve.arrive_mono_ns, serve.arrive_mono_ns)
        message.last_byte_ns = max(message.last_byte_ns or 0, serve.last_byte_mono_ns)


def _move(client: Client, phase: Phase, moment_ns: int, *, keep_since: bool = False) -> None:
    """Into a phase, unless something later is known already."""
    if moment_ns < client.since_ns or (keep_since and client.phase == phase):
        return
    if client.phase != phase:
        client.phase, client.since_ns = phase, moment_ns


def _named(score: Score) -> dict[str, float]:
    """Accuracy and loss; the server's own evaluation before what clients say, by keeping their names apart."""
    mine = score.source == "server"
    found: dict[str, float] = {}
    for name, value in score.metrics.items():
        for what in ("accuracy", "loss"):
            if name.lower().endswith(what):
                found[what if mine else f"{what} ({score.source})"] = float(value)
    return found


def _told(fault: Fault) -> str:
    """A fault in words; a priority that is not in force costs no phase and is none of the instrument's."""
    return fault.error if fault.where == PRIORITY else f"instrument fault on the server: {fault.where}: {fault.error}"
