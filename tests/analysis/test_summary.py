"""The document of a report: its keys, what is left out of it, and what its numbers must add up to."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from made_trials import made_run, made_trial, with_facts, with_messages, with_uplinks

from analysis.document import to_json
from analysis.estimators import BETWEEN_TRIALS, WITHIN_RUN, EstimateError
from analysis.measured import measure
from analysis.model import TrialTimes
from analysis.revision import commit_of
from analysis.samples import natural, phase_readings
from analysis.summary import summarise

PAIRS = {"5g/ethernet", "5g/wifi", "wifi/ethernet"}
MADE_BY = {"fedprobe": "0.0.0"}


def document(trials: list[TrialTimes]) -> dict[str, Any]:
    made = to_json(summarise(trials, made_by=MADE_BY))
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    return made


def test_every_promised_key_is_there() -> None:
    made = document(made_run())
    for interface in ("ethernet", "wifi", "5g"):
        phases = made["phases"][interface]
        for phase in ("uplink", "downlink"):
            for name in (phase, f"{phase}_active", f"{phase}_stall"):
                assert {"median_s", "mean_s", "ci95_s", "n"} <= phases[name].keys()
            assert {"mean", "n", "median", "max", "min"} <= made["over_bound"][interface][phase].keys()
        assert phases["uplink"]["n"] == 20
        assert phases["configure"]["n"] == 5, "one configure a round, however many messages it has"
        assert {"t_r_s", "wall_s", "residual_share", "uplink_over_t_r"} <= made["round"][interface].keys()
    for phase in ("uplink", "uplink_active", "downlink", "downlink_active", "train", "boot", "t_r", "wall"):
        assert made["ratios"][phase].keys() == PAIRS
        assert {"ratio", "ci95"} <= made["ratios"][phase]["5g/ethernet"].keys()
    assert all("bound_ratio" in made["ratios"]["uplink_active"][pair] for pair in PAIRS)
    assert "bound_ratio" not in made["ratios"]["train"]["5g/wifi"], "only a transfer has a bound"
    assert {verdict.keys() >= {"severity", "finding", "next_step"} for verdict in made["verdicts"]} == {True}
    assert made["messages"]["total"] == made["messages"]["complete"] == 60
    assert made["models"]["identical"] is True
    for side in ("uplink", "downlink"):
        assert {f"{side}_one_host", f"{side}_one_host_whole"} <= made["definitions"]["wifi"].keys()
    assert made["phases"]["5g"]["evaluate_server"]["n"] == 5
    assert all(sum(of.values()) == pytest.approx(1.0) for of in made["share"].values())
    assert {"uplink_whole", "uplink_send_returned"} <= made["definitions"]["5g"].keys()
    assert made["definitions"]["ratios"].keys() == PAIRS
    assert [claim["paper"] for claim in made["paper"]["claims"]] == [33.3, 17.8, 1.87, 0.23]
    assert made["made_by"] == MADE_BY


def test_active_and_stall_make_the_whole_and_intervals_hold_their_mean() -> None:
    for phases in document(made_run())["phases"].values():
        for side in ("uplink", "downlink"):
            parts = phases[f"{side}_active"]["mean_s"] + phases[f"{side}_stall"]["mean_s"]
            assert parts == pytest.approx(phases[side]["mean_s"])
        for made in phases.values():
            assert made["ci95_s"][0] <= made["mean_s"] <= made["ci95_s"][1]


def test_shares_close() -> None:
    for shares in document(made_run())["share"].values():
        assert math.fsum(shares.values()) == pytest.approx(1)
        assert shares["residual"] == 0


def test_residual_share_is_the_worst_round() -> None:
    trial = made_trial("5g")
    first = trial.rounds[0]
    charges = [replace(charge, phase="residual") if charge.phase == "boot" else charge for charge in first.charges]
    trial = replace(trial, rounds=[replace(first, charges=charges), *trial.rounds[1:]])
    made = document([trial])
    boot = first.charged_s("boot") / first.wall_s
    assert made["round"]["5g"]["residual_share"] == pytest.approx(boot)
    assert made["share"]["5g"]["residual"] < boot


def test_over_bound_is_active_over_bound() -> None:
    trial = with_uplinks(made_trial("5g"), {"active_s": 3.0, "bound_s": 2.0})
    made = document([trial])["over_bound"]["5g"]["uplink"]
    assert (made["mean"], made["median"], made["max"], made["n"]) == (1.5, 1.5, 1.5, 20)


def test_repetitions_make_intervals_between_trials() -> None:
    alone, repeated = document(made_run()), document(made_run(trials=3))
    assert alone["kind"] == alone["phases"]["5g"]["uplink"]["kind"] == WITHIN_RUN
    assert repeated["kind"] == repeated["phases"]["5g"]["uplink"]["kind"] == BETWEEN_TRIALS
    assert repeated["phases"]["5g"]["uplink"]["n"] == 60
    assert repeated["phases"]["5g"]["uplink"]["groups"] == 3
    assert repeated["ratios"]["uplink"]["5g/wifi"]["kind"] == BETWEEN_TRIALS


def test_what_was_not_measured_is_absent() -> None:
    made = document([made_trial("ethernet"), made_trial("5g")])
    assert made["phases"].keys() == made["round"].keys() == {"ethernet", "5g"}
    assert made["ratios"]["uplink"].keys() == {"5g/ethernet"}
    assert "test" not in made["phases"]["5g"]


def test_a_loopback_spool_has_phases_and_no_bound() -> None:
    made = document([with_facts(made_trial("loopback"), interface="", emulator={}, checks=[])])
    assert made["phases"].keys() == {"loopback"}
    assert made["over_bound"] == made["ratios"] == {}
    assert made["paper"]["claims"] == []


def test_one_round_has_no_interval() -> None:
    made = document([made_trial("5g", rounds=1)])
    assert made["phases"]["5g"]["uplink"]["ci95_s"] is None


def test_no_trial_at_all_is_a_document() -> None:
    made = document([])
    assert made["phases"] == {}
    assert made["verdicts"][0]["severity"] == "unfit"


@pytest.mark.parametrize("change", [{"warmup": True}, {"outcome": "invalid", "reason": "a check failed"}])
def test_warm_ups_and_invalid_trials_are_listed_and_not_compared(change: dict[str, object]) -> None:
    good, other = made_trial("5g"), with_facts(with_uplinks(made_trial("5g", seed=1), {"whole_s": 99.0}), **change)
    made = document([good, other])
    assert made["phases"] == document([good])["phases"]
    assert [trial["compared"] for trial in made["trials"]] == [True, False]


def test_incomplete_rounds_and_bad_messages_are_left_out() -> None:
    trial = made_trial("5g")
    whole = document([trial])["phases"]["5g"]["uplink"]
    trial = replace(trial, rounds=[replace(trial.rounds[0], complete=False), *trial.rounds[1:]])
    assert document([trial])["phases"]["5g"]["uplink"]["n"] == whole["n"] - 4
    assert document([trial])["round"]["5g"]["complete"] == 4
    trial = with_messages(made_trial("5g"), {"outcome": "lost"}, first=3)
    assert document([trial])["phases"]["5g"]["uplink"]["n"] == whole["n"] - 3
    assert document([trial])["messages"]["by_outcome"] == {"lost": 3, "ok": 17}
    trial = with_uplinks(made_trial("5g"), {"outcome": "lost"}, first=2)
    assert document([trial])["phases"]["5g"]["uplink"]["n"] == whole["n"] - 2


def test_evaluate_messages_keep_their_transfers_apart() -> None:
    made = document([made_trial("5g", evaluate=True)])["phases"]["5g"]
    assert made["downlink"]["n"] == 20
    assert made["evaluate_downlink"]["n"] == 20
    assert made["test"]["n"] == 20
    assert made["evaluate_aggregate"]["n"] == 5


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(EstimateError):
        summarise([with_uplinks(made_trial("5g"), {"active_s": math.nan}, first=1)])


def test_clocks_without_a_bound_are_null_in_the_document() -> None:
    trial = made_trial("5g")
    trial = replace(trial, clocks=[replace(trial.clocks[0], error_s=math.inf)])
    assert document([trial])["clocks"][0]["error_s"] is None


def test_models_that_differ_name_their_first_round() -> None:
    one, other = made_trial("5g"), made_trial("ethernet")
    other = replace(other, models={**other.models, 3: "f" * 64, 5: "e" * 64})
    assert document([one, other])["models"]["first_difference"] == 3
    assert document([one, other])["models"]["identical"] is False


def test_slowest_uplink_over_t_r_is_a_share() -> None:
    for of in document(made_run())["round"].values():
        assert 0 < of["uplink_over_t_r"] < 1
        assert of["active_share_of_wall"]["uplink"] <= of["uplink_share_of_wall"]


def test_phases_stand_in_the_order_of_a_messages_way() -> None:
    names = list(phase_readings(made_trial("5g", evaluate=True)))
    assert names.index("downlink") < names.index("downlink_active") < names.index("boot") < names.index("uplink")
    assert names.index("aggregate") < names.index("evaluate_downlink")


def test_stragglers_are_counted() -> None:
    stragglers = measure([made_trial("5g")]).stragglers["5g"]
    assert sum(stragglers.counts.values()) == stragglers.rounds == 5
    assert stragglers.stretch is not None
    assert stragglers.stretch >= 1


def test_hosts_sort_by_their_numbers() -> None:
    assert sorted(["pi10", "pi2", "server", "pi1"], key=natural) == ["pi1", "pi2", "pi10", "server"]


def test_the_commit_is_read_from_a_checkout(tmp_path: Any) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    assert commit_of(tmp_path) == ""
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text("# pack-refs\n0123abcd refs/heads/main\n")
    assert commit_of(tmp_path) == "0123abcd"
    (git / "refs" / "heads" / "main").write_text("4567ef\n")
    assert commit_of(tmp_path) == "4567ef"
    (git / "HEAD").write_text("89abcd\n")
    assert commit_of(tmp_path) == "89abcd"
