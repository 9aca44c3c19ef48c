"""Every rule fires on what it is for, and is silent on a run that has none of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_trials import made_run, made_trial, with_facts, with_messages, with_uplinks

from analysis.measured import measure
from analysis.model import CaptureCounts, MissingHook, RoundTimes, TrialTimes
from analysis.rules import RULES, judge
from analysis.verdicts import SEVERITIES, Verdict, exit_code, worst
from instrument.flower.names import PLACES

ROOT = Path(__file__).parents[2]
Change = Callable[[TrialTimes], TrialTimes]


def found(trials: Sequence[TrialTimes], rule: str) -> list[Verdict]:
    return [verdict for verdict in judge(trials, measure(trials)) if verdict.rule == rule]


def repeated(*changes: Change) -> list[TrialTimes]:
    """Three trials of 5g, of which the first is changed."""
    trials = [made_trial("5g", name=f"{seed:03d}-5g", seed=seed) for seed in range(3)]
    for change in changes:
        trials[0] = change(trials[0])
    return trials


def of_first_round(trial: TrialTimes, change: Callable[[RoundTimes], RoundTimes]) -> TrialTimes:
    return replace(trial, rounds=[change(trial.rounds[0]), *trial.rounds[1:]])


def unexplained(trial: TrialTimes) -> TrialTimes:
    """The stage_in of the first round, some 0.5 % to 1 % of it, and its store are explained by nothing."""

    def change(made: RoundTimes) -> RoundTimes:
        lost = {"stage_in", "stage_out", "store"}
        return replace(
            made,
            charges=[
                replace(charge, phase="residual") if charge.phase in lost else charge for charge in made.charges
            ],
        )

    return of_first_round(trial, change)


UNHOOKED = MissingHook(
    host="server",
    role="flwr-serverapp",
    name="flwr.serverapp.strategy.strategy",
    reason="never imported",
    processes=7,
)

FIRES: dict[str, tuple[str, Change]] = {
    "residual": ("unfit", unexplained),
    "failed_checks": (
        "unfit",
        lambda trial: with_facts(
            trial, checks=[{"name": "silence elsewhere", "ok": False, "detail": "9 kB on eth0"}]
        ),
    ),
    "invalid_trials": ("warn", lambda trial: with_facts(trial, outcome="invalid", reason="node3 vanished")),
    "incomplete_rounds": ("warn", lambda trial: of_first_round(trial, lambda made: replace(made, complete=False))),
    "dropped_records": ("unfit", lambda trial: replace(trial, dropped_records=7)),
    "cut_segments": ("warn", lambda trial: replace(trial, cut_segments=["node1-superexec-46"])),
    "unreadable_files": (
        "warn",
        lambda trial: replace(trial, unreadable=[("node2", "flower-supernode", "node2-7.jsonl: SHA-256 differs")]),
    ),
    "failed_captures": (
        "warn",
        lambda trial: replace(trial, failed_captures=[("node2", "cannot capture on eth0: no tcpdump")]),
    ),
    "capture_dropped": (
        "warn",
        lambda trial: replace(trial, captures=[CaptureCounts(host="node2", interface="eth0", packets=23, dropped=5)]),
    ),
    "cpu_starved": ("warn", lambda trial: with_messages(trial, {"waited_for_core_s": {"train": 0.3}})),
    "lost_messages": ("warn", lambda trial: with_messages(trial, {"outcome": "error:3"}, first=2)),
    "missing_phases": ("warn", lambda trial: with_messages(trial, {"missing": ["boot"]}, first=2)),
    "missing_hooks": ("warn", lambda trial: replace(trial, missing_hooks=[UNHOOKED])),
    "faults": ("warn", lambda trial: replace(trial, faults=["grid: hook target is gone"])),
    "model_bytes": ("warn", lambda trial: replace(trial, models={**trial.models, 2: "a" * 64})),
    "collector_cost": ("warn", lambda trial: replace(trial, collector_cpu_s={"server": 5.0, "node1": 0.1})),
    "faster_than_physics": ("warn", lambda trial: with_uplinks(trial, {"active_s": 0.5}, first=1)),
    "estimators_disagree": ("warn", lambda trial: with_uplinks(trial, {"one_host_s": 9.0}, first=1)),
    "clock_error": (
        "unfit",
        lambda trial: replace(trial, clocks=[replace(clock, error_s=0.9) for clock in trial.clocks]),
    ),
    "late_delay": ("warn", lambda trial: with_facts(trial, emulator={"kind": "nfqueue", "delay_late_p99_s": 0.004})),
    "unasked_losses": ("warn", lambda trial: with_facts(trial, emulator={"kind": "nfqueue", "overruns": 7})),
    "no_priorities": ("warn", lambda trial: with_facts(trial, settings={"priorities": False})),
    "changed_waits": ("warn", lambda trial: with_facts(trial, settings={"fast_waits_s": 0.25})),
    "management_shared": (
        "warn",
        lambda trial: with_facts(trial, settings={"management_on": {"ethernet": ["pi10", "pi2"]}}),
    ),
    "shared_clock": ("info", lambda trial: with_facts(trial, settings={"clock": "shared"})),
    "secured": ("info", lambda trial: with_facts(trial, settings={"security": "tls"})),
    "rootless": ("info", lambda trial: with_facts(trial, emulator={"kind": "nfqueue", "rootless": True})),
    "pi_like": ("info", lambda trial: with_facts(trial, settings={"pi_like": {"cores": 0.4, "cgroup": "v1"}})),
    "background": (
        "info",
        lambda trial: with_facts(trial, settings={"background": {"uplink_bit_per_s": 2e6, "downlink_bit_per_s": 0}}),
    ),
    "traced": ("info", lambda trial: with_facts(trial, settings={"trace": {"file": "drive.csv", "period_s": 12.0}})),
}


@pytest.mark.parametrize("rule", FIRES)
def test_rule_fires_on_what_it_is_for_and_on_nothing_else(rule: str) -> None:
    severity, change = FIRES[rule]
    assert found(repeated(), rule) == []
    verdicts = found(repeated(change), rule)
    assert [verdict.severity for verdict in verdicts] == [severity]
    assert any(character.isdigit() for character in verdicts[0].finding), "a finding states its number"
    assert verdicts[0].next_step


def test_a_good_repeated_run_is_fit() -> None:
    verdicts = judge(trials := made_run(trials=3), measure(trials))
    assert {verdict.severity for verdict in verdicts} == {"info"}
    assert exit_code(verdicts) == 0
    assert worst(verdicts) == "good"


def test_verdicts_come_gravest_first() -> None:
    trials = repeated(FIRES["dropped_records"][1], FIRES["faults"][1])
    severities = [verdict.severity for verdict in judge(trials, measure(trials))]
    assert severities == sorted(severities, key=SEVERITIES.index)
    assert severities[0] == worst(judge(trials, measure(trials))) == "unfit"


def test_unfit_exits_with_3_and_less_does_not() -> None:
    verdict = Verdict(severity="warn", finding="1", next_step="2", rule="3")
    assert exit_code([]) == 0
    assert exit_code([verdict]) == 0
    assert exit_code([verdict, replace(verdict, severity="unfit")]) == 3


def test_a_missing_hook_is_told_with_its_process_and_its_phases() -> None:
    others = [replace(UNHOOKED, host="pi1", role="flwr-clientapp", name=name) for name in PLACES["flwr-clientapp"]]
    first, second = found(repeated(lambda trial: replace(trial, missing_hooks=[UNHOOKED, *others])), "missing_hooks")
    assert first.finding == (
        "flwr-serverapp on server: no hook in flwr.serverapp.strategy.strategy (never imported), in 7 of its "
        "processes. Not measured: configure, aggregate and evaluate_server."
    )
    assert second.finding.startswith("flwr-clientapp on pi1: no hook in ")
    assert "boot, stage_in" in second.finding


def test_single_trials_are_named() -> None:
    trials = [*made_run(), made_trial("5g", seed=1)]
    (verdict,) = found(trials, "single_trial")
    assert "ethernet and wifi" in verdict.finding
    assert "5g" not in verdict.finding
    assert found(made_run(trials=2), "single_trial") == []


def test_nothing_measured_is_unfit() -> None:
    trial = made_trial("5g")
    trial = replace(trial, rounds=[replace(made, complete=False) for made in trial.rounds])
    (verdict,) = found([trial], "nothing_measured")
    assert verdict.severity == "unfit"
    assert found([made_trial("5g")], "nothing_measured") == []


def test_an_interface_left_without_a_trial_is_unfit() -> None:
    trial = with_facts(made_trial("wifi"), outcome="invalid")
    assert [verdict.severity for verdict in found([made_trial("5g"), trial], "invalid_trials")] == ["unfit"]


def test_an_invalid_warm_up_is_no_finding() -> None:
    assert (
        found([made_trial("5g"), with_facts(made_trial("5g"), outcome="invalid", warmup=True)], "invalid_trials")
        == []
    )


def test_many_incomplete_rounds_are_unfit() -> None:
    trial = made_trial("5g")
    trial = replace(trial, rounds=[replace(made, complete=made.round > 2) for made in trial.rounds])
    assert [verdict.severity for verdict in found([trial], "incomplete_rounds")] == ["unfit"]


def test_many_transfers_faster_than_physics_are_unfit() -> None:
    (verdict,) = found([with_uplinks(made_trial("5g"), {"active_s": 0.5}, first=5)], "faster_than_physics")
    assert verdict.severity == "unfit"
    assert "5 of 20 transfers" in verdict.finding


def test_a_transfer_faster_than_its_share_is_possible_and_faster_than_the_link_is_not() -> None:
    """Alone on the link, 2.9 MB take 1.22 s at 20 Mbit/s; the fluid bounds of these uplinks are about 2 s."""
    assert found([with_uplinks(made_trial("5g"), {"active_s": 1.3}, first=1)], "faster_than_physics") == []
    (verdict,) = found([with_uplinks(made_trial("5g"), {"active_s": 1.1}, first=1)], "faster_than_physics")
    assert verdict.severity == "warn"
    assert "0.90" in verdict.finding


def test_a_mean_below_the_fluid_bound_is_unfit_though_no_transfer_is_impossible() -> None:
    (verdict,) = found([with_uplinks(made_trial("5g"), {"active_s": 1.3})], "faster_than_physics")
    assert verdict.severity == "unfit"
    assert "fair sharing" in verdict.finding
    assert "0 of" not in verdict.finding


def test_collectors_that_waited_for_the_processor_cost_nothing() -> None:
    assert found([replace(made_trial("5g"), collector_cost_s={"process": 60.0})], "collector_cost") == []
    assert found([replace(made_trial("5g"), collector_cpu_s={})], "collector_cost") == []


def test_many_disagreements_are_unfit_and_a_stated_error_excuses() -> None:
    trial = with_uplinks(made_trial("5g"), {"one_host_s": 9.0})
    assert [verdict.severity for verdict in found([trial], "estimators_disagree")] == ["unfit"]
    trial = with_uplinks(trial, {"one_host_error_s": 20.0})
    assert found([trial], "estimators_disagree") == []


def test_15_ms_are_no_disagreement_however_short_the_transfer() -> None:
    trial = with_uplinks(made_trial("ethernet"), {"two_ended_s": 0.020, "active_s": 0.020, "one_host_s": 0.034})
    assert found([trial], "estimators_disagree") == []
    trial = with_uplinks(trial, {"one_host_s": 0.037})
    assert len(found([trial], "estimators_disagree")) == 1


def test_whole_is_held_against_whole() -> None:
    whole = {"one_host_whole_s": 9.0}
    (verdict,) = found([with_uplinks(made_trial("5g"), whole)], "estimators_disagree")
    assert "uplink, whole" in verdict.finding
    assert found([with_uplinks(made_trial("5g"), {**whole, "one_host_whole_error_s": 20.0})], verdict.rule) == []
    unmeasured = {"one_host_whole_s": None, "one_host_s": None}
    assert found([with_uplinks(made_trial("5g"), unmeasured)], verdict.rule) == []


def test_rules_name_only_commands_that_exist() -> None:
    known = {path.stem for path in (ROOT / "testbed" / "commands").glob("[a-z]*.py")}
    for path in (ROOT / "analysis" / "rules").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"fedprobe ([a-z]+)", text)) <= known, path
        assert not re.findall(r"--[a-z]+|fast waits", text), path


@pytest.mark.parametrize(
    ("error_s", "severity"), [(0.01, []), (0.1, ["warn"]), (0.6, ["unfit"]), (math.inf, ["unfit"])]
)
def test_clock_errors_are_held_against_the_effect(error_s: float, severity: list[str]) -> None:
    """The smaller mean transfer of these trials is a downlink of some 0.45 s."""
    trial = made_trial("5g")
    trial = replace(trial, clocks=[replace(trial.clocks[0], error_s=error_s)])
    assert [verdict.severity for verdict in found([trial], "clock_error")] == severity


@pytest.mark.parametrize(
    ("late_s", "severity"), [(0.002, []), (0.0024, ["warn"]), (0.0041, ["warn"]), (0.02, ["unfit"])]
)
def test_a_late_delay_element(late_s: float, severity: list[str]) -> None:
    trial = with_facts(made_trial("5g"), emulator={"kind": "nfqueue", "delay_late_p99_s": late_s})
    assert [verdict.severity for verdict in found([trial], "late_delay")] == severity


def test_information_has_its_numbers() -> None:
    trials = made_run()
    assert "2.4" in found(trials, "cpu_limited")[0].finding
    assert "2 cores" in found(trials, "cpu_limited")[0].finding
    assert "ethernet" in found(trials, "stall")[0].finding
    assert "57 % on ethernet" in found(trials, "polling")[0].finding
    assert "not radio" in found(trials, "emulated")[0].finding
    assert "5g/ethernet" in found(trials, "definition_range")[0].finding


def test_what_the_inventory_declares_is_said() -> None:
    declared = {
        "clock": "shared",
        "security": "tls+supernode-auth",
        "management_on": {"5g": ["server", "pi2"], "ethernet": ["server"]},
    }
    trials = [with_facts(trial, settings=declared) for trial in made_run()]
    assert "3 trials" in found(trials, "shared_clock")[0].finding
    assert "chrony is not provisioned" in found(trials, "shared_clock")[0].finding
    assert "3 trials" in found(trials, "secured")[0].finding
    assert "proved a key" in found(trials, "secured")[0].finding
    ethernet, cellular = found(trials, "management_shared")
    assert "ethernet too, on 1 host (server)" in ethernet.finding
    assert "5g too, on 2 hosts (pi2 and server)" in cellular.finding
    nothing = {"clock": "own", "security": "none", "management_on": {}}
    own = [with_facts(trial, settings=nothing) for trial in made_run()]
    assert found(own, "shared_clock") == found(own, "management_shared") == found(own, "secured") == []


def test_information_is_silent_where_there_is_none() -> None:
    trials = [with_facts(made_trial("5g"), emulator={}, settings={})]
    for rule in ("cpu_limited", "stall", "emulated", "definition_range", "no_bound", "start_up"):
        assert found(trials, rule) == [], rule


def test_unknown_rates_are_said() -> None:
    assert "loopback" in found([with_facts(made_trial("loopback"), interface="loopback")], "no_bound")[0].finding


def test_start_up_that_fills_the_round_is_said() -> None:
    trial = made_trial("5g")
    swap = {"wait_downlink": "boot", "boot": "wait_downlink", "wait_collect": "boot"}
    trial = replace(
        trial,
        rounds=[
            replace(
                made,
                charges=[replace(charge, phase=swap.get(charge.phase, charge.phase)) for charge in made.charges],
            )
            for made in trial.rounds
        ],
    )
    assert "ClientApps" in found([trial], "start_up")[0].finding


def test_rounds_of_warm_up_are_counted() -> None:
    trials = [with_facts(trial, settings={"warmup_rounds": 2}) for trial in made_run()]
    (verdict,) = found(trials, "warm_up")
    assert verdict.finding.startswith("6 rounds of 3 trials are marked as warm-up")
    assert found(made_run(), "warm_up") == []


def test_every_rule_is_held_by_a_test() -> None:
    names = {rule.__name__ for rule in RULES} - {"lost_records"}
    told = {"nothing_measured", "single_trial", "cpu_limited", "stall", "definition_range", "no_bound"}
    told |= {"polling", "start_up", "emulated", "warm_up", "many_invalid", "cells_without_trial"}
    told |= {"all_censored", "unscored", "ended_before_target", "different_rules"}  # in test_convergence
    told |= {"declared_faults"}  # test_faults
    assert names <= told | FIRES.keys()
