"""The raw intervals of one message, phase by phase in the order of docs/measurement.md, on the server's clock.

Phases may overlap (a ClientApp boots while its objects come down); a phase that ended before it could begin, as
the wait for a message that was announced before its objects were stored, is an empty interval, not a negative one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.collecting import collect_of, wait_parts
from analysis.intervals import between, span_of, tiled
from analysis.joins import RUNTIME, JoinedMessage, NodeSide, ServerSide
from analysis.load import SegmentRecords
from analysis.model import Interval, MessageTimes, Transfer
from analysis.offsets import ClockMap
from analysis.timeline import Axis
from analysis.transfers import downlink, in_servers_kernel_ns, uplink
from instrument.phases import PHASES, function_phase
from instrument.records import Rpc, Span

FUNCTIONS = ("train", "test", "validate")
ACROSS_HOSTS = ("wait_downlink", "ctrl_downlink", "downlink", "uplink")
_ORDER = tuple(PHASES)
# the phases during which a message keeps its node from the next one
HELD = _ORDER[_ORDER.index("ctrl_downlink") : _ORDER.index("wait_collect")]
Phases = dict[str, Interval]


def message_times(message: JoinedMessage, axis: Axis) -> MessageTimes:
    """Everything measured of one message; what is not there is named in `missing`, never guessed."""
    function = function_phase(message.dispatch.message_type)
    server = axis.of(message.server_side.server_app)
    phases = _sending(message.server_side, server)
    outcome = _outcome(message)
    down, up = None, None
    if (side := message.node_side) is not None:
        node = axis.of(side.supernode)
        down, up = downlink(side, node), uplink(side, node, outcome)
        phases |= _arriving(side, node, phases.get("publish"), down)
        app = axis.of(side.client_app) if side.client_app is not None else node
        phases |= _in_client_app(side, app, function, down)
        phases |= _returning(side, node, app, up)
        up = _with_app_views(up, side, message, axis)
        if not axis.known(side.supernode):
            phases = {name: interval for name, interval in phases.items() if name not in ACROSS_HOSTS}
    phases |= _collecting(message.server_side, server, phases)
    if up is not None and up.outcome == "lost":
        outcome = "lost"
    return MessageTimes(
        message_id=message.dispatch.message_id,
        round=message.dispatch.round,
        function=function,
        node=message.node,
        outcome=outcome,
        intervals={name: phases[name] for name in PHASES if name in phases},
        downlink=down,
        uplink=up,
        missing=[name for name in _expected(message, function) if name not in phases],
        wait_collect_parts=wait_parts(message.server_side, server, phases),
        announced_early_s=_announced_early_s(message, axis, phases),
        error_code=None if message.reply is None else message.reply.error_code,
    )


def _outcome(message: JoinedMessage) -> str:
    if message.reply is None:
        return "censored"
    return "ok" if message.reply.error_code is None else f"error:{message.reply.error_code}"


def _expected(message: JoinedMessage, function: str) -> list[str]:
    """The phases that a whole message has; a loop without a Strategy configures and aggregates unseen."""
    absent = {"evaluate_server", *FUNCTIONS} - {function}
    if message.dispatch.round_source != "strategy":
        absent |= {"configure", "aggregate"}
    return [name for name in PHASES if name not in absent]


def _of(span: Span, clock: ClockMap) -> Interval:
    return Interval(clock.at(span.start_mono_ns), clock.at(span.end_mono_ns))


def _sending(side: ServerSide, server: ClockMap) -> Phases:
    spans = {"configure": side.configure, "publish": side.push, "aggregate": side.aggregate}
    return {name: _of(span, server) for name, span in spans.items() if span is not None}


def _sent_ns(rpc: Rpc) -> int:
    return rpc.headers_sent_mono_ns if rpc.headers_sent_mono_ns is not None else rpc.start_mono_ns


def _arriving(side: NodeSide, node: ClockMap, publish: Interval | None, down: Transfer | None) -> Phases:
    """From stored at the server to read by the node."""
    asked_ns = node.at(side.pull_message.start_mono_ns)
    phases = {} if publish is None else {"wait_downlink": between(publish.end_ns, asked_ns)}
    if down is None:
        return phases
    phases["ctrl_downlink"] = between(asked_ns, down.interval.start_ns)
    return phases if down.outcome == "censored" else phases | {"downlink": down.interval}


def _announced_early_s(message: JoinedMessage, axis: Axis, phases: Mapping[str, Interval]) -> float:
    side, publish = message.node_side, phases.get("publish")
    if side is None or publish is None or not axis.known(side.supernode):
        return 0.0
    asked_ns = axis.of(side.supernode).at(side.pull_message.start_mono_ns)
    return max(0, publish.end_ns - asked_ns) / 1e9


def _in_client_app(side: NodeSide, node: ClockMap, function: str, down: Transfer | None) -> Phases:
    """From the download's end to the reply handed to the SuperNode: all on the ClientApp's clock."""
    app = side.client_app
    if app is None or side.launch_ns is None:
        return {}
    exec_ns = node.at(side.launch_ns)
    phases: Phases = {}
    if down is not None and down.outcome != "censored":
        phases["dispatch"] = between(down.interval.end_ns, exec_ns)
    requests = [rpc for rpc in app.of(Rpc) if rpc.method.startswith(RUNTIME)]
    inflate, task, function_span = (_span(app, name) for name in ("inflate", "task_input", "app_function"))
    if requests:
        first_ns = node.at(min(rpc.start_mono_ns for rpc in requests))
        phases["boot"] = between(exec_ns, first_ns)
        if inflate is not None:
            phases["stage_in"] = between(first_ns, node.at(inflate.start_mono_ns))
            phases["inflate"] = _of(inflate, node)
    if function_span is not None:
        phases[function] = _of(function_span, node)
        if task is not None:
            phases["app_load"] = between(node.at(task.end_mono_ns), node.at(function_span.start_mono_ns))
    return phases | _handing_over(app, node, function_span)


def _handing_over(app: SegmentRecords, node: ClockMap, function: Span | None) -> Phases:
    push = _app_push(app)
    if push is None:
        return {}
    sent_ns = node.at(_sent_ns(push))
    objects = [rpc for rpc in app.of(Rpc) if rpc.method == f"{RUNTIME}PushObject"]
    phases = {"stage_out": between(sent_ns, node.at(max(rpc.end_mono_ns for rpc in (push, *objects))))}
    if function is not None:
        phases["deflate"] = between(node.at(function.end_mono_ns), sent_ns)
    return phases


def _span(segment: SegmentRecords, name: str) -> Span | None:
    """The last of a process's spans of one name: a ClientApp handles one message."""
    found = [span for span in segment.of(Span) if span.name == name]
    return found[-1] if found else None


def _app_push(app: SegmentRecords) -> Rpc | None:
    """The request by which a ClientApp announced its reply to its SuperNode, once answered."""
    pushes = [
        rpc for rpc in app.of(Rpc) if rpc.method == f"{RUNTIME}PushMessages" and rpc.response_mono_ns is not None
    ]
    return pushes[-1] if pushes else None


def _returning(side: NodeSide, node: ClockMap, app: ClockMap, up: Transfer | None) -> Phases:
    """From the reply ready in the SuperNode to stored at the server."""
    if not side.push_tries:
        return {}
    phases: Phases = {}
    asked_ns = node.at(min(rpc.start_mono_ns for rpc in side.push_tries))
    ready = _app_push(side.client_app) if side.client_app is not None else None
    if ready is not None and ready.response_mono_ns is not None:
        phases["wait_uplink"] = between(app.at(ready.response_mono_ns), asked_ns)
    if up is None:
        return phases
    phases["ctrl_uplink"] = between(asked_ns, up.interval.start_ns)
    if up.outcome == "censored":  # its end is not its end
        return phases
    phases["uplink"] = up.interval
    answers = [rpc.server_response_mono_ns for rpc in side.push_objects if rpc.server_response_mono_ns is not None]
    last_bytes = [arrived for rpc in side.push_objects if (arrived := in_servers_kernel_ns(rpc)) is not None]
    if answers and last_bytes:
        phases["store"] = between(max(last_bytes), max(answers))
    return phases


def _collecting(side: ServerSide, server: ClockMap, phases: Mapping[str, Interval]) -> Phases:
    """From stored to collected by the ServerApp."""
    collect = collect_of(side, server)
    if collect is None:
        return {}
    if (store := phases.get("store")) is None:
        return {"collect": collect}
    return {"wait_collect": between(store.end_ns, collect.start_ns), "collect": collect}


def _with_app_views(up: Transfer | None, side: NodeSide, message: JoinedMessage, axis: Axis) -> Transfer | None:
    """The uplink with two definitions added that a user without probes at both ends would have to use."""
    if up is None or side.client_app is None or not axis.known(side.supernode):
        return up
    app, server = axis.of(side.client_app), axis.of(message.server_side.server_app)
    views = dict(up.alternatives)
    ready, function = _app_push(side.client_app), _span(side.client_app, "app_function")
    if ready is not None and ready.response_mono_ns is not None:
        views["reply_ready_to_last_byte"] = (up.interval.end_ns - app.at(ready.response_mono_ns)) / 1e9
    if function is not None and message.reply is not None:
        views["function_end_to_collected"] = (server.at(message.reply.mono_ns) - app.at(function.end_mono_ns)) / 1e9
    return replace(up, alternatives=views)


def with_node_busy(messages: Sequence[MessageTimes]) -> list[MessageTimes]:
    """The messages with `node_busy_s`: how long each waited while its node, which handles one, handled another."""
    held: dict[str, list[tuple[str, Interval]]] = defaultdict(list)
    for message in messages:
        on_node = [message.intervals[name] for name in HELD if name in message.intervals]
        if on_node:
            held[message.node].append((message.message_id, span_of(on_node)))
    return [replace(message, node_busy_s=_busy_s(message, held[message.node])) for message in messages]


def _busy_s(message: MessageTimes, held: Sequence[tuple[str, Interval]]) -> float:
    wait = message.intervals.get("wait_downlink")
    if wait is None:
        return 0.0
    others = [("busy", interval) for holder, interval in held if holder != message.message_id]
    return sum(tile.seconds for name, tile in tiled(wait, others, "free") if name == "busy")
