"""The trace as a user sees it: in the Perfetto UI, without its badge of an import error, everything counted."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "exports"))
sys.path.append(str(Path(__file__).resolve().parent))

from exported_runs import made_run
from perfetto_ui import asked, opened
from playwright.sync_api import Browser

from testbed.cli import main

pytestmark = pytest.mark.browser

BADGE = ".pf-topbar__error-popup"
# a slice that ends inside the next one, and an arrow that ends nowhere
BROKEN = {
    "traceEvents": [
        {"ph": "X", "name": "a", "pid": 1, "tid": 2, "ts": 100, "dur": 50},
        {"ph": "X", "name": "b", "pid": 1, "tid": 2, "ts": 120.5, "dur": 100},
        {"ph": "f", "id": 3, "cat": "c", "name": "x", "pid": 1, "tid": 2, "ts": 600, "bp": "e"},
    ]
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trace")
    run = made_run(folder / "run")
    assert main(["export", "perfetto", str(run)]) == 0
    return run / "report" / "trace.perfetto.json"


def test_it_opens_without_the_badge_and_all_of_it_is_there(chromium: Browser, trace: Path) -> None:
    document = json.loads(trace.read_text(encoding="utf-8"))
    written = Counter(event["ph"] for event in document["traceEvents"])
    with opened(chromium, trace) as page:
        assert page.locator(BADGE).count() == 0
        assert asked(page, "SELECT name FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0") == []
        assert asked(page, "SELECT count(*) FROM slice") == [[str(written["X"] + written["i"])]]
        assert asked(page, "SELECT count(*) FROM counter") == [[str(written["C"])]]
        assert asked(page, "SELECT count(*) FROM flow") == [[str(written["s"])]]
        assert written["s"] == written["f"] > 40
        hosts = asked(page, "SELECT name FROM process WHERE name IS NOT NULL ORDER BY name")
        assert hosts == [["pi1"], ["pi2"], ["server"]]
        first = page.evaluate("() => window.app.trace.workspace.children[0].name")
        assert first.startswith("server")
        lanes = asked(page, "SELECT count(*) FROM slice WHERE dur < 0 OR depth > 1")
        assert lanes == [["0"]], "slices lie beside each other, but for active stretches inside a transfer"


def test_a_broken_trace_shows_the_badge(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text(json.dumps(BROKEN), encoding="utf-8")
    with opened(chromium, tmp_path / "broken.json") as page:
        assert page.locator(BADGE).count() == 1
