"""Spans that a real receiver decodes: times, parents, ids that repeat, and the same in a file."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from testbed.cli import main
from testbed.commands.report import trials_of
from testbed.exports import otlp


class Receiver(BaseHTTPRequestHandler):
    """An OTLP/HTTP receiver that keeps what it was sent."""

    requests: list[tuple[str, dict[str, str], ExportTraceServiceRequest]]
    answer = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/x-protobuf"
        self.requests.append((self.path, dict(self.headers), ExportTraceServiceRequest.FromString(body)))
        self.send_response(self.answer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def receiver(answer: int = 200) -> Iterator[tuple[str, type[Receiver]]]:
    handler = type("Kept", (Receiver,), {"requests": [], "answer": answer})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


def received(handler: type[Receiver]) -> dict[bytes, tuple[str, Span]]:
    """Host and span by id."""
    found = {}
    for _, _, request in handler.requests:
        for of_host in request.resource_spans:
            about = {one.key: one.value.string_value for one in of_host.resource.attributes}
            for scope in of_host.scope_spans:
                for span in scope.spans:
                    assert span.span_id not in found
                    found[span.span_id] = (about["host.name"], span)
    return found


def test_a_receiver_gets_every_span_twice_alike(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=made-up")
    made = []
    for _ in range(2):
        with receiver() as (url, handler):
            assert main(["export", "otlp", str(run), "--endpoint", url]) == 0
            assert {path for path, _, _ in handler.requests} == {"/v1/traces"}
            assert {headers["x-token"] for _, headers, _ in handler.requests} == {"made-up"}
            made.append(received(handler))
    assert "made-up" not in capsys.readouterr().out
    first, second = ({key: (host, span.SerializeToString()) for key, (host, span) in of.items()} for of in made)
    assert first == second
    trials = trials_of([run])
    messages = [message for trial in trials for message in trial.messages]
    phases = sum(len(message.intervals) for message in messages)
    assert len(first) == len(trials) + sum(len(trial.rounds) for trial in trials) + len(messages) + phases
    _check_tree(made[0])


def _check_tree(spans: dict[bytes, tuple[str, Span]]) -> None:
    roots = 0
    for host, span in spans.values():
        assert len(span.trace_id) == 16
        assert len(span.span_id) == 8
        assert span.end_time_unix_nano >= span.start_time_unix_nano > 0
        if not span.parent_span_id:
            roots += 1
            assert host == "server"
            continue
        _, parent = spans[span.parent_span_id]
        assert parent.trace_id == span.trace_id
        assert parent.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano
    assert roots == 4
    by_name = {span.name: span for _, span in spans.values()}
    assert {host for host, span in spans.values() if span.name == "train"} == {"pi1", "pi2"}
    assert by_name["trial 002-5g-r9"].status.code == Status.STATUS_CODE_ERROR
    assert "pi" in by_name["trial 002-5g-r9"].status.message
    assert by_name["trial 000-5g-r1"].status.code == Status.STATUS_CODE_OK
    assert [event.name for event in by_name["trial 000-5g-r1"].events] == ["fault outage applied"]


def test_a_file_holds_the_same_as_json_lines(run: Path, tmp_path: Path) -> None:
    assert main(["export", "otlp", str(run), "--out", str(tmp_path)]) == 0
    assert main(["export", "otlp", str(run), "--out", str(tmp_path)]) == 0, "its own file is replaced"
    with receiver() as (url, handler):
        assert main(["export", "otlp", str(run), "--endpoint", url]) == 0
        sent = received(handler)
    lines = (tmp_path / "otlp.json").read_text(encoding="utf-8").splitlines()
    written = [
        span
        for line in lines
        for of_host in json.loads(line)["resourceSpans"]
        for scope in of_host["scopeSpans"]
        for span in scope["spans"]
    ]
    assert len(written) == len(sent)
    for span in written:
        _, other = sent[bytes.fromhex(span["spanId"])]
        assert bytes.fromhex(span["traceId"]) == other.trace_id
        assert int(span["startTimeUnixNano"]) == other.start_time_unix_nano
        assert span["name"] == other.name


def test_what_goes_wrong_is_one_message(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver(answer=401) as (url, _):
        assert main(["export", "otlp", str(run), "--endpoint", url]) == 1
    refused = capsys.readouterr().err
    assert "did not take the spans (0 were taken before): 401 Unauthorized. Check" in refused
    assert refused.count("\n") == 1
    for url in ("ftp://x", "127.0.0.1:4318", "http://user:secret@127.0.0.1"):
        assert main(["export", "otlp", str(run), "--endpoint", url]) == 2
        said = capsys.readouterr().err
        assert "--endpoint" in said
        assert "secret" not in said
    monkeypatch.setattr(otlp, "find_spec", lambda name: None)
    assert main(["export", "otlp", str(run)]) == 1
    assert "pip install 'fedprobe[otlp]'" in capsys.readouterr().err
