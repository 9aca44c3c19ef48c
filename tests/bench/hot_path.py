"""What recording costs the thread that is measured, in microseconds, and how many records the writer keeps up with.

The writer does not run meanwhile, so that a figure is the measured thread's own. Each is of batches of calls, and its
interval is over batches.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from instrument.flower import rpc, session
from instrument.flower.arrival import TICK_NS
from instrument.flower.rpc import RecordingInterceptor
from instrument.flower.serve import StampingApp
from instrument.probe import Probe, Timed
from instrument.records import Span
from instrument.spool import SegmentWriter
from tests.bench import intervals
from tests.bench.intervals import Estimate
from tests.bench.serving import answer, serving

CALLS = 2000
BATCHES = 40
WRITTEN = 100_000
PATH, OBJECT_PATH = "/v1/fleet/pull-messages", "/v1/fleet/push-object"


def microseconds() -> dict[str, Estimate]:
    """`emit`: handing over a record; `span`: two clock readings, the record and its hand-over; `rpc`, `serve`: all
    that the hook of one request does at its client and at its server, which is one record each; `rpc_asking`,
    `serve_asking`: of a request that carries an object, where the kernel is asked when its last bytes came."""
    probe = _probe_without_writer()
    return {
        "emit": _emit(probe),
        "span": _span(probe),
        "rpc": _rpc(probe),
        "rpc_asking": _rpc(probe, method="PullObject", least_ns=0),
        "serve": _serve(probe, PATH),
        "serve_asking": _serve(probe, OBJECT_PATH),
    }


def written_per_s(folder: Path) -> Estimate:
    """Spans that the writer encodes and appends in a second, its file synced as ever."""
    from instrument.identity import command_line, segment_header

    rates = []
    for number in range(7):
        header = segment_header("bench", {}, command_line())
        probe = Probe(lambda number=number, header=header: SegmentWriter(folder / f"rate-{number}.jsonl", header))  # type: ignore[misc]
        for _ in range(WRITTEN):
            probe.emit(Span(name="train", start_mono_ns=time.monotonic_ns(), end_mono_ns=time.monotonic_ns()))
        start = time.perf_counter()
        probe.close()
        rates.append(WRITTEN / (time.perf_counter() - start))
        last = (folder / f"rate-{number}.jsonl").read_bytes().splitlines()[-1]
        assert json.loads(last)["records"] == WRITTEN
    return intervals.mean(rates)


def _probe_without_writer() -> Probe:
    probe = Probe(lambda: None, capacity=10 * CALLS)  # type: ignore[arg-type, return-value]
    session._Session.probe = probe
    return probe


def _emit(probe: Probe) -> Estimate:
    record = Span(name="train", start_mono_ns=1, end_mono_ns=2)

    def calls() -> None:
        for _ in range(CALLS):
            probe.emit(record)

    return _each(probe, calls, _nothing)


def _span(probe: Probe) -> Estimate:
    def calls() -> None:
        for _ in range(CALLS):
            with Timed(probe, "train"):
                pass

    return _each(probe, calls, _nothing)


def _rpc(probe: Probe, method: str = "PullMessages", least_ns: int = TICK_NS) -> Estimate:
    """Of a request that was made once: its events are told again, its response is returned again.

    An object that takes `least_ns` or more has the kernel asked how late it was read.
    """
    import httpx

    rpc.TICK_NS = least_ns
    interceptor = RecordingInterceptor()
    with serving(answer) as url, httpx.Client() as client:
        events: list[str] = []
        request = client.build_request("POST", url, content=b"x" * 30)
        request.extensions["trace"] = lambda name, _info: events.append(name)
        response = client.send(request)
        context = SimpleNamespace(
            rpc_method=f"/flwr.proto.Fleet/{method}", request=request, message=SimpleNamespace()
        )

        def send_traced(one: Any) -> Any:
            trace = one.request.extensions["trace"]
            for event in events:
                trace(event, None)
            return response

        def send_bare(_one: Any) -> Any:
            for _ in events:
                pass
            return response

        def hooked() -> None:
            for _ in range(CALLS):
                interceptor.intercept(context, send_traced)

        def bare() -> None:
            for _ in range(CALLS):
                send_bare(context)

        return _each(probe, hooked, bare)


def _serve(probe: Probe, path: str) -> Estimate:
    """On the loop that a server of Flower's has, and of a connection that this loop has accepted."""

    async def send(_event: Any) -> None:
        return None

    async def served(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    scope = {"type": "http", "path": path, "client": ("10.77.1.1", 40_000)}

    def calls_of(app: Callable[[Any, Any, Any], Awaitable[None]], cycle: _Cycle) -> Callable[[], Awaitable[None]]:
        async def calls() -> None:
            for _ in range(CALLS):
                await app(scope, cycle.receive, send)

        return calls

    async def measured() -> Estimate:
        loop = asyncio.get_running_loop()
        accepted: asyncio.Future[asyncio.BaseTransport] = loop.create_future()
        server = await loop.create_server(lambda: _Connection(accepted), "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            cycle = _Cycle(await accepted)
            hooked, bare = (_step(calls_of(app, cycle)) for app in (StampingApp(served), served))
            found = _each(probe, hooked, bare)
            cycle.transport.close()
        server.close()
        return found

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measured())


def _step(calls: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Calls that never wait, as a plain function: run to their end in one step, within the running loop."""

    def work() -> None:
        steps = calls().__await__()
        for _ in steps:
            raise RuntimeError("the calls waited")

    return work


class _Connection(asyncio.Protocol):
    def __init__(self, accepted: asyncio.Future[asyncio.BaseTransport]) -> None:
        self._accepted = accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio's protocols do."""
        self._accepted.set_result(transport)


class _Cycle:
    """As uvicorn's, of whose connection the kernel is asked: its `receive`, and its transport."""

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def receive(self) -> dict[str, Any]:
        """A small body, whole."""
        return {"type": "http.request", "body": b"x" * 30}


def _nothing() -> None:
    for _ in range(CALLS):
        pass


def _each(probe: Probe, work: Callable[[], None], without: Callable[[], None]) -> Estimate:
    """Microseconds that one call of the work takes more than one without."""
    found = []
    for batch in range(BATCHES + 2):
        gc.collect()
        cost = (_seconds(work) - _seconds(without)) / CALLS * 1e6
        probe._pending.clear()
        if batch >= 2:
            found.append(cost)
    return intervals.mean(found)


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
