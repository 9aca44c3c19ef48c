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
from instrument.flower.arrival import age_of_last_data_ns, late_ms
from instrument.flower.session import guarded, probe
from instrument.probe import described
from instrument.records import Serve

HEADER = "x-fedprobe"
QUIET_PATHS = ("acquire-task", "push-logs", "pull-logs", "send-task-heartbeat", "send-node-heartbeat")

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]


class StampingApp:
    """Wraps an ASGI application; every exception passes through unchanged."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._clock = short_id(str(this_clock()))
        self._numbers = itertools.count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = guarded(self._begun, scope)
        if exchange is None:
            await self._app(scope, receive, send)
            return
        try:
            await self._app(
                scope,
                guarded(exchange.receiving, receive) or receive,
                guarded(exchange.sending, send) or send,
            )
        except BaseException as error:
            exchange.error = described(error)[:300]
            raise
        finally:
            guarded(exchange.hand_over)

    def _begun(self, scope: Event) -> _Exchange | None:
        """The exchange that begins now; None for what is no measured request."""
        if scope["type"] != "http" or scope["path"].endswith(QUIET_PATHS):
            return None
        return _Exchange(next(self._numbers), scope, self._clock)


class _Exchange:
    """The stamps of one request, while it is served."""

    def __init__(self, number: int, scope: Event, clock: str) -> None:
        self._now = probe().clock.mono_ns
        self.arrive = self._now()
        self.number = number
        self.scope = scope
        self.clock = clock
        self.first_byte: int | None = None
        self.last_byte: int | None = None
        self.response: int | None = None
        self.response_end: int | None = None
        self.request_bytes = 0
        self.response_bytes = 0
        self.late_ms: int | None = None
        self.status: int | None = None
        self.error: str | None = None

    def receiving(self, receive: Receive) -> Receive:
        connection = _socket_of(receive)

        async def receive_stamped() -> Event:
            event = await receive()
            guarded(self._received, event, connection)
            return event

        return receive_stamped

    def _received(self, event: Event, connection: Any) -> None:
        if event["type"] != "http.request":
            return
        now = self._now()
        self.first_byte = self.first_byte or now
        self.request_bytes += len(event.get("body", b""))
        if not event.get("more_body", False):
            self.last_byte = now
            self.late_ms = late_ms(age_of_last_data_ns(connection))

    def sending(self, send: Send) -> Send:
        async def send_stamped(event: Event) -> None:
            kind = event.get("type")
            stamped = guarded(self._stamped, event) if kind == "http.response.start" else None
            await send(event if stamped is None else stamped)
            if kind == "http.response.body":
                guarded(self._sent, event)

        return send_stamped

    def _stamped(self, event: Event) -> Event:
        """A response's start with the stamps in its headers."""
        self.status = event["status"]
        self.response = self._now()
        return {**event, "headers": [*event.get("headers", ()), (HEADER.encode(), self._header())]}

    def _sent(self, event: Event) -> None:
        self.response_bytes += len(event.get("body", b""))
        self.response_end = self._now()

    def _header(self) -> bytes:
        after = (stamp and stamp - self.arrive for stamp in (self.first_byte, self.last_byte, self.response))
        parts = (self.number, self.arrive, *after, self.late_ms, self.clock)
        return ";".join("" if part is None else str(part) for part in parts).encode()

    def hand_over(self) -> None:
        probe().emit(self._record)

    def _record(self) -> Serve:
        peer, port = self.scope.get("client") or ("", 0)
        return Serve(
            request=self.number,
            path=self.scope["path"],
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
