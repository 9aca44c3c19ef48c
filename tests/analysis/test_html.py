"""The page without a browser: it holds everything, says it in words too, trusts no name. Figures are data here."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from made_trials import made_run, made_trial, with_facts

from analysis.figure import log_axis
from analysis.figures import figures
from analysis.gantt import PATH_ROW, SERVER_ROW, gantt_rounds
from analysis.html import page
from analysis.model import TrialTimes
from analysis.rows import GROUP_COLOURS, GROUP_OF, GROUPS, interface_colours
from analysis.summary import Summary, summarise
from analysis.tables import tables
from analysis.write import write_report
from instrument.phases import PHASES


def summary(trials: list[TrialTimes] | None = None) -> Summary:
    return summarise(made_run() if trials is None else trials, made_by={"fedprobe": "0.0.0"})


def figure(name: str, trials: list[TrialTimes] | None = None) -> Any:
    return next(made for made in figures(summary(trials)) if made.name == name)


class Page(HTMLParser):
    """Tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside not in {"script", "style"}:
            self.words.append(data)


@pytest.fixture(scope="module")
def text() -> str:
    return page(summary())


def test_the_page_asks_for_nothing(text: str) -> None:
    for tag, attributes in Page(text).tags:
        assert tag not in {"iframe", "object", "embed", "img"}
        assert "src" not in attributes, tag
        assert attributes.get("href") in {None, "data:,"}, tag
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_verdicts_come_before_every_table_and_figure(text: str) -> None:
    places = [text.index(mark) for mark in ("id='verdicts'", "id='table-times'", "id='table-ratios'", "<figure")]
    assert places == sorted(places)


def test_tables_to_look_something_up_in_come_last() -> None:
    shown = re.findall(r"<section id='table-(\w+)'>", page(summarise(made_run(trials=2), made_by={})))
    assert shown[-4:] == ["declared", "clocks", "trials", "glossary"]
    assert shown[:2] == ["times", "ratios"]


def test_a_link_is_declared_once_however_many_trials_had_it() -> None:
    (table,) = [one for one in tables(summarise(made_run(trials=2), made_by={})) if one.name == "declared"]
    assert [row.cells for row in table.rows] == [
        ["ethernet", *["1000 Mbit/s"] * 4, "2"],
        ["wifi", "90 Mbit/s", "90 Mbit/s", "120 Mbit/s", "120 Mbit/s both ways together", "2"],
        ["5g", "20 Mbit/s", "100 Mbit/s", "30 Mbit/s", "120 Mbit/s", "2"],
    ]


def test_every_figure_has_words(text: str) -> None:
    plots = [attributes for tag, attributes in Page(text).tags if attributes.get("class") == "plot"]
    assert len(plots) == len(figures(summary())) == 6
    for attributes in plots:
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"] or "") > 40


def test_the_same_trials_make_the_same_bytes(text: str) -> None:
    assert page(summary()) == text


def test_names_cannot_break_out_of_the_page() -> None:
    name = "</script><script>alert(1)</script>"
    trial = with_facts(made_trial("5g"), name=name)
    trial = replace(trial, faults=[name], messages=[replace(message, node=name) for message in trial.messages])
    text = page(summary([trial]))
    assert "<script>alert" not in text
    assert text.count("</script>") == 3


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [made_trial("loopback", nodes=1, rounds=1)],
        [with_facts(made_trial("5g"), outcome="invalid", reason="no")],
        [replace(made_trial("5g"), scores=[], score_times_s=[], clocks=[], models={}, evaluate_server_s=[])],
        [made_trial("5g", evaluate=True), made_trial("satellite")],
    ],
)
def test_runs_with_little_in_them_have_a_page(trials: list[TrialTimes]) -> None:
    text = page(summary(trials))
    assert "{{" not in text[: text.index("figure-data")]
    assert "id='verdicts'" in text


def test_phases_figure_is_the_average_round() -> None:
    made, run = figure("phases"), summary()
    for place, name in enumerate(run.measured.interfaces):
        assert math.fsum(trace["x"][place] for trace in made.traces) == pytest.approx(
            run.measured.rounds[name].wall.mean
        )
    assert made.traces[0]["name"] == "uplink"
    assert "seconds" in made.layout["xaxis"]["title"]["text"]
    assert "5g: 7.92 s" in made.words


def test_transfer_figures_hold_every_transfer_and_the_bound() -> None:
    trials = made_run()
    for side in ("uplink", "downlink"):
        made = figure(side, trials)
        boxes, marks = made.traces[:-1], made.traces[-1]
        assert [len(box["x"]) for box in boxes] == [20, 20, 20]
        assert marks["y"] == ["ethernet", "wifi", "5g"]
        low, high = (10**end for end in made.layout["xaxis"]["range"])
        assert all(low < value < high for trace in made.traces for value in trace["x"])
        assert f"active {side}, seconds" == made.layout["xaxis"]["title"]["text"]


def test_without_rates_there_is_no_bound_to_draw() -> None:
    made = figure("uplink", [made_trial("loopback")])
    assert [trace["type"] for trace in made.traces] == ["box"]
    assert "bound" not in made.caption.split(".")[0]


def test_clients_figure_has_every_client_once_a_network() -> None:
    made = figure("clients")
    assert made.layout["yaxis"]["ticktext"] == ["node1", "node2", "node3", "node4"]
    places = [place for trace in made.traces for place in trace["y"]]
    assert len(set(places)) == len(places) == 12


def test_accuracy_figure_is_over_seconds() -> None:
    made = figure("accuracy")
    assert [len(trace["x"]) for trace in made.traces] == [5, 5, 5]
    assert all(trace["x"] == sorted(trace["x"]) for trace in made.traces)


def test_timeline_rounds_are_typical_slowest_and_fastest_with_every_bar_inside() -> None:
    rounds = gantt_rounds(made_run())
    assert [made["label"].split(" round")[0] for made in rounds[:4]] == [
        "ethernet, typical",
        "wifi, typical",
        "5g, typical",
        "ethernet, slowest",
    ]
    for made in rounds:
        assert made["rows"] == [PATH_ROW, SERVER_ROW, "node1", "node2", "node3", "node4"]
        for bars in made["bars"].values():
            ends = [start + length for start, length in zip(bars["start"], bars["length"], strict=True)]
            assert min(bars["start"]) >= 0
            assert max(ends) <= made["wall_s"] + 1e-3


def test_figures_are_plain_json_and_small() -> None:
    text = json.dumps([made.traces for made in figures(summary(made_run(trials=5)))], allow_nan=False)
    assert len(text) < 200_000


def test_every_phase_has_a_group_and_every_group_a_colour_of_its_own() -> None:
    assert set(GROUP_OF) >= set(PHASES)
    colours = [GROUP_COLOURS[label] for label, _ in GROUPS]
    assert len(set(colours)) == len(colours)
    found = interface_colours(["ethernet", "wifi", "5g", "loopback", "satellite"])
    assert len(set(found.values())) == 5


@pytest.mark.parametrize(("low", "high"), [(0.02, 2.4), (1.0, 1.1), (0.0004, 70.0), (0.3, 0.3), (1.1, 1.1)])
def test_log_axis_has_ticks_inside_its_range(low: float, high: float) -> None:
    axis = log_axis(low, high)
    assert 1 <= len(axis["tickvals"]) <= 9
    assert all(axis["range"][0] <= math.log10(tick) <= axis["range"][1] for tick in axis["tickvals"])


def test_symbols_are_set_as_symbols(text: str) -> None:
    assert "<i>t</i><sub>u</sub>" in text
    body = text[text.index("<main>") : text.index("</main>")]
    visible = re.sub(r"(aria-label|<option).*?[>]", "", body)
    assert "t_tr" not in visible


def test_glossary_names_every_phase() -> None:
    made = {table.name: table for table in tables(summary())}
    assert [row.cells[0] for row in made["glossary"].rows] == list(PHASES)


def test_the_report_folder(tmp_path: Path) -> None:
    made = write_report(tmp_path / "report", made_run())
    assert made.exit_code == 0
    document = json.loads((tmp_path / "report" / "summary.json").read_text(encoding="utf-8"))
    assert document["interfaces"] == ["ethernet", "wifi", "5g"]
    assert (tmp_path / "report" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not list((tmp_path / "report").glob(".*"))
