"""Processes that write records of moments planned in true time, each as its own host's clock would have read it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from analysis.load import SegmentRecords
from instrument.clock import short_id
from instrument.flower.names import PLACES
from instrument.records import SCHEMA_VERSION, End, Hook, Record, Reply, Rpc, Segment, Sleep, Span

MS = 1_000_000
FLEET, RUNTIME = "/flwr.proto.Fleet/", "/flwr.proto.Runtime/"
Stretch = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Host:
    """A host whose clock reads `shift_ns + (1 + drift) * true time`."""

    name: str
    clock: str
    shift_ns: int = 0
    drift: float = 0.0

    def reads(self, true_ns: int) -> int:
        return true_ns + self.shift_ns + round(self.drift * true_ns)


SERVER = Host(name="server", clock="monotonic/server/1")


@dataclass(kw_only=True)
class Writer:
    """One process's segment in the making."""

    host: Host
    role: str
    pid: int
    born_ns: int
    records: list[Record] = field(default_factory=list)
    killed: bool = False

    def at(self, true_ns: int) -> int:
        return self.host.reads(true_ns)

    def span(self, name: str, stretch: Stretch, **fields: object) -> None:
        self.records.append(
            Span(name=name, start_mono_ns=self.at(stretch[0]), end_mono_ns=self.at(stretch[1]), **fields)
        )

    def sleep(self, where: str, stretch: Stretch) -> None:
        start, end = self.at(stretch[0]), self.at(stretch[1])
        self.records.append(Sleep(where=where, asked_s=(end - start) / 1e9, start_mono_ns=start, end_mono_ns=end))

    def rpc(self, method: str, server: Host, moments: tuple[int, int, int, int, int, int], **fields: object) -> Rpc:
        """`moments`: headers sent, arrived, last byte read, response started, response here, body read."""
        sent, arrived, last, answered, response, read = moments
        rpc = Rpc(
            method=method,
            server=f"{server.name}:8000",
            start_mono_ns=self.at(sent),
            headers_sent_mono_ns=self.at(sent),
            body_sent_mono_ns=self.at(arrived),
            response_mono_ns=self.at(response),
            body_read_mono_ns=self.at(read),
            end_mono_ns=self.at(read),
            server_clock=short_id(server.clock),
            server_arrive_mono_ns=server.reads(arrived),
            server_first_byte_mono_ns=server.reads(arrived),
            server_last_byte_mono_ns=server.reads(last),
            server_response_mono_ns=server.reads(answered),
            status=200,
            **fields,
        )
        self.records.append(rpc)
        return rpc

    def segment(self) -> SegmentRecords:
        header = Segment(
            schema_version=SCHEMA_VERSION,
            host=self.host.name,
            role=self.role,
            pid=self.pid,
            clock=self.host.clock,
            mono_ns=self.at(self.born_ns),
            wall_ns=self.born_ns,
            exec_mono_ns=self.at(self.born_ns) - 3 * MS,
        )
        last = max([self.at(self.born_ns), *(getattr(record, "end_mono_ns", 0) for record in self.records)])
        end = None if self.killed else End(records=len(self.records), sha256="", mono_ns=last + 1)
        name = f"{self.host.name}-{self.role}-{self.pid}"
        hooks = [Hook(name=module, mono_ns=self.at(self.born_ns), found=True) for module in PLACES.get(self.role, {})]
        return SegmentRecords(name=name, header=header, records=(*hooks, *self.records), end=end)


def hosts(count: int, *, shift_s: int = 0, drift: float = 0.0) -> list[Host]:
    """Nodes whose clocks are `shift_s`, twice, three times ... that far from the server's."""
    return [
        Host(name=f"pi{place}", clock=f"monotonic/pi{place}/1", shift_ns=place * shift_s * 10**9, drift=drift)
        for place in range(1, count + 1)
    ]


def on_server_clock(nodes: list[Host]) -> list[Host]:
    """The same nodes as processes of hosts that share the server's clock."""
    return [replace(host, clock=SERVER.clock, shift_ns=0, drift=0.0) for host in nodes]


def failed_push(node: Writer, session: str, sent: int) -> int:
    """An attempt that ran into a timeout; when the next one is sent."""
    at = node.at(sent)
    node.records.append(
        Rpc(
            method=f"{FLEET}PushObject",
            server="server:8000",
            start_mono_ns=at,
            headers_sent_mono_ns=at,
            end_mono_ns=node.at(sent + 80 * MS),
            error="ReadTimeout()",
            session_id=session,
        )
    )
    return sent + 100 * MS


def push_object(
    node: Writer,
    object_id: str,
    session: str,
    moments: tuple[int, int, int],
    trip_ns: tuple[int, int],
    *,
    stored: bool,
) -> None:
    """One object: headers sent, last byte read by the server, answered."""
    sent, last, answered = moments
    up, down = trip_ns
    place = int(object_id.rpartition(".")[2])
    node.rpc(
        f"{FLEET}PushObject",
        SERVER,
        (sent, sent + up, last, answered, answered + down, answered + down),
        object_id=object_id,
        session_id=session,
        stored=stored,
        request_bytes=2_900_000 if place == 0 else 200,
        response_bytes=2,
        local_port=41000 + place % 2,
    )


def reply_to(server: Writer, reply: str, message_id: str, now: int, code: int | None) -> None:
    server.records.append(
        Reply(
            message_id=reply,
            reply_to=message_id,
            mono_ns=now,
            message_type="train",
            node_id="1",
            error_code=code,
        )
    )


def covered(ways: list[Stretch]) -> int:
    """Length of the union, counted the slow way."""
    total, reached = 0, 0
    for start, end in sorted(ways):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
