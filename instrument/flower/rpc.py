"""Client side of a request: Flower's protobuf-over-HTTP client, timed by httpx's public `trace` extension.

One interceptor, innermost in Flower's chain, sees every attempt of every request of every process. Costly
parsing (object trees) is left to the writer's thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, wraps
from types import MethodType, ModuleType
from typing import Any

from instrument.flower.arrival import TICK_NS, age_ns, late_ms, tcp_info
from instrument.flower.serve import HEADER
from instrument.flower.session import guarded, probe, tell
from instrument.probe import described
from instrument.records import Rpc
from instrument.threads import native_id

Moments = dict[str, int | None]  # by the names in MOMENTS: readings of the client's monotonic clock, ns

# methods that poll or log beside the measured path; their requests are not recorded
QUIET_METHODS = ("AcquireTask", "PushLogs", "PullLogs", "SendTaskHeartbeat", "SendNodeHeartbeat")
# whose answer may be an object: when its last bytes came is when a download ends. Of no other answer it is asked
OBJECT_METHOD = "PullObject"
START, END = "start", "end"
HEADERS_SENT, BODY_READ = "http11.send_request_headers.started", "http11.receive_response_body.complete"
# the hook's own two, and httpcore's event names: https://www.encode.io/httpcore/extensions/#trace
MOMENTS = {
    START: "start_mono_ns",
    END: "end_mono_ns",
    "connection.connect_tcp.started": "connect_start_mono_ns",
    "connection.connect_tcp.complete": "connect_end_mono_ns",
    HEADERS_SENT: "headers_sent_mono_ns",
    "http11.send_request_body.complete": "body_sent_mono_ns",
    "http11.receive_response_headers.complete": "response_mono_ns",
    BODY_READ: "body_read_mono_ns",
}
NO_MOMENTS: Moments = dict.fromkeys(MOMENTS)
# the response header's stamps that count from the arrival, in order
AFTER_ARRIVAL = ("server_first_byte_mono_ns", "server_last_byte_mono_ns", "server_response_mono_ns")
KNOWN = "_fedprobe_known"  # a stream's attribute: its local port and socket
SMALL_RESPONSE_BYTES = 256  # an answer without an object is this small; a larger one carries its object


class RecordingInterceptor:
    """Flower's ProtobufClientInterceptor protocol. Passes every request, response and exception on unchanged."""

    def __init__(self) -> None:
        now = probe().clock.mono_ns

        def trace(moments: Moments, name: str, _info: Any) -> None:  # called amid a request: nothing here can raise
            if name in moments:
                moments[name] = now()

        self._now = now
        self._trace = trace

    def intercept(self, context: Any, call_next: Callable[[Any], Any]) -> Any:
        """Send one attempt of one request."""
        moments = None
        try:
            if _measured(context.rpc_method):
                moments = NO_MOMENTS.copy()
                # one function for all requests, bound: a function of each request's own costs its every call
                context.request.extensions["trace"] = MethodType(self._trace, moments)
                moments[START] = self._now()
        except Exception as error:
            moments = None
            tell(self.intercept, error)
        if moments is None:
            return call_next(context)
        response = failure = None
        try:
            response = call_next(context)
            return response
        except BaseException as error:
            failure = described(error)[:300]
            raise
        finally:
            moments[END] = self._now()
            try:
                _hand_over(context, moments, response, failure)
            except Exception as error:
                tell(_hand_over, error)


@cache
def _measured(method: str) -> bool:
    return not method.endswith(QUIET_METHODS)


def _hand_over(context: Any, moments: Moments, response: Any, failure: str | None) -> None:
    """Emit an attempt's record. What may be gone by the time it is made is asked now."""
    recording, port, info, asked = probe(), None, None, None
    if response is not None:
        stream = response.extensions.get("network_stream")
        if stream is not None:
            port, connection = getattr(stream, KNOWN, None) or _connection(stream)
            read, sent = moments[BODY_READ], moments[HEADERS_SENT]
            late = read is not None and (sent is None or read - sent >= TICK_NS)
            if late and context.rpc_method.endswith(OBJECT_METHOD):
                info, asked = tcp_info(connection), recording.clock.mono_ns()
    recording.emit((_record, context, moments, response, failure, native_id(), port, info, asked))


def _connection(stream: Any) -> tuple[int | None, Any]:
    """Local port and socket of httpcore's stream, which is one connection: kept with it, as it does not change."""
    try:
        known = (int(stream.get_extra_info("client_addr")[1]), stream.get_extra_info("socket"))
    except Exception:  # closed by now: the record says None
        return None, None
    with suppress(Exception):  # a stream that takes no attribute is asked each time
        setattr(stream, KNOWN, known)
    return known


def _record(  # noqa: PLR0917 emitted as a tuple, which has no names
    context: Any,
    moments: Moments,
    response: Any,
    failure: str | None,
    thread: int,
    port: int | None,
    info: bytes | None,
    asked: int | None,
) -> Rpc:
    """What is known of an attempt once it has ended; `info` is what the kernel said of its connection at `asked`.

    `asked` is None where it was not asked.
    """
    request = context.request
    values: dict[str, Any] = {MOMENTS[name]: ns for name, ns in moments.items() if ns is not None}
    values |= {**_named(context.message), **_stamps(response)}
    if response is not None:
        values["status"] = response.status_code
        values["response_bytes"] = len(response.content)
        if response.status_code == 200:
            values.update(_answered(context.rpc_method, response.content))
    return Rpc(
        method=context.rpc_method,
        server=f"{request.url.host}:{request.url.port}",
        request_bytes=len(request.content),
        error=failure,
        thread=thread,
        local_port=port,
        late_ms=_late_ms(info, asked, moments, port) if context.rpc_method.endswith(OBJECT_METHOD) else None,
        **values,
    )


def _late_ms(info: bytes | None, asked_ns: int | None, moments: Moments, port: int | None) -> int | None:
    """How long the response's last bytes had lain in the kernel when they were read.

    Nothing, as far as the kernel's ticks can tell, where the whole answer took less than one: then it is not asked.
    """
    read_ns = moments[BODY_READ]
    if read_ns is None or port is None:
        return None
    if asked_ns is None:
        return 0
    age = age_ns(info)
    return None if age is None else late_ms(age - (asked_ns - read_ns))


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
        number, arrived, *after, late, clock = text.split(",")
        found: dict[str, Any] = {"server_clock": clock, "server_request": int(number, 16)}
        found["server_arrive_mono_ns"] = arrive_ns = int(arrived, 16)
        found |= {key: arrive_ns + int(text, 16) for key, text in zip(AFTER_ARRIVAL, after, strict=True) if text}
        return found | ({"server_late_ms": int(late, 16)} if late else {})
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

    @wraps(init)
    def init_wrapped(self: Any, *arguments: Any, interceptors: Any = (), **options: Any) -> None:
        recording = guarded(RecordingInterceptor)
        ours = () if recording is None else (recording,)
        init(self, *arguments, interceptors=(*interceptors, *ours), **options)

    module.ProtobufClient.__init__ = init_wrapped
