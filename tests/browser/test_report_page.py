"""The report as a reader opens it: from a file, without a network, on a laptop, on a telephone and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from made_trials import made_run
from playwright.sync_api import Browser, Page

from analysis.write import write_report

pytestmark = pytest.mark.browser

FIGURES = ["phases", "uplink", "downlink", "clients", "timeline", "accuracy"]
# texts of one plot whose boxes share more than a hair's breadth; plotly keeps invisible copies for measuring
OVERLAPS = """
() => [...document.querySelectorAll('.plot')].flatMap((plot) => {
  const texts = [...plot.querySelectorAll('text')].filter((text) => text.textContent.trim()
    && getComputedStyle(text).visibility !== 'hidden' && getComputedStyle(text).display !== 'none');
  const boxes = texts.map((text) => [text.textContent, text.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0);
  const found = [];
  boxes.forEach(([one, a], place) => boxes.slice(place + 1).forEach(([other, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1.5 && high > 2.5) found.push(`${plot.id}: "${one}" over "${other}"`);
  }));
  return found;
})
"""
OUTSIDE = """
() => [...document.querySelectorAll('.plot')].flatMap((plot) => {
  const frame = plot.getBoundingClientRect();
  return [...plot.querySelectorAll('text')].filter((text) => {
    const box = text.getBoundingClientRect();
    return box.width > 0 && (box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  }).map((text) => `${plot.id}: "${text.textContent}" leaves its figure`);
})
"""


@dataclass
class Opened:
    """A page that is open, and what it said and asked for while it was drawn."""

    page: Page
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three networks."""
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, made_run())
    return folder / "report.html"


@contextmanager
def window(chromium: Browser, report: Path, width: int, scheme: Literal["light", "dark"]) -> Iterator[Opened]:
    """The report in a window of one width and one scheme of colours, without a network."""
    context = chromium.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme)
    made = Opened(context.new_page())
    made.page.on("console", lambda message: made.problems.append(f"{message.type}: {message.text}"))
    made.page.on("pageerror", lambda error: made.problems.append(str(error)))
    made.page.on("request", lambda asked: made.requests.append(asked.url))
    made.page.goto(report.as_uri())
    made.page.wait_for_selector("html[data-drawn]", state="attached")
    yield made
    context.close()


@pytest.fixture(
    scope="module", params=[(1280, "light"), (1280, "dark"), (420, "light")], ids=lambda of: f"{of[0]}-{of[1]}"
)
def opened(request: pytest.FixtureRequest, chromium: Browser, report: Path) -> Iterator[Opened]:
    """The report as it is first seen; tests that share it leave it as it is."""
    with window(chromium, report, *request.param) as made:
        yield made


@pytest.fixture
def touched(chromium: Browser, report: Path) -> Iterator[Opened]:
    """The report of a test that changes what is shown."""
    with window(chromium, report, 1280, "light") as made:
        yield made


def test_it_draws_in_silence_and_asks_for_nothing(opened: Opened) -> None:
    assert opened.problems == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    opened.page.wait_for_timeout(200)
    assert [url for url in opened.requests if url.startswith("file:")] == [opened.page.url]


def test_every_figure_is_drawn_and_has_words(opened: Opened) -> None:
    for name in FIGURES:
        plot = opened.page.locator(f"#plot-{name}")
        assert len(plot.get_attribute("aria-label") or "") > 40
        assert plot.get_attribute("role") == "img"
        assert plot.locator("svg.main-svg").count() > 0
    assert opened.page.locator(".plot").count() == len(FIGURES)
    count = "name => document.getElementById(name).querySelectorAll('.bars .point, .boxes .box').length"
    assert opened.page.evaluate(count, "plot-phases") >= 21
    assert opened.page.evaluate(count, "plot-uplink") == 3
    assert opened.page.evaluate(count, "plot-timeline") > 60


def test_what_is_drawn_is_what_was_measured(opened: Opened) -> None:
    walls = "() => document.getElementById('plot-phases').data.map((trace) => trace.x[2]).reduce((a, b) => a + b)"
    assert opened.page.evaluate(walls) == pytest.approx(7.9205, abs=1e-3)


def test_verdicts_stand_in_sight_above_the_first_figure(opened: Opened) -> None:
    verdicts, figure = opened.page.locator("#verdicts"), opened.page.locator("figure").first
    assert verdicts.is_visible()
    box, first = verdicts.bounding_box(), figure.bounding_box()
    assert box is not None
    assert first is not None
    assert 0 < box["y"] < 400, "in sight without scrolling"
    assert box["y"] + box["height"] <= first["y"]


def test_no_text_covers_another_or_leaves_its_figure(opened: Opened) -> None:
    assert opened.page.evaluate(OVERLAPS) == []
    assert opened.page.evaluate(OUTSIDE) == []


def test_a_row_keeps_its_name_while_its_numbers_are_scrolled_to(chromium: Browser, report: Path) -> None:
    with window(chromium, report, 400, "light") as made:
        row = made.page.locator("#table-definitions tbody tr").first
        name, number = row.locator("th"), row.locator("td").last
        number.scroll_into_view_if_needed()
        boxes = [name.bounding_box(), number.bounding_box()]
        assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 400 for box in boxes)


def test_the_page_is_no_wider_than_its_window(opened: Opened) -> None:
    wide, window = opened.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window


def test_text_can_be_told_from_its_ground(opened: Opened) -> None:
    """Every axis label, and every severity, has a contrast of 4.5 or more (WCAG AA)."""
    contrasts = """
    () => {
      const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
      const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
      const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const paper = light(numbers(getComputedStyle(document.body).backgroundColor));
      const labels = [...document.querySelectorAll('.xtick text, .ytick text, .xtitle, .ytitle')]
        .map((text) => contrast(light(numbers(getComputedStyle(text).fill)), paper));
      const words = [...document.querySelectorAll('.verdicts .severity, .verdicts .next')].map((item) => contrast(
        light(numbers(getComputedStyle(item).color)),
        light(numbers(getComputedStyle(item.closest('li')).backgroundColor))));
      return [...labels, ...words];
    }
    """
    found = opened.page.evaluate(contrasts)
    assert len(found) > 40
    assert min(found) >= 4.5


def test_another_round_can_be_chosen(touched: Opened) -> None:
    bars = "document.getElementById('plot-timeline').data.flatMap((of) => of.x.map((x, i) => x + of.base[i]))"
    length = f"() => Math.max(...{bars})"
    before = touched.page.evaluate(length)
    touched.page.get_by_role("combobox", name="Round").select_option(index=2)
    touched.page.wait_for_function(f"before => Math.abs(({length})() - before) > 0.5", arg=before)
    assert touched.problems == []
    assert touched.page.evaluate(OVERLAPS) == []


def test_it_prints_on_a_page_of_paper(touched: Opened) -> None:
    touched.page.emulate_media(media="print")
    touched.page.set_viewport_size({"width": 690, "height": 1000})
    touched.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    touched.page.wait_for_function("() => document.getElementById('plot-phases').layout.width === 680")
    assert touched.page.evaluate("() => document.documentElement.scrollWidth") <= 690
    assert touched.page.evaluate(OVERLAPS) == []
    background = touched.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    assert touched.page.pdf().startswith(b"%PDF")
