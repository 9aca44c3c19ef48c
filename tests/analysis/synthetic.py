"""Makes the records of whole rounds whose every interval is known: a server, nodes with clocks of their own.

Everything is planned in ns of the true time, which is the server's clock. `Scene.truth` holds what each phase of
each message really was.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from writers import FLEET, MS, RUNTIME, SERVER, Host, Stretch, Writer, covered, failed_push, push_object, reply_to

from analysis.load import Records
from instrument.records import Dispatch

BACK_OFF = "flwr.supercore.inflatable.inflatable_utils"
GRID = "flwr.superlink.grid.http_grid"


@dataclass(frozen=True, kw_only=True)
class Incident:
    """What goes wrong for one node in one round: kind is "lost", "error", "killed", "early" or "retry"."""

    node: str
    kind: str
    round: int = 1


@dataclass(kw_only=True)
class Scene:
    """Rounds of one trial. `trip_ns` is a header's way in one direction (up, down)."""

    nodes: list[Host]
    seed: int = 0
    rounds: int = 1
    objects: int = 6
    kinds: tuple[str, ...] = ("train",)
    trip_ns: tuple[int, int] = (2 * MS, 2 * MS)
    incidents: tuple[Incident, ...] = ()
    truth: dict[str, dict[str, Stretch]] = field(default_factory=dict)
    active: dict[tuple[str, str], int] = field(default_factory=dict)
    round_truth: dict[int, Stretch] = field(default_factory=dict)

    def records(self) -> Records:
        """Play all rounds and hand over what was written down."""
        self.random = random.Random(self.seed)
        self.apps: list[Writer] = []
        self.link = Writer(host=SERVER, role="flower-superlink", pid=10, born_ns=0)
        self.server = Writer(host=SERVER, role="flwr-serverapp", pid=11, born_ns=0)
        pids = range(100, 100 + 10 * len(self.nodes), 10)
        self.supernodes = {
            host.name: Writer(host=host, role="flower-supernode", pid=pid, born_ns=0)
            for host, pid in zip(self.nodes, pids, strict=True)
        }
        self.execs = {
            host.name: Writer(host=host, role="flower-superexec", pid=pid + 1, born_ns=0)
            for host, pid in zip(self.nodes, pids, strict=True)
        }
        now = 5_000 * MS
        for number in range(1, self.rounds + 1):
            now = self._round(number, now)
        writers = [self.link, self.server, *self.supernodes.values(), *self.execs.values(), *self.apps]
        segments = sorted((writer.segment() for writer in writers), key=lambda segment: segment.name)
        return Records(segments=tuple(segments))

    def _ms(self, low: int, high: int) -> int:
        return self.random.randint(low * MS, high * MS)

    def _round(self, number: int, now: int) -> int:
        start = now
        for part in dict.fromkeys(kind.partition(".")[0] for kind in self.kinds):
            kinds = [kind for kind in self.kinds if kind.partition(".")[0] == part]
            now = self._part(number, part, kinds, now)
        self.round_truth[number] = (start, now)
        return now + self._ms(1, 5)

    def _part(self, number: int, part: str, kinds: list[str], now: int) -> int:
        configure = (now, now + self._ms(5, 30))
        publish = (configure[1], configure[1] + self._ms(20, 90))
        count = len(kinds) * len(self.nodes)
        self.server.span("configure", configure, round=number, message_type=part, count=count)
        self.server.span("grid_push", publish, round=number, message_type=part, count=count)
        stored: list[tuple[int, str, dict[str, Stretch], str | None]] = []
        for host in self.nodes:
            free = publish[1]
            for kind in kinds:
                message_id = f"{number}-{kind}-{host.name}"
                self.server.records.append(
                    Dispatch(
                        message_id=message_id,
                        mono_ns=publish[1],
                        round=number,
                        round_source="strategy",
                        message_type=kind,
                        node_id=str(self.supernodes[host.name].pid),
                        run_id="77",
                    )
                )
                phases = {"configure": configure, "publish": publish}
                incident = self._incident(number, host.name, kind)
                free = self._message(message_id, kind, host, phases, incident, publish[1], free)
                self.truth[message_id] = phases
                stored.append((free, message_id, phases, incident))
        return self._collect(number, part, stored)

    def _incident(self, number: int, node: str, kind: str) -> str | None:
        found = [
            item.kind for item in self.incidents if (item.node, item.round) == (node, number) and kind == "train"
        ]
        return found[0] if found else None

    def _message(
        self,
        message_id: str,
        kind: str,
        host: Host,
        phases: dict[str, Stretch],
        incident: str | None,
        published: int,
        free: int,
    ) -> int:
        node = self.supernodes[host.name]
        asked = free + self._ms(10, 2500)
        self._idle_polls(node, free, asked)
        phases["wait_downlink"] = (published, asked)
        ids = [f"{message_id}.{place}" for place in range(self.objects)]
        self._small(node, "PullMessages", SERVER, asked, message_id=message_id, object_ids=ids, message_type=kind)
        end = self._down(node, message_id, phases, ids, asked)
        app = Writer(host=host, role="flwr-clientapp", pid=1000 + len(self.apps), born_ns=end)
        self.apps.append(app)
        ready = self._client_app(app, message_id, kind, phases, incident, end)
        if incident == "killed":
            return ready
        return self._up(node, message_id, kind, phases, incident, ready)

    def _idle_polls(self, node: Writer, start: int, end: int) -> None:
        for sent in range(start + 3 * MS, end - 15 * MS, 400 * MS):
            self._small(node, "PullMessages", SERVER, sent)

    def _small(self, client: Writer, name: str, server: Host, sent: int, **fields: object) -> int:
        """A request without objects; returns when its answer was read."""
        up, down = self.trip_ns if server is SERVER else (MS // 4, MS // 4)
        arrived = sent + up
        answered = arrived + 3 * MS
        response = answered + down
        service = FLEET if server is SERVER and client.role == "flower-supernode" else RUNTIME
        defaults = {"node_id": str(client.pid)} if service == FLEET else {}
        client.rpc(
            f"{service}{name}",
            server,
            (sent, arrived, arrived, answered, response, response),
            **{"request_bytes": 90, "response_bytes": 60, **defaults, **fields},
        )
        return response

    def _down(self, node: Writer, message_id: str, phases: dict[str, Stretch], ids: list[str], asked: int) -> int:
        """Objects on two threads, each after the other; the first is the model."""
        up, down = self.trip_ns
        threads = [asked + self._ms(20, 40), asked + self._ms(20, 60)]
        ways: list[Stretch] = []
        for place, object_id in enumerate(ids):
            thread = place % 2
            sent = threads[thread] + self._ms(1, 9)
            answered = sent + up + self._ms(4, 30)
            read = answered + down + (self._ms(100, 900) if place == 0 else self._ms(1, 4))
            size = 2_900_000 if place == 0 else 200
            node.rpc(
                f"{FLEET}PullObject",
                SERVER,
                (sent, sent + up, sent + up, answered, answered + down, read),
                object_id=object_id,
                object_available=True,
                response_bytes=size,
                request_bytes=80,
                local_port=40000 + thread,
            )
            threads[thread] = read
            ways.append((answered, read))
        start, end = min(way[0] for way in ways), max(way[1] for way in ways)
        phases["ctrl_downlink"], phases["downlink"] = (asked, start), (start, end)
        self.active[message_id, "downlink"] = covered(ways)
        return end

    def _client_app(
        self, app: Writer, message_id: str, kind: str, phases: dict[str, Stretch], incident: str | None, loaded: int
    ) -> int:
        """The ClientApp's life; returns when its reply was announced to the SuperNode."""
        launched = loaded + self._ms(1, 700)
        app.born_ns = launched + 200 * MS
        execs = self.execs[app.host.name]
        execs.span("launch", (launched, launched + MS), count=app.pid)
        first = launched + self._ms(900, 2200)
        phases["dispatch"], phases["boot"] = (loaded, launched), (launched, first)
        self._small(app, "PullTaskInput", app.host, first)
        self._small(app, "PullMessages", app.host, first + 6 * MS, message_id=message_id, message_type=kind)
        inflating = first + self._ms(20, 90)
        inflate = (inflating, inflating + self._ms(2, 9))
        app.span("inflate", inflate)
        phases["stage_in"], phases["inflate"] = (first, inflating), inflate
        app.span("task_input", (first, inflate[1]), message_id=message_id)
        called = inflate[1] + self._ms(10, 40)
        if incident == "killed":
            app.killed = True
            return called
        function = (called, called + self._ms(30, 1200))
        phases["app_load"] = (inflate[1], called)
        phases[{"train": "train", "evaluate": "test"}.get(kind, "validate")] = function
        error = "ValueError()" if incident == "error" else None
        app.span("app_function", function, message_id=message_id, message_type=kind, error=error)
        return self._hand_over(app, phases, function[1])

    def _hand_over(self, app: Writer, phases: dict[str, Stretch], returned: int) -> int:
        sent = returned + self._ms(1, 20)
        ready = self._small(app, "PushMessages", app.host, sent)
        staged = self._small(app, "PushObject", app.host, ready + self._ms(1, 20), stored=True)
        phases["deflate"], phases["stage_out"] = (returned, sent), (sent, staged)
        self.ready = ready
        return staged

    def _up(
        self, node: Writer, message_id: str, kind: str, phases: dict[str, Stretch], incident: str | None, staged: int
    ) -> int:
        """Announce the reply, then its objects on two threads; returns when the last was stored."""
        pushed = staged + self._ms(1, 480)
        phases["wait_uplink"] = (self.ready, pushed)
        reply, session = f"reply-{message_id}", f"s-{message_id}"
        names = {"message_id": reply, "reply_to": message_id, "message_type": kind, "session_id": session}
        self._small(node, "PushMessages", SERVER, pushed, **names)
        threads = [pushed + self._ms(12, 40), pushed + self._ms(12, 90)]
        ways, answers, begun = [], [], []
        for place in range(self.objects):
            sent = threads[place % 2] + self._ms(1, 9)
            begun.append(sent)
            if incident == "retry" and place == 0:
                sent = failed_push(node, session, sent)
            last = sent + self.trip_ns[0] + (self._ms(100, 1500) if place == 0 else self._ms(0, 3))
            answered = last + self._ms(4, 40)
            stored = not (incident == "lost" and place == 0)
            push_object(node, f"{reply}.{place}", session, (sent, last, answered), self.trip_ns, stored=stored)
            threads[place % 2] = answered + self.trip_ns[1]
            ways.append((sent, last))
            answers.append(answered)
        start, end = min(begun), max(way[1] for way in ways)
        phases["ctrl_uplink"], phases["uplink"] = (pushed, start), (start, end)
        phases["store"] = (end, max(answers))
        self.active[message_id, "uplink"] = covered(ways)
        return max(answers)

    def _collect(self, number: int, part: str, stored: list[tuple[int, str, dict[str, Stretch], str | None]]) -> int:
        """The ServerApp pulls one reply after the other; "early" begins before the reply is whole and backs off."""
        now = 0
        for free, message_id, phases, incident in sorted(stored, key=lambda item: item[0]):
            reply = f"reply-{message_id}"
            code = {"lost": 7, "error": 2, "killed": 8}.get(incident or "")
            if incident in {"lost", "killed"}:
                now = max(now, free) + self._ms(1, 9)
                reply_to(self.server, "" if incident == "lost" else reply, message_id, now, code)
                continue
            if incident == "early":
                begun = max(now, free - self._ms(50, 900))
                start = self._back_off(begun, free)
                self.server.sleep(GRID, (begun - 20 * MS, begun - MS))
            else:
                begun = start = max(now, free) + self._ms(1, 600)
                self.server.sleep(GRID, (start - MS // 2, start))
            pulled = start + self._ms(5, 60)
            self.server.span("collect_pull", (begun, pulled), message_id=reply)
            done = pulled + self._ms(1, 9)
            self.server.span("collect_inflate", (pulled, done), message_id=reply)
            phases["wait_collect"] = (max(phases["store"][1], 0), start)
            phases["collect"] = (start, done)
            reply_to(self.server, reply, message_id, done, code)
            now = done
        aggregate = (now + self._ms(1, 2), now + self._ms(4, 30))
        self.server.span("aggregate", aggregate, round=number, message_type=part, count=len(stored))
        for _, _, phases, _ in stored:
            phases["aggregate"] = aggregate
        return aggregate[1]

    def _back_off(self, begun: int, free: int) -> int:
        """Answers "not yet" with back-offs between, until after the reply is stored; the end of the last."""
        now = begun
        while now <= free:
            now = self._small(self.server, "PullObject", SERVER, now + MS, object_available=False)
            woken = now + self._ms(80, 400)
            self.server.sleep(BACK_OFF, (now, woken))
            now = woken
        return now
