"""Server side of a request: an ASGI wrapper that stamps arrival, body and response, and returns its stamps.

The stamps travel in one response header, `x-fedprobe`, as hexadecimal numbers parted by `,`: request number; arrival
in nanoseconds of the server's monotonic clock; first body byte, last body byte and response start in nanoseconds
after the arrival; how many milliseconds the last byte had lain in the kernel unread, of a request that carries an
object; the clock's short id. What is not known is empty.
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
# whose body is an object: when its last byte came is when an upload ends. Of no other request it is asked
OBJECT_PATH = "push-object"

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
            if scope["type"] == "http" and not scope["path"].endswith(QUIET_PATHS):
                exchange = _Exchange(next(self._numbers), self._clock, scope, receive, send)
        except Exception as error:
            tell(_Exchange, error)
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
                exchange.probe.emit((_record, exchange))
            except Exception as error:
                tell(_record, error)


class _Exchange:
    """The stamps of one request, while it is served, and the ASGI callables that make them.

    What is done for every request is written out in these callables: each call costs what two clock readings do.
    """

    __slots__ = (
        "_clock", "_now", "_receive", "_send", "arrive", "error", "first_byte", "last_byte", "late_ms", "number",
        "probe", "request_bytes", "response", "response_bytes", "response_end", "scope", "status",
    )  # fmt: skip

    def __init__(self, number: int, clock: bytes, scope: Event, receive: Receive, send: Send) -> None:
        self.probe = recording = probe()
        self._now = now = recording.clock.mono_ns
        self.arrive: int = now()
        self.number = number
        self._clock = clock
        self.scope = scope
        self._receive = receive
        self._send = send
        self.first_byte: int | None = None
        self.last_byte: int | None = None
        self.response: int | None = None
        self.response_end: int | None = None
        self.late_ms: int | None = None
        self.status: int | None = None
        self.error: str | None = None
        self.request_bytes = self.response_bytes = 0

    async def receive(self) -> Event:
        """ASGI's `receive`, which stamps what it receives."""
        event = await self._receive()
        try:
            if event["type"] == "http.request":
                now = self._now()
                if self.first_byte is None:
                    self.first_byte = now
                self.request_bytes += len(event.get("body", b""))
                if not event.get("more_body", False):
                    self.last_byte = now
                    if self.scope["path"].endswith(OBJECT_PATH):
                        self.late_ms = late_ms(age_ns(tcp_info(_socket_of(self._receive))))
        except Exception as error:
            tell(self.receive, error)
        return event

    def send(self, event: Event) -> Awaitable[None]:
        """ASGI's `send`, which stamps what it sends; a response's start has the stamps in its headers."""
        try:
            kind = event["type"]
            if kind == "http.response.body":
                return self._send_body(event)  # a coroutine that is not begun: nothing of it raises here
            if kind == "http.response.start":
                self.status = event["status"]
                self.response = response = self._now()
                header = HEADER_BYTES, self._header(self.arrive, self.first_byte, self.last_byte, response)
                stamped = {**event}
                stamped["headers"] = [*event.get("headers", ()), header]
                event = stamped
        except Exception as error:
            tell(self.send, error)
        return self._send(event)

    async def _send_body(self, event: Event) -> None:
        await self._send(event)
        try:
            self.response_end = self._now()
            self.response_bytes += len(event.get("body", b""))
        except Exception as error:
            tell(self._send_body, error)

    def _header(self, arrive: int, first: int | None, last: int | None, response: int) -> bytes:
        if first is None or last is None:
            return self._header_of_what_is_known(arrive, first, last, response)
        first, last, response = first - arrive, last - arrive, response - arrive
        if self.late_ms is None:
            return b"%x,%x,%x,%x,%x,,%b" % (self.number, arrive, first, last, response, self._clock)
        return b"%x,%x,%x,%x,%x,%x,%b" % (self.number, arrive, first, last, response, self.late_ms, self._clock)

    def _header_of_what_is_known(self, arrive: int, *stamps: int | None) -> bytes:
        known = (None if stamp is None else stamp - arrive for stamp in stamps)
        parts = (self.number, arrive, *known, self.late_ms)
        return b",".join((*(b"" if part is None else b"%x" % part for part in parts), self._clock))


def _record(exchange: _Exchange) -> Serve:
    """The record of a request, which the writer's thread makes."""
    peer, port = exchange.scope.get("client") or ("", 0)
    return Serve(
        request=exchange.number,
        path=exchange.scope["path"],
        peer=str(peer),
        peer_port=int(port),
        arrive_mono_ns=exchange.arrive,
        first_byte_mono_ns=exchange.first_byte,
        last_byte_mono_ns=exchange.last_byte,
        response_mono_ns=exchange.response,
        response_end_mono_ns=exchange.response_end,
        request_bytes=exchange.request_bytes,
        response_bytes=exchange.response_bytes,
        status=exchange.status,
        error=exchange.error,
        late_ms=exchange.late_ms,
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
