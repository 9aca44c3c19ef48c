"""Which records belong to which message: the joins by message id, session, process id and time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from analysis.load import Records, SegmentRecords
from instrument.records import Dispatch, Reply, Rpc, Sleep, Span

FLEET = "/flwr.proto.Fleet/"
RUNTIME = "/flwr.proto.Runtime/"
StartedT = TypeVar("StartedT", Span, Sleep, Rpc)
BACK_OFF = "flwr.supercore.inflatable.inflatable_utils"
GRID = "flwr.superlink.grid.http_grid"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSide:
    """What a node's processes recorded of one message; None and empty where a process never came so far."""

    supernode: SegmentRecords
    pull_message: Rpc
    pull_objects: Sequence[Rpc] = ()
    push_message: Rpc | None = None
    push_tries: Sequence[Rpc] = ()
    push_objects: Sequence[Rpc] = ()
    client_app: SegmentRecords | None = None
    launch_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """What the ServerApp recorded of one message, and of its collecting from the dispatch until it had the reply.

    `too_early` are its requests for objects that were not there yet.
    """

    server_app: SegmentRecords
    configure: Span | None = None
    push: Span | None = None
    collect_pull: Span | None = None
    collect_inflate: Span | None = None
    aggregate: Span | None = None
    collected: Sequence[Span] = ()
    too_early: Sequence[Rpc] = ()
    sleeps: Sequence[Sleep] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedMessage:
    """One dispatched message with everything recorded of it; `node_side` is None where no SuperNode pulled it."""

    dispatch: Dispatch
    node: str
    server_side: ServerSide
    reply: Reply | None = None
    node_side: NodeSide | None = None

    @property
    def category(self) -> str:
        """The part of the round it belongs to: "train" or "evaluate"."""
        return self.dispatch.message_type.partition(".")[0]


def joined(records: Records, run_id: str | None = None) -> list[JoinedMessage]:
    """Every message of one run, in the order of their dispatch; of the last run where none is named."""
    chosen = run_id or last_run(records)
    replies = {reply.reply_to: reply for _, reply in records.of(Reply)}
    nodes = _NodeIndex(records)
    messages = []
    for segment in records.role("flwr-serverapp"):
        server = _ServerIndex(segment)
        for dispatch in segment.of(Dispatch):
            if dispatch.run_id == chosen:
                reply, node_side = replies.get(dispatch.message_id), nodes.side(dispatch.message_id)
                messages.append(
                    JoinedMessage(
                        dispatch=dispatch,
                        node=nodes.name_of(dispatch),
                        reply=reply,
                        node_side=node_side,
                        server_side=server.side(dispatch, _reply_id(reply, node_side)),
                    )
                )
    return messages


def runs(records: Records) -> list[str]:
    """The runs that dispatched messages, in the order of their first."""
    return list(dict.fromkeys(dispatch.run_id for _, dispatch in sorted(records.of(Dispatch), key=_moment)))


def last_run(records: Records) -> str | None:
    """The run that dispatched last, None where nothing was dispatched."""
    found = runs(records)
    return found[-1] if found else None


def _moment(item: tuple[SegmentRecords, Dispatch]) -> int:
    return item[1].mono_ns


def _reply_id(reply: Reply | None, node_side: NodeSide | None) -> str | None:
    """The reply's own id; Flower leaves it empty where it made an error of a reply that it could not collect."""
    if reply is not None and reply.message_id:
        return reply.message_id
    push = node_side.push_message if node_side is not None else None
    return push.message_id if push is not None else None


class _ServerIndex:
    """The ServerApp's records by what they are looked up by, built once."""

    def __init__(self, server_app: SegmentRecords) -> None:
        self._server_app = server_app
        self._by_round: dict[tuple[str, int | None, str | None], list[Span]] = defaultdict(list)
        self._by_reply: dict[tuple[str, str | None], Span] = {}
        self._pushes: list[Span] = []
        self._collected: list[Span] = []
        for span in sorted(server_app.of(Span), key=lambda item: item.start_mono_ns):
            self._by_round[span.name, span.round, span.message_type].append(span)
            if span.name == "grid_push":
                self._pushes.append(span)
            if span.name in {"collect_pull", "collect_inflate"} and span.message_id:
                self._collected.append(span)
                self._by_reply[span.name, span.message_id] = span
        self._too_early = sorted((rpc for rpc in server_app.of(Rpc) if rpc.object_available is False), key=_start_ns)
        sleeps = (sleep for sleep in server_app.of(Sleep) if sleep.where in {BACK_OFF, GRID})
        self._sleeps = sorted(sleeps, key=_start_ns)

    def side(self, dispatch: Dispatch, reply_id: str | None) -> ServerSide:
        """The ServerApp's records of one message; of a repeated round those nearest to its dispatch."""
        category = dispatch.message_type.partition(".")[0]
        configures = self._by_round["configure", dispatch.round, category]
        aggregates = self._by_round["aggregate", dispatch.round, category]
        pushed = bisect_right(self._pushes, dispatch.mono_ns, key=lambda span: span.start_mono_ns)
        before = [span for span in configures if span.end_mono_ns <= dispatch.mono_ns]
        after = [span for span in aggregates if span.start_mono_ns >= dispatch.mono_ns]
        pull, inflate = (self._by_reply.get((name, reply_id)) for name in ("collect_pull", "collect_inflate"))
        last = inflate or pull
        during = (dispatch.mono_ns, last.end_mono_ns if last is not None else dispatch.mono_ns)
        return ServerSide(
            server_app=self._server_app,
            configure=before[-1] if before else None,
            push=self._pushes[pushed - 1] if pushed else None,
            collect_pull=pull,
            collect_inflate=inflate,
            aggregate=after[0] if after else None,
            collected=_begun(self._collected, *during),
            too_early=_begun(self._too_early, *during),
            sleeps=_begun(self._sleeps, *during),
        )


def _begun(ordered: Sequence[StartedT], from_ns: int, until_ns: int) -> Sequence[StartedT]:
    """Those of an ordered sequence that began between two moments of their own clock."""
    first = bisect_left(ordered, from_ns, key=_start_ns)
    return ordered[first : bisect_right(ordered, until_ns, key=_start_ns)]


def _start_ns(record: Span | Sleep | Rpc) -> int:
    return record.start_mono_ns


class _NodeIndex:
    """Messages to the SuperNode and ClientApp that handled them, built once for a trial."""

    def __init__(self, records: Records) -> None:
        supernodes = records.role("flower-supernode")
        self._names = node_names(supernodes)
        self._node_ids: dict[str, str] = {}
        self._sides: dict[str, NodeSide] = {}
        apps = _apps_by_message(records.role("flwr-clientapp"))
        launches = _launches(records)
        for supernode in supernodes:
            rpcs = sorted(supernode.of(Rpc), key=lambda rpc: rpc.start_mono_ns)
            for rpc in rpcs:
                if rpc.node_id and rpc.method.startswith(FLEET):
                    self._node_ids[rpc.node_id] = self._names[supernode.name]
            for message_id, side in _node_sides(supernode, rpcs, apps, launches):
                self._sides[message_id] = side

    def side(self, message_id: str) -> NodeSide | None:
        return self._sides.get(message_id)

    def name_of(self, dispatch: Dispatch) -> str:
        side = self.side(dispatch.message_id)
        if side is not None:
            return self._names[side.supernode.name]
        return self._node_ids.get(dispatch.node_id, f"node {dispatch.node_id}")


def node_names(supernodes: Sequence[SegmentRecords]) -> Mapping[str, str]:
    """A node's name by its SuperNode's segment: its host, numbered where one host ran several at a time.

    A SuperNode that started after another of its host had ended is the same node, started again.
    """
    slots: dict[str, list[int]] = defaultdict(list)
    placed: dict[str, tuple[str, int]] = {}
    for supernode in sorted(supernodes, key=lambda item: item.header.mono_ns):
        ends = slots[supernode.header.host]
        free = [slot for slot, end in enumerate(ends) if end <= supernode.header.mono_ns]
        slot = free[0] if free else len(ends)
        ends[slot : slot + 1] = [_last_ns(supernode)]
        placed[supernode.name] = (supernode.header.host, slot)
    return {name: host if len(slots[host]) == 1 else f"{host}/{slot + 1}" for name, (host, slot) in placed.items()}


def _last_ns(segment: SegmentRecords) -> int:
    if segment.end is not None:
        return segment.end.mono_ns
    return max((rpc.end_mono_ns for rpc in segment.of(Rpc)), default=segment.header.mono_ns)


def _apps_by_message(apps: Sequence[SegmentRecords]) -> Mapping[str, SegmentRecords]:
    """The ClientApp that was given each message; the later one where a message was given twice."""
    found: dict[str, SegmentRecords] = {}
    for app in sorted(apps, key=lambda item: item.header.mono_ns):
        for rpc in app.of(Rpc):
            if rpc.method == f"{RUNTIME}PullMessages" and rpc.message_id:
                found[rpc.message_id] = app
        for span in app.of(Span):
            if span.name == "task_input" and span.message_id:
                found[span.message_id] = app
    return found


def _launches(records: Records) -> Mapping[tuple[str, int], list[Span]]:
    """SuperExec's starts of processes, by clock and process id."""
    found: dict[tuple[str, int], list[Span]] = defaultdict(list)
    for segment, span in records.of(Span):
        if span.name == "launch" and span.count is not None:
            found[segment.header.clock, span.count].append(span)
    return found


def _launch_ns(app: SegmentRecords, launches: Mapping[tuple[str, int], list[Span]]) -> int:
    """When a process was started: SuperExec's own moment, else /proc's, which has 10 ms ticks."""
    header = app.header
    starts = [
        span.start_mono_ns
        for span in launches.get((header.clock, header.pid), ())
        if span.start_mono_ns <= header.mono_ns
    ]
    return max(starts) if starts else header.exec_mono_ns


def _node_sides(
    supernode: SegmentRecords,
    rpcs: Sequence[Rpc],
    apps: Mapping[str, SegmentRecords],
    launches: Mapping[tuple[str, int], list[Span]],
) -> Iterable[tuple[str, NodeSide]]:
    """One side for each message pulled. A SuperNode handles one at a time: what it asks for until the next is its."""
    pulls = [rpc for rpc in rpcs if rpc.method == f"{FLEET}PullMessages" and rpc.message_id and rpc.error is None]
    edges = [bisect_left(rpcs, pull.start_mono_ns, key=lambda rpc: rpc.start_mono_ns) for pull in pulls]
    for pull, first, until in zip(pulls, edges, [*edges[1:], len(rpcs)], strict=False):
        assert pull.message_id is not None
        during = rpcs[first:until]
        wanted = set(pull.object_ids)
        tries = [rpc for rpc in during if rpc.method == f"{FLEET}PushMessages" and rpc.reply_to == pull.message_id]
        push = _answered_or_last(tries)
        app = apps.get(pull.message_id)
        yield (
            pull.message_id,
            NodeSide(
                supernode=supernode,
                pull_message=pull,
                pull_objects=[
                    rpc
                    for rpc in during
                    if rpc.method == f"{FLEET}PullObject" and (not wanted or rpc.object_id in wanted)
                ],
                push_message=push,
                push_tries=tries,
                push_objects=[rpc for rpc in during if _pushed_in(rpc, push)],
                client_app=app,
                launch_ns=_launch_ns(app, launches) if app is not None else None,
            ),
        )


def _answered_or_last(tries: Sequence[Rpc]) -> Rpc | None:
    """The request that announced a reply: the last that was answered, else the last tried."""
    answered = [rpc for rpc in tries if rpc.error is None and rpc.status == 200]
    made = answered or tries
    return made[-1] if made else None


def _pushed_in(rpc: Rpc, push: Rpc | None) -> bool:
    if push is None or rpc.method != f"{FLEET}PushObject":
        return False
    if push.session_id and rpc.session_id:
        return rpc.session_id == push.session_id
    return rpc.start_mono_ns >= push.start_mono_ns
