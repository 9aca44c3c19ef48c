"""A front of InfluxDB 2's write address before an influxd of 1.6, so that influxdb-client writes to its storage.

`/api/v2/write` goes to `/write`, `/query` goes through as it does in 2.x; a token is asked for as 2.x does it. It
shows that client and storage agree on what is written; it is no InfluxDB 2.
Source: InfluxDB OSS v2 API, POST /api/v2/write, and its errors' JSON.
"""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlencode, urlsplit

TOKEN = "a token of the tests"  # with spaces, which the header takes
PRECISIONS = {"ns": "n", "us": "u", "ms": "ms", "s": "s"}


class V2Front:
    """Listens for the length of a `with` block. `writes` counts the requests that were answered with 204."""

    def __init__(self, port: int, token: str = TOKEN) -> None:
        self.token = token
        self.writes = 0
        self._target = port
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> V2Front:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, str]:
        """Ask influxd; status, body and content type of its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("Content-Type") or "application/json"
        finally:
            connection.close()


def _handler(front: V2Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path in {"/ping", "/health"}:
                self._answer(204 if path == "/ping" else 200, b"" if path == "/ping" else b'{"status":"pass"}')
            elif path == "/query":
                self._through()
            else:
                self._refuse(404, "not found", "path not found")

        def do_POST(self) -> None:
            path = urlsplit(self.path).path
            if path == "/api/v2/write":
                self._write()
            elif path == "/query":
                self._through()
            else:
                self._body()
                self._refuse(404, "not found", "path not found")

        def _write(self) -> None:
            body = self._body()
            if not self._let_in():
                return
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            form = {"db": asked["bucket"], "precision": PRECISIONS[asked.get("precision", "ns")]}
            headers = {name: value for name in ("Content-Encoding",) if (value := self.headers.get(name))}
            try:
                status, said, _ = front.asked("POST", f"/write?{urlencode(form)}", body, headers)
            except OSError:
                self._refuse(503, "unavailable", "the storage behind this front is away")
                return
            if status == 204:
                front.writes += 1
                self._answer(204, b"")
                return
            text = json.loads(said or b"{}").get("error", "")
            if status == 404:
                self._refuse(404, "not found", f'bucket "{asked["bucket"]}" not found')
            elif "partial write" in text:
                self._refuse(422, "unprocessable entity", f"failure writing points to database: {text}")
            else:
                self._refuse(status, "invalid" if status == 400 else "internal error", text)

        def _through(self) -> None:
            body = self._body()
            if not self._let_in():
                return
            headers = {name: value for name in ("Content-Type",) if (value := self.headers.get(name))}
            try:
                status, said, kind = front.asked(self.command, self.path, body, headers)
            except OSError:
                self._refuse(503, "unavailable", "the storage behind this front is away")
                return
            self._answer(status, said, kind)

        def _let_in(self) -> bool:
            if self.headers.get("Authorization") == f"Token {front.token}":
                return True
            self._refuse(401, "unauthorized", "unauthorized access")
            return False

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _refuse(self, status: int, code: str, message: str) -> None:
            self._answer(status, json.dumps({"code": code, "message": message}).encode())

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("X-Influxdb-Version", "v2.7.0")
            if status != 204:
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
