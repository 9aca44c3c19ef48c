"""Transfers held against what their links carry alone: in numbers, on the terminal, on the page, in a verdict."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest

from analysis.baseline import Baseline, Latency, Link, held, with_baseline
from analysis.baseline_figure import baseline_figure
from analysis.baseline_rows import baseline_rows, baseline_tables
from analysis.document import to_json
from analysis.figure_data import csv_files
from analysis.html import page
from analysis.samples import good_transfers
from analysis.summary import Summary, summarise
from analysis.terminal import as_text
from tests.analysis.made_trials import made_run

RATES = {"ethernet": (940e6, 941e6), "wifi": (86e6, 86.1e6), "5g": (19.1e6, 95.6e6)}
IDLE = Latency(sent=100, lost_ratio=0.0, min_s=0.022, median_s=0.0243, p95_s=0.0311)
FULL = Latency(sent=80, lost_ratio=0.05, min_s=0.09, median_s=0.151, p95_s=0.2)


def link(network: str, node: str) -> Link:
    up, down = RATES[network]
    return Link(
        network=network,
        node=node,
        up_bit_per_s=up,
        down_bit_per_s=down,
        idle=IDLE,
        loaded_up=FULL,
        loaded_down=FULL,
        path_mtu=1500,
    )


BASELINE = Baseline(
    links=[link(network, f"node{number}") for network in RATES for number in range(1, 5)],
    plan={"load_s": 5, "pings_per_s": 20},
    moved_bytes={"ethernet": 5_600_000_000, "wifi": 516_000_000, "5g": 344_000_000},
)


@pytest.fixture(scope="module")
def summary() -> Summary:
    return with_baseline(summarise(made_run(), made_by={"fedprobe": "test"}), BASELINE)


def test_a_transfer_is_held_against_its_own_nodes_link() -> None:
    trials = [trial for trial in made_run() if trial.facts.interface == "5g"]
    slow = replace(link("5g", "node1"), up_bit_per_s=10e6)
    baseline = replace(BASELINE, links=[slow, *[link("5g", f"node{number}") for number in (2, 3, 4)]])
    uplinks = [
        (message.node, transfer)
        for trial in trials
        for message, transfer in good_transfers(trial)
        if transfer.direction == "uplink"
    ]
    found = held(baseline, trials)["5g"]["uplink"]
    alone_s = {node: uplink.payload_bytes * 8 / (10e6 if node == "node1" else 19.1e6) for node, uplink in uplinks}
    assert found.n == len(uplinks) > 0
    assert found.over_alone == pytest.approx(
        statistics.median(uplink.active_s / alone_s[node] for node, uplink in uplinks)
    )
    assert found.link_bit_per_s == 19.1e6


def test_nodes_without_a_known_rate_are_held_against_nothing() -> None:
    unknown = [replace(one, up_bit_per_s=None) for one in BASELINE.links]
    found = held(replace(BASELINE, links=unknown), made_run())
    assert all(set(of) == {"downlink"} for of in found.values())
    assert held(replace(BASELINE, links=[]), made_run()) == {}


def test_rows_say_what_was_not_measured() -> None:
    bare = Link(
        network="wifi",
        node="node1",
        up_bit_per_s=None,
        down_bit_per_s=None,
        idle=None,
        loaded_up=None,
        loaded_down=None,
        path_mtu=None,
    )
    assert {cell for _, cells in baseline_rows(Baseline(links=[bare]), []) for cell in cells} == {"–"}  # noqa: RUF001


def test_the_terminal_sets_links_and_transfers_side_by_side(summary: Summary) -> None:
    text = as_text(summary)
    assert max(map(len, text.splitlines())) <= 80
    rows = {line[:30].strip(): line[30:].split() for line in text.splitlines()}
    assert rows["uplink alone, Mbit/s"] == ["940", "86.0", "19.1"]
    assert rows["downlink alone, Mbit/s"] == ["941", "86.1", "95.6"]
    assert rows["round trip idle, ms"] == ["24.3"] * 3
    assert rows["round trip uploading, ms"] == ["151"] * 3 or rows["round trip uploading, ms"] == ["151.0"] * 3
    assert "0 of 400" in text
    assert text.count("its transfers, Mbit/s") == 2
    assert "What the links can do alone" not in as_text(replace(summary, baseline=None))


def test_the_page_draws_them(summary: Summary) -> None:
    drawn = baseline_figure(summary.baseline, summary.measured, summary.trials)
    assert drawn is not None
    boxes, marks = drawn.traces[:-1], drawn.traces[-1]
    assert [box["name"] for box in boxes] == [
        f"{network} {direction}" for network in RATES for direction in ("uplink", "downlink")
    ]
    assert sorted(set(marks["x"])) == sorted({rate / 1e6 for of in RATES.values() for rate in of})
    text = page(summary)
    assert "id='figure-baseline'" in text
    assert "id='table-baseline'" in text
    assert "id='table-links'" in text
    assert "5.60 GB on ethernet" in text.replace("&nbsp;", " ")
    assert "figure-baseline" not in page(replace(summary, baseline=None))
    assert baseline_figure(None, summary.measured, summary.trials) is None


def test_every_link_has_a_row(summary: Summary) -> None:
    assert summary.baseline is not None
    _, each = baseline_tables(summary.baseline, summary.trials)
    assert len(each.rows) == 12
    assert each.rows[0].cells[:4] == ["ethernet", "node1", "940", "941"]
    assert each.rows[0].cells[7:] == ["8 of 260", "1500"]
    assert all(len(row.cells) == len(each.head) for row in each.rows)
    assert csv_files(summary)["baseline.csv"].count("\n") == 13


def test_the_document_holds_links_and_transfers(summary: Summary) -> None:
    found = to_json(summary)["baseline"]
    assert len(found["links"]) == 12
    assert set(found["transfers"]["5g"]["uplink"]) == {"link_bit_per_s", "goodput_bit_per_s", "over_alone", "n"}
    assert to_json(replace(summary, baseline=None))["baseline"] is None


def test_what_could_not_be_measured_is_a_verdict() -> None:
    problem = "pi2 has no iperf3. There: sudo apt install iperf3"
    links = [replace(BASELINE.links[0], problems=(problem,)), *BASELINE.links[1:]]
    made = with_baseline(summarise(made_run()), replace(BASELINE, links=links))
    (verdict,) = [one for one in made.verdicts if one.rule == "baseline_incomplete"]
    assert verdict.severity == "warn"
    assert problem in verdict.finding
    severities = [one.severity for one in made.verdicts]
    assert severities == sorted(severities, key=("unfit", "warn", "info").index)
