"""Server side of a request: an ASGI wrapper that stamps arrival, body and response, and returns its stamps.

The stamps travel in one response header, `x-fedprobe`, parted by `;`: request number; arrival in nanoseconds of the
server's monotonic clock; first body byte, last body byte and response start in nanoseconds after the arrival; how
many milliseconds the last byte had lain in the kernel unread; the clock's short id. What is not known is empty.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Awaitable, Callable, MutableMapping
from types import ModuleType
from typing import Any

from instrument.clock import short_id, this_clock
from instrument.flower.arrival import age_ns, late_ms, tcp_info
from instrument.flower.session import guarded, probe, tell
from instrument.probe import described
from instrument.records import Serve

HEADER = "x-fedprobe"
HEADER_BYTES = HEADER.encode()
QUIET_PATHS = ("acquire-task", "push-logs", "pull-logs", "send-task-heartbeat", "send-node-heartbeat")

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]


class StampingApp:
    """Wraps an ASGI application; every exception passes through unchanged."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._clock = short_id(str(this_clock())).encode()
        self._numbers = itertools.count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = None
        try:
            exchange = self._begun(scope, receive, send)
        except Exception as error:
            tell(self._begun, error)
        if exchange is None:
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.error = described(error)[:300]
            raise
        finally:
            try:
                exchange.hand_over()
            except Exception as error:
                tell(exchange.hand_over, error)

    def _begun(self, scope: Event, receive: Receive, send: Send) -> _Exchange | None:
        """The exchange that begins now; None for what is no measured request."""
        if scope["type"] != "http" or scope["path"].endswith(QUIET_PATHS):
            return None
        return _Exchange(next(self._numbers), self._clock, scope, receive, send)


class _Exchange:
    """The stamps of one request, while it is served, and the ASGI callables that make them."""

    first_byte: int | None = None
    last_byte: int | None = None
    response: int | None = None
    response_end: int | None = None
    request_bytes = 0
    response_bytes = 0
    late_ms: int | None = None
    status: int | None = None
    error: str | None = None

    def __init__(self, number: int, clock: bytes, scope: Event, receive: Receive, send: Send) -> None:
        self._probe = recording = probe()
        self._now = now = recording.clock.mono_ns
        self.arrive = now()
        self._number = number
        self._clock = clock
        self._scope = scope
        self._receive = receive
        self._send = send

    async def receive(self) -> Event:
        """ASGI's `receive`, which stamps what it receives."""
        event = await self._receive()
        try:
            self._received(event)
        except Exception as error:
            tell(self._received, error)
        return event

    def _received(self, event: Event) -> None:
        if event["type"] != "http.request":
            return
        now = self._now()
        if self.first_byte is None:
            self.first_byte = now
        self.request_bytes += len(event.get("body", b""))
        if not event.get("more_body", False):
            self.last_byte = now
            self.late_ms = late_ms(age_ns(tcp_info(_socket_of(self._receive))))

    def send(self, event: Event) -> Awaitable[None]:
        """ASGI's `send`, which stamps what it sends; a response's start has the stamps in its headers."""
        kind = event.get("type")
        if kind == "http.response.body":
            return self._send_body(event)
        if kind == "http.response.start":
            try:
                event = self._stamped(event)
            except Exception as error:
                tell(self._stamped, error)
        return self._send(event)

    def _stamped(self, event: Event) -> Event:
        self.status = event["status"]
        self.response = self._now()
        return {**event, "headers": [*event.get("headers", ()), (HEADER_BYTES, self._header())]}

    async def _send_body(self, event: Event) -> None:
        await self._send(event)
        try:
            self._sent(event)
        except Exception as error:
            tell(self._sent, error)

    def _sent(self, event: Event) -> None:
        self.response_bytes += len(event.get("body", b""))
        self.response_end = self._now()

    def _header(self) -> bytes:
        arrive, first, last, response = self.arrive, self.first_byte, self.last_byte, self.response
        if first is not None and last is not None and response is not None and self.late_ms is not None:
            after = (first - arrive, last - arrive, response - arrive, self.late_ms)
            return b"%d;%d;%d;%d;%d;%d;%b" % (self._number, arrive, *after, self._clock)
        known = (None if stamp is None else stamp - arrive for stamp in (first, last, response))
        parts = (self._number, arrive, *known, self.late_ms)
        return b";".join((*(b"" if part is None else b"%d" % part for part in parts), self._clock))

    def hand_over(self) -> None:
        """Emit the record, which the writer's thread makes."""
        self._probe.emit(self._record)

    def _record(self) -> Serve:
        peer, port = self._scope.get("client") or ("", 0)
        return Serve(
            request=self._number,
            path=self._scope["path"],
            peer=str(peer),
            peer_port=int(port),
            arrive_mono_ns=self.arrive,
            first_byte_mono_ns=self.first_byte,
            last_byte_mono_ns=self.last_byte,
            response_mono_ns=self.response,
            response_end_mono_ns=self.response_end,
            request_bytes=self.request_bytes,
            response_bytes=self.response_bytes,
            status=self.status,
            error=self.error,
            late_ms=self.late_ms,
        )


def _socket_of(receive: Receive) -> Any:
    """The connection's socket, by way of uvicorn's own `receive`; None behind another server or a middleware."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    return None if transport is None else transport.get_extra_info("socket")


def hook_uvicorn_config(module: ModuleType) -> None:
    """For `uvicorn.config`: wraps the application of every server that this process starts."""
    init = module.Config.__init__

    @functools.wraps(init)
    def init_wrapped(self: Any, app: Any, *arguments: Any, **options: Any) -> None:
        stamping = None if isinstance(app, str) else guarded(StampingApp, app)
        init(self, app if stamping is None else stamping, *arguments, **options)

    module.Config.__init__ = init_wrapped
