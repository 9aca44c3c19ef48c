"""Server side of a request: an ASGI wrapper that stamps arrival, body and response, and returns its stamps.

The stamps travel in one response header, `x-fedprobe`: request number, then arrival, first body byte, last body
byte and response start in nanoseconds of the server's monotonic clock, then that clock's id, parted by `;`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Awaitable, Callable, MutableMapping
from types import ModuleType
from typing import Any

from instrument.clock import this_clock
from instrument.flower.session import probe
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
        self._clock = str(this_clock())
        self._numbers = itertools.count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].endswith(QUIET_PATHS):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(next(self._numbers), scope, self._clock)
        try:
            await self._app(scope, exchange.receiving(receive), exchange.sending(send))
        except BaseException as error:
            exchange.error = described(error)[:300]
            raise
        finally:
            probe().emit(exchange.record())


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
        self.status: int | None = None
        self.error: str | None = None

    def receiving(self, receive: Receive) -> Receive:
        async def receive_stamped() -> Event:
            event = await receive()
            if event["type"] == "http.request":
                now = self._now()
                self.first_byte = self.first_byte or now
                self.request_bytes += len(event.get("body", b""))
                if not event.get("more_body", False):
                    self.last_byte = now
            return event

        return receive_stamped

    def sending(self, send: Send) -> Send:
        async def send_stamped(event: Event) -> None:
            if event["type"] == "http.response.start":
                self.status = event["status"]
                self.response = self._now()
                event = {**event, "headers": [*event.get("headers", ()), (HEADER.encode(), self._header())]}
            await send(event)
            if event["type"] == "http.response.body":
                self.response_bytes += len(event.get("body", b""))
                self.response_end = self._now()

        return send_stamped

    def _header(self) -> bytes:
        stamps = (self.number, self.arrive, self.first_byte, self.last_byte, self.response)
        return ";".join([*("" if stamp is None else str(stamp) for stamp in stamps), self.clock]).encode()

    def record(self) -> Callable[[], Serve]:
        peer, port = self.scope.get("client") or ("", 0)
        return lambda: Serve(
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
        )


def hook_uvicorn_config(module: ModuleType) -> None:
    """For `uvicorn.config`: wraps the application of every server that this process starts."""
    init = module.Config.__init__

    @functools.wraps(init)
    def init_wrapped(self: Any, app: Any, *arguments: Any, **options: Any) -> None:
        init(self, app if isinstance(app, str) else StampingApp(app), *arguments, **options)

    module.Config.__init__ = init_wrapped
