"""Client side of a request: Flower's protobuf-over-HTTP client, timed by httpx's public `trace` extension.

One interceptor, innermost in Flower's chain, sees every attempt of every request of every process. Costly
parsing (object trees) is left to the writer's thread.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from instrument.flower.arrival import age_of_last_data_ns, late_ms
from instrument.flower.serve import HEADER
from instrument.flower.session import guarded, probe
from instrument.probe import described
from instrument.records import Rpc

# methods that poll or log beside the measured path; their requests are not recorded
QUIET_METHODS = ("AcquireTask", "PushLogs", "PullLogs", "SendTaskHeartbeat", "SendNodeHeartbeat")
# httpcore's event names: https://www.encode.io/httpcore/extensions/#trace
MOMENTS = {
    "connection.connect_tcp.started": "connect_start_mono_ns",
    "connection.connect_tcp.complete": "connect_end_mono_ns",
    "http11.send_request_headers.started": "headers_sent_mono_ns",
    "http11.send_request_body.complete": "body_sent_mono_ns",
    "http11.receive_response_headers.complete": "response_mono_ns",
    "http11.receive_response_body.complete": "body_read_mono_ns",
}
# the response header's stamps that count from the arrival, in order
AFTER_ARRIVAL = ("server_first_byte_mono_ns", "server_last_byte_mono_ns", "server_response_mono_ns")
SMALL_RESPONSE_BYTES = 256  # an answer without an object is this small; a larger one carries its object


class RecordingInterceptor:
    """Flower's ProtobufClientInterceptor protocol. Passes every request, response and exception on unchanged."""

    def intercept(self, context: Any, call_next: Callable[[Any], Any]) -> Any:
        """Send one attempt of one request."""
        attempt = guarded(_begun, context)
        if attempt is None:
            return call_next(context)
        response = None
        try:
            response = call_next(context)
            return response
        except BaseException as error:
            attempt.failure = described(error)[:300]
            raise
        finally:
            guarded(attempt.end, response)


class _Attempt:
    """One attempt of one request, while it is under way; `end` hands over its record."""

    __slots__ = ("_context", "_moments", "_now", "_start", "failure")

    def __init__(self, context: Any) -> None:
        self.failure: str | None = None
        self._context = context
        self._now = now = probe().clock.mono_ns
        moments: dict[str, int] = {}
        self._moments = moments

        def trace(name: str, _info: Any) -> None:  # called amid the request: nothing here can raise
            key = MOMENTS.get(name)
            if key is not None:
                moments[key] = now()

        context.request.extensions["trace"] = trace
        self._start = now()

    def end(self, response: Any) -> None:
        end, thread = self._now(), threading.get_native_id()
        # asked now: the socket may be gone by the time the record is made
        port = _local_port(response)
        late = _late_ms(response, self._moments.get("body_read_mono_ns"), self._now)
        probe().emit(
            lambda: _record(
                self._context,
                response,
                failure=self.failure,
                moments=self._moments,
                start=self._start,
                end=end,
                thread=thread,
                port=port,
                late=late,
            )
        )


def _begun(context: Any) -> _Attempt | None:
    """The attempt that is about to be made; None for a method that is not recorded."""
    return None if context.rpc_method.endswith(QUIET_METHODS) else _Attempt(context)


def _record(
    context: Any,
    response: Any,
    *,
    failure: str | None,
    moments: dict[str, int],
    start: int,
    end: int,
    thread: int,
    port: int | None,
    late: int | None,
) -> Rpc:
    request = context.request
    values: dict[str, Any] = {**moments, **_named(context.message), **_stamps(response)}
    if response is not None:
        values["status"] = response.status_code
        values["response_bytes"] = len(response.content)
        if response.status_code == 200:
            values.update(_answered(context.rpc_method, response.content))
    return Rpc(
        method=context.rpc_method,
        server=f"{request.url.host}:{request.url.port}",
        start_mono_ns=start,
        end_mono_ns=end,
        request_bytes=len(request.content),
        error=failure,
        thread=thread,
        local_port=port,
        late_ms=late,
        **values,
    )


def _local_port(response: Any) -> int | None:
    try:
        return int(response.extensions["network_stream"].get_extra_info("client_addr")[1])
    except Exception:  # no connection, no port; the record says None
        return None


def _late_ms(response: Any, body_read_ns: int | None, now: Callable[[], int]) -> int | None:
    """How long the response's last bytes had lain in the kernel when they were read."""
    if response is None or body_read_ns is None:
        return None
    try:
        age_ns = age_of_last_data_ns(response.extensions["network_stream"].get_extra_info("socket"))
    except Exception:  # no connection any more: the record says None
        return None
    return None if age_ns is None else late_ms(age_ns - (now() - body_read_ns))


def _named(message: Any) -> dict[str, Any]:
    """What a request's protobuf says of whom and what it is about."""
    values: dict[str, Any] = {}
    for name in ("run_id", "object_id", "session_id"):
        value = getattr(message, name, None)
        if value:
            values[name] = str(value)
    node_id = getattr(getattr(message, "node", None), "node_id", None)
    if node_id:
        values["node_id"] = str(node_id)
    return {**values, **_carried(message)}


def _carried(message: Any) -> dict[str, Any]:
    """The metadata and object ids of the first message that a protobuf carries, if it carries any."""
    if not getattr(message, "messages_list", None):
        return {}
    metadata = message.messages_list[0].metadata
    values: dict[str, Any] = {"message_type": metadata.message_type}
    tree_ids = [object_id for tree in message.message_object_trees for object_id in _tree_ids(tree)]
    values["object_ids"] = list(dict.fromkeys(tree_ids))
    trees = message.message_object_trees
    values["message_id"] = metadata.message_id or (trees[0].object_id if trees else None)
    if metadata.reply_to_message_id:
        values["reply_to"] = metadata.reply_to_message_id
    return values


def _tree_ids(tree: Any) -> Iterator[str]:
    for child in tree.children:
        yield from _tree_ids(child)
    yield tree.object_id


def _stamps(response: Any) -> dict[str, Any]:
    """The server's stamps out of its response header."""
    text = response.headers.get(HEADER) if response is not None else None
    if not text:
        return {}
    try:
        number, arrived, *after, late, clock = text.split(";")
        found: dict[str, Any] = {"server_clock": clock, "server_request": int(number)}
        found["server_arrive_mono_ns"] = arrive_ns = int(arrived)
        found |= {key: arrive_ns + int(text) for key, text in zip(AFTER_ARRIVAL, after, strict=True) if text}
        return found | ({"server_late_ms": int(late)} if late else {})
    except ValueError:  # a server whose probe is of another version: the client's own moments still count
        return {}


def _answered(method: str, content: bytes) -> dict[str, Any]:
    """What a response says: the message pulled, the session opened, whether an object was there or was stored."""
    service, _, name = method.rpartition("/")
    if name in {"PullMessages", "PushMessages"}:
        return _messages_answer(service, name, content)
    if name == "PullObject":
        return {"object_available": len(content) > SMALL_RESPONSE_BYTES or _object_available(content)}
    if name == "PushObject":
        from flwr.proto.message_pb2 import PushObjectResponse

        return {"stored": bool(PushObjectResponse.FromString(content).stored)}
    return {}


def _object_available(content: bytes) -> bool:
    from flwr.proto.message_pb2 import PullObjectResponse

    answer = PullObjectResponse.FromString(content)
    return bool(answer.object_found and answer.object_available)


def _messages_answer(service: str, name: str, content: bytes) -> dict[str, Any]:
    if service.endswith("Fleet"):
        from flwr.proto import fleet_pb2 as messages
    else:
        from flwr.proto import runtime_pb2 as messages  # type: ignore[no-redef]
    fleet = service.endswith("Fleet")
    if name == "PushMessages":
        kind = messages.PushMessagesResponse if fleet else messages.PushAppMessagesResponse  # type: ignore[attr-defined]
        answer = kind.FromString(content)
        return {"session_id": answer.session_id or None, "object_ids": list(answer.objects_to_push)}
    kind = messages.PullMessagesResponse if fleet else messages.PullAppMessagesResponse  # type: ignore[attr-defined]
    return _carried(kind.FromString(content))


def hook_protobuf_client(module: ModuleType) -> None:
    """For `flwr.supercore.protobuf.client`: adds the interceptor, innermost, to every client."""
    init = module.ProtobufClient.__init__
    _ = inspect.signature(init).parameters["interceptors"]

    @functools.wraps(init)
    def init_wrapped(self: Any, *arguments: Any, interceptors: Any = (), **options: Any) -> None:
        init(self, *arguments, interceptors=(*interceptors, RecordingInterceptor()), **options)

    module.ProtobufClient.__init__ = init_wrapped
