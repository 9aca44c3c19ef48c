"""Every query of every dashboard on a real influxd: it returns rows, and the rows are what was written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.dashboards.boards import DASHBOARDS
from tests.dashboards.as_grafana import as_regex, as_series, as_table
from tests.dashboards.made_points import BOUNDS, CAMPAIGN, CHARGED, NETWORKS, NODES, REPETITIONS, ROUND_S, ROUNDS
from tests.dashboards.shown import Shown

UIDS = [dashboard.uid for dashboard in DASHBOARDS]
Show = Callable[..., Shown]
OURS = {"campaign": [CAMPAIGN]}


@pytest.mark.parametrize("uid", UIDS)
def test_every_query_returns_rows(shown: Show, uid: str) -> None:
    board = shown(uid, **OURS)
    empty = [panel["title"] for panel, target in board.targets() if not board.query(target["query"])]
    assert empty == []


@pytest.mark.parametrize("uid", UIDS)
def test_every_query_returns_rows_with_some_of_each_variable_picked(shown: Show, uid: str) -> None:
    several = {"scenario": ["wifi", "5g"], "iface": ["5g", "wifi"], "node": [NODES[0], "the server"]}
    picked = several | {"round": ["2"], "trial": ["004-5g-r1"]}
    board = shown(uid, **OURS, **picked)
    empty = [panel["title"] for panel, target in board.targets() if not board.query(target["query"])]
    assert empty == []


@pytest.mark.parametrize("uid", UIDS)
def test_columns_come_as_the_panel_names_them(shown: Show, uid: str) -> None:
    board = shown(uid, **OURS)
    by_title = {panel.title: panel for dashboard in DASHBOARDS if dashboard.uid == uid for panel in dashboard.panels}
    for panel, target in board.targets():
        series = board.query(target["query"])
        asked = by_title[panel["title"]].asked[panel["targets"].index(target)]
        expected = ["time", *(column.name for column in asked.columns)]
        assert series[0]["columns"] == expected, panel["title"]


def test_a_name_full_of_signs_is_escaped_and_found(shown: Show) -> None:
    board = shown("fedprobe-overview", **OURS)
    assert sorted(board.offered["campaign"]) == sorted([CAMPAIGN, "another"])
    assert board.offered["scenario"] == sorted(NETWORKS)
    (answer,) = board.answers("Duration of each round")[:1]
    assert len(answer["values"]) == ROUNDS * REPETITIONS


def test_one_campaign_is_not_mixed_with_another(shown: Show) -> None:
    alone, _ = shown("fedprobe-overview", **OURS).answers("Trials")
    assert alone["values"][0][1] == len(NETWORKS) * REPETITIONS


def test_trials_that_count_are_counted(shown: Show) -> None:
    counted = [one for one in shown("fedprobe-health", **OURS).answers("Trials") if one["columns"][1] == "count"]
    assert counted[0]["values"][0][1] == len(NETWORKS)


@pytest.mark.parametrize(("over", "under"), [("5g", "ethernet"), ("5g", "wifi"), ("wifi", "ethernet")])
def test_a_ratio_is_that_of_the_means_without_warm_up(shown: Show, over: str, under: str) -> None:
    answer = as_table(shown("fedprobe-interfaces", **OURS).answers(f"{over} / {under}"))
    assert sorted(row["phase"] for row in answer.rows) == ["downlink", "uplink"]
    for row in answer.rows:
        assert row["active"] == pytest.approx(NETWORKS[over] / NETWORKS[under])
        assert row["bound"] == pytest.approx(BOUNDS[over] / BOUNDS[under])


def test_active_and_bound_are_means_without_warm_up(shown: Show) -> None:
    table = as_table(shown("fedprobe-interfaces", **OURS).answers("Transfers in numbers"))
    for row in table.rows:
        assert row["active"] == pytest.approx(NETWORKS[row["iface"]])
        assert row["n"] == len(NODES) * REPETITIONS * (ROUNDS - 1)


def test_charges_are_of_all_rounds_also_of_those_without_the_phase(shown: Show) -> None:
    """Downlink was charged in one of the two rounds that count: its average is half of it."""
    table = as_table(shown("fedprobe-overview", **OURS).answers("Where an average round's time goes"))
    for row in table.rows:
        assert row["train"] == pytest.approx(CHARGED["train"])
        assert row["downlink"] == pytest.approx(CHARGED["downlink"] / 2)
        assert row["configure"] is None


def test_the_straggler_is_named(shown: Show) -> None:
    board = shown("fedprobe-round", **OURS, round=["2"])
    assert board.offered["round"] == ["1", "2", "3"]
    assert board.answers("Straggler")[0]["values"][0][1] == NODES[1]
    assert board.answers("Duration")[0]["values"] == [[board.answers("Duration")[0]["values"][0][0], ROUND_S]]


def test_phases_of_clients_make_a_matrix_of_nodes_and_phases(shown: Show) -> None:
    board = shown("fedprobe-round", **OURS, round=["2"])
    train, every = (
        as_table(board.answers(f"{kind} messages: phases of each client")).rows for kind in ("Train", "All")
    )
    cells = {(row["node"], row["phase"]): row["seconds"] for row in train}
    assert {node for node, _ in cells} == set(NODES)
    assert set(cells.values()) == {0.25}
    assert {row["seconds"] for row in every} == {0.5}


def test_states_have_the_phase_as_a_value(shown: Show) -> None:
    table = as_table(shown("fedprobe-round", **OURS, round=["2"]).answers("What each host did"))
    assert table.columns == ["Time", "node", "duration", "phase"]
    assert {row["phase"] for row in table.rows} >= {"train", "uplink"}


def test_rates_are_per_second_and_in_bits(shown: Show) -> None:
    board = shown("fedprobe-hosts", **OURS)
    alias = next(target["alias"] for panel, target in board.targets() if panel["title"] == "Received")
    rates = as_series(board.answers("Received"), alias)
    assert "pi-01 5g" in rates
    assert "pi-01 management" in rates
    assert max(rates["pi-01 5g"]) == pytest.approx(8000.0)


def test_other_programs_are_in_cores(shown: Show) -> None:
    rates = as_series(shown("fedprobe-hosts", **OURS).answers("Processor time of other programs"), "$tag_node")
    assert max(rates["pi-01"]) == pytest.approx(2.0)


def test_grafana_s_regex_format_keeps_every_sign() -> None:
    assert as_regex(["a.b"]) == r"a\.b"
    assert as_regex(["a/b", "c|d"]) == r"(a\/b|c\|d)"
