"""Spans as OTLP: to an endpoint over HTTP, or to a file of JSON lines. Needs the extra fedprobe[otlp].

Source: OpenTelemetry Protocol 1.5, "JSON Protobuf Encoding" (ids in hexadecimal, enumerations as numbers), and the
OTLP file exporter (one JSON object a line).
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from analysis.exports.spans import TraceSpan, spans
from analysis.revision import revision
from testbed.errors import FedprobeError, MissingCapabilityError, UsageError
from testbed.exports.selection import Selection
from testbed.exports.target import replacing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

NAME, SCOPE = "otlp.json", "fedprobe"
MARK = b'{"key":"telemetry.distro.name","value":{"stringValue":"fedprobe"}}'
TIMEOUT_S = 10.0
SPANS_A_REQUEST = 512
_CAUSE = re.compile(r"\[Errno -?\d+\] ([^\"')]+)|code: (\d+), reason: (.+)")
_IDS = ("traceId", "spanId", "parentSpanId")


class EndpointError(FedprobeError):
    """An endpoint did not take the spans."""


class _Heard(logging.Handler):
    """Keeps why the exporter failed, which it tells its log alone; empty where it tells otherwise."""

    cause = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the system's or the endpoint's words."""
        if found := _CAUSE.search(record.getMessage()):
            self.cause = " ".join(filter(None, found.groups()))


def require_opentelemetry() -> None:
    """Raises MissingCapabilityError where the extra is not installed."""
    try:
        found = all(find_spec(f"opentelemetry.{part}") for part in ("sdk", "exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        found = False
    if not found:
        raise MissingCapabilityError(
            "OTLP needs the OpenTelemetry SDK, which is not installed here: pip install 'fedprobe[otlp]'"
        )


def traces_url(endpoint: str) -> str:
    """Where an endpoint takes traces: at /v1/traces where only a host is named. Raises UsageError for no URL."""
    url = urlsplit(endpoint)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise UsageError("--endpoint is not an http:// or https:// URL. Example: http://127.0.0.1:4318")
    if url.username is not None or url.password is not None:
        raise UsageError(
            "--endpoint holds a name or password, which process lists show. Give it as a header in "
            "OTEL_EXPORTER_OTLP_HEADERS instead."
        )
    return endpoint if url.path not in {"", "/"} else f"{endpoint.rstrip('/')}/v1/traces"


def send(selection: Selection, url: str) -> int:
    """Send every span; returns how many. Headers come from OTEL_EXPORTER_OTLP_HEADERS. Raises EndpointError."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    log, heard = logging.getLogger("opentelemetry"), _Heard()
    log.addHandler(heard)
    log.propagate = False  # what it would say is said once, below
    exporter, sent = OTLPSpanExporter(endpoint=url, timeout=TIMEOUT_S), 0
    try:
        for batch in _batches(selection):
            if exporter.export(batch) is not SpanExportResult.SUCCESS:
                cause = f": {heard.cause}" if heard.cause else ""
                raise EndpointError(
                    f"{url} did not take the spans ({sent} were taken before){cause}. Check that an OTLP/HTTP "
                    "receiver listens there and that OTEL_EXPORTER_OTLP_HEADERS is right, then export again: ids "
                    "repeat."
                )
            sent += len(batch)
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]
        log.removeHandler(heard)
    return sent


def write(selection: Selection, folder: Path) -> tuple[Path, int]:
    """Write every span to a file; returns it and how many there are."""
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    path, count = folder / NAME, 0
    with replacing(path, MARK) as file:
        for batch in _batches(selection):
            request = _with_hexadecimal_ids(MessageToDict(encode_spans(batch), use_integers_for_enums=True))
            file.write(json.dumps(request, separators=(",", ":"), ensure_ascii=False) + "\n")
            count += len(batch)
    return path, count


def _with_hexadecimal_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hexadecimal_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64decode(item).hex() if name in _IDS else _with_hexadecimal_ids(item)
        for name, item in value.items()
    }


def _batches(selection: Selection) -> Iterator[list[ReadableSpan]]:
    for trial in selection.trials():
        batch = []
        for span in _readable(spans(trial), trial.server):
            batch.append(span)
            if len(batch) == SPANS_A_REQUEST:
                yield batch
                batch = []
        if batch:
            yield batch


def _readable(made: Iterable[TraceSpan], server: str) -> Iterator[ReadableSpan]:
    """The SDK's spans, with the ids and times that these have; the SDK's clock and ids have no part in it."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    scope = InstrumentationScope(SCOPE, revision()["fedprobe"])
    resources: dict[str, Resource] = {}

    def context(span: TraceSpan, span_id: bytes) -> SpanContext:
        ids = int.from_bytes(span.trace_id, "big"), int.from_bytes(span_id, "big")
        return SpanContext(*ids, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    for span in made:
        if span.host not in resources:
            name = "flower-server" if span.host == server else "flower-client"
            about = {"service.name": name, "host.name": span.host, "telemetry.distro.name": "fedprobe"}
            resources[span.host] = Resource(dict(sorted(about.items(), reverse=True)))
        yield ReadableSpan(
            name=span.name,
            context=context(span, span.span_id),
            parent=None if span.parent_id is None else context(span, span.parent_id),
            resource=resources[span.host],
            attributes=dict(span.attributes),
            events=[Event(event.name, dict(event.attributes), event.at_ns) for event in span.events],
            kind=SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, span.problem) if span.problem else Status(StatusCode.OK),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=scope,
        )
