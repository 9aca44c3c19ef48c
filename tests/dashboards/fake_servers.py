"""Small servers that answer as Grafana and InfluxDB 2 document their APIs; they keep what they are sent.

Sources: Grafana, "HTTP API" (health, organization, folder, data source, dashboard); InfluxData, "InfluxDB v2 API".
They tell whether we agree with these pages, not whether the servers do.
"""

from __future__ import annotations

import json
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Reply = tuple[int, Any]
TOKEN = "right"


class FakeServer(ABC):
    """Answers requests with `answer`, one after another; `seen` holds their methods and paths."""

    scheme = "Bearer"

    def __init__(self) -> None:
        self.seen: list[str] = []

    @abstractmethod
    def answer(self, method: str, path: str, query: dict[str, list[str]], sent: Any) -> Reply:
        """What is answered to one whose token is right."""

    @abstractmethod
    def open_to_all(self, path: str) -> Reply | None:
        """What is answered without a token; None where one is needed."""

    @abstractmethod
    def refusal(self) -> Reply:
        """What is answered to one whose token is wrong."""


class FakeGrafana(FakeServer):
    """Keeps dashboards by their uid; `forbidden` are paths that the token's account may not use."""

    def __init__(self) -> None:
        super().__init__()
        self.dashboards: dict[str, Any] = {}
        self.folders = [{"id": 1, "uid": "f1", "title": "Measurements"}]
        self.sources: dict[str, Any] = {}
        self.forbidden: set[str] = set()
        self.panels_kept = 1000

    def open_to_all(self, path: str) -> Reply | None:
        return (200, {"commit": "1", "database": "ok", "version": "13.2.3"}) if path == "/api/health" else None

    def refusal(self) -> Reply:
        return 401, {"message": "Invalid API key"}

    def answer(self, method: str, path: str, query: dict[str, list[str]], sent: Any) -> Reply:
        if path in self.forbidden:
            return 403, {"message": "You'll need additional permissions to perform this action"}
        match method, path.split("/")[2:]:
            case "GET", ["org"]:
                return 200, {"id": 1, "name": "Main Org."}
            case "GET", ["folders"]:
                return 200, self.folders
            case "GET", ["datasources", "name", name]:
                found = self.sources.get(unquote(name))
                return (200, found) if found else (404, {"message": "Data source not found"})
            case "POST", ["datasources"]:
                self.sources[sent["name"]] = {"uid": "s1", **sent}
                return 200, {"message": "Datasource added", "name": sent["name"]}
            case "PUT", ["datasources", "uid", "s1"]:
                self.sources[sent["name"]] = {"uid": "s1", **sent}
                return 200, {"message": "Datasource updated"}
            case "POST", ["dashboards", "db"]:
                return self._saved(sent)
            case "GET", ["dashboards", "uid", uid]:
                found = self.dashboards.get(uid)
                return (200, {"meta": {}, "dashboard": found}) if found else (404, {"message": "Dashboard not found"})
        return 404, {"message": "Not found"}

    def _saved(self, sent: Any) -> Reply:
        dashboard = sent["dashboard"]
        folder = sent.get("folderUid", "")
        if folder and folder not in {one["uid"] for one in self.folders}:
            return 400, {"message": "folder not found", "status": "not-found"}
        if dashboard["uid"] in self.dashboards and not sent.get("overwrite"):
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        kept = {**dashboard, "folderUid": folder, "panels": dashboard["panels"][: self.panels_kept]}
        self.dashboards[dashboard["uid"]] = kept
        url = f"/d/{dashboard['uid']}/x"
        return 200, {"id": 1, "uid": dashboard["uid"], "url": url, "status": "success", "version": 1, "slug": "x"}


class FakeInfluxdb(FakeServer):
    """Keeps stacks, and what a template made for each: a second one with the same stack replaces it."""

    scheme = "Token"
    version = "v2.7.11"

    def __init__(self) -> None:
        super().__init__()
        self.stacks: list[dict[str, Any]] = []
        self.made: dict[str, list[Any]] = {}

    def open_to_all(self, path: str) -> Reply | None:
        said = {"name": "influxdb", "message": "ready", "status": "pass", "version": self.version}
        return (200, said) if path == "/health" else None

    def refusal(self) -> Reply:
        return 401, {"code": "unauthorized", "message": "unauthorized access"}

    def answer(self, method: str, path: str, query: dict[str, list[str]], sent: Any) -> Reply:
        match method, path:
            case "GET", "/api/v2/orgs":
                known = query["org"] == ["lab"]
                return (200, {"orgs": [{"id": "0a", "name": "lab"}]}) if known else (404, {"code": "not found"})
            case "GET", "/api/v2/stacks":
                return 200, {"stacks": [one for one in self.stacks if [one["name"]] == query["name"]]}
            case "POST", "/api/v2/stacks":
                self.stacks.append({"id": f"0{len(self.stacks)}", "eventType": "create", **sent})
                return 201, self.stacks[-1]
            case "POST", "/api/v2/templates/apply":
                self.made[sent["stackID"]] = sent["templates"][0]["contents"]
                boards = [one for one in self.made[sent["stackID"]] if one["kind"] == "Dashboard"]
                summary = {"dashboards": [{"name": one["spec"]["name"]} for one in boards]}
                return 201, {"summary": summary, "stackID": sent["stackID"]}
        return 404, {"code": "not found", "message": "path not found"}


@contextmanager
def served(server: FakeServer, certificate: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address at which it answers, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            server.seen.append(f"{self.command} {parts.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = server.open_to_all(parts.path)
            if reply is None and self.headers.get("Authorization") != f"{server.scheme} {TOKEN}":
                reply = server.refusal()
            if reply is None:
                sent = json.loads(body) if body else None
                reply = server.answer(self.command, parts.path, parse_qs(parts.query), sent)
            status, document = reply
            self.send_response(status)
            if status == 302:
                self.send_header("Location", document)
            self.end_headers()
            self.wfile.write(document.encode() if isinstance(document, str) else json.dumps(document).encode())

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, *_: object) -> None:
            """Silent."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        httpd.socket = certificate.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{httpd.server_port}"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
