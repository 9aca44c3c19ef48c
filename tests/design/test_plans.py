"""Plans by their properties: complete blocks, a fair order, the same plan for the same file, nothing excluded."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter, defaultdict
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.campaign import Campaign
from testbed.design.factors import DesignError, canonical
from testbed.plan import PlannedTrial, plan_document, plan_of
from tests.design.campaigns import campaign, campaigns


def blocks_of(planned: list[PlannedTrial]) -> dict[int, list[PlannedTrial]]:
    found: dict[int, list[PlannedTrial]] = defaultdict(list)
    for trial in planned:
        found[trial.block].append(trial)
    return found


def cell(trial: PlannedTrial) -> str:
    return canonical(trial.levels)


@given(campaigns())
def test_every_block_holds_every_cell_once(asked: Campaign) -> None:
    every = sorted(
        canonical(dict(zip(asked.factors.levels, chosen, strict=True)))
        for chosen in product(*asked.factors.levels.values())
    )
    blocks = blocks_of(plan_of(asked))
    assert list(blocks) == list(range(1, asked.repetitions + 1))
    for trials in blocks.values():
        assert sorted(map(cell, trials)) == every


@given(campaigns())
def test_every_level_is_run_equally_often(asked: Campaign) -> None:
    planned = plan_of(asked)
    for name, levels in asked.factors.levels.items():
        times = Counter(canonical(trial.levels[name]) for trial in planned)
        assert len(times) == len(levels)
        assert len(set(times.values())) == 1


@given(campaigns())
def test_the_same_file_gives_the_same_bytes(asked: Campaign) -> None:
    again = Campaign.model_validate(asked.model_dump(mode="json"))
    first, second = (json.dumps(plan_document(one, plan_of(one))) for one in (asked, again))
    assert first == second


@given(campaigns())
def test_names_are_unique_safe_and_in_order(asked: Campaign) -> None:
    names = [trial.name for trial in plan_of(asked)]
    assert len(set(names)) == len(names)
    assert names == sorted(names)
    for trial in plan_of(asked):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", trial.name)
        assert trial.name.endswith(f"-r{trial.repetition}")


@given(campaigns())
def test_levels_are_put_where_they_belong(asked: Campaign) -> None:
    for trial in plan_of(asked):
        own = trial.campaign
        found = {
            "interface": trial.interface,
            "polling": trial.polling,
            "clients": own.clients,
            "rounds": own.rounds,
            "workload.settings.layout": own.workload.settings.get("layout"),
            "workload.settings.batch-size": own.workload.settings.get("batch-size"),
            "testbed.pi_cpu": own.testbed.pi_cpu or "none",
            "collect.interval_ms": own.collect.interval_ms,
            "priorities.flwr-clientapp": own.priorities.get("flwr-clientapp"),
        }
        for name in ("interface", "polling", *asked.factors.others):
            assert found[name] == trial.levels[name]


@given(campaigns(), st.data())
def test_what_is_excluded_never_appears_and_nothing_else_is_missing(asked: Campaign, data: st.DataObject) -> None:
    whole = plan_of(asked)
    victim = data.draw(st.sampled_from(whole)).levels
    names = data.draw(st.lists(st.sampled_from(sorted(victim)), min_size=1, unique=True))
    part = {name: victim[name] for name in names}
    kept = {cell(trial) for trial in whole if any(trial.levels[name] != level for name, level in part.items())}
    excluding = asked.model_copy(update={"design": asked.design.model_copy(update={"exclude": (part,)})})
    if not kept:
        with pytest.raises(DesignError, match="leaves no combination"):
            plan_of(excluding)
        return
    for trials in blocks_of(plan_of(excluding)).values():
        assert sorted(map(cell, trials)) == sorted(kept)


@pytest.mark.parametrize("cells", [2, 3, 6])
def test_the_order_favours_no_cell(cells: int) -> None:
    """Over 2,000 seeds each cell's mean place is within 5 standard errors of the middle, and each is first as often
    as the others.
    """
    factors = {"interface": ["ethernet", "wifi", "5g"][:cells], "polling": ["stock", "fast"][: max(cells // 3, 1)]}
    asked, seeds = campaign(factors), 2_000
    places: dict[str, list[int]] = defaultdict(list)
    for seed in range(seeds):
        for place, trial in enumerate(plan_of(asked.model_copy(update={"seed": seed}))):
            places[cell(trial)].append(place)
    assert len(places) == cells
    deviation = ((cells**2 - 1) / 12) ** 0.5  # of a uniform place
    for found in places.values():
        assert statistics.fmean(found) == pytest.approx((cells - 1) / 2, abs=5 * deviation / seeds**0.5)
        share = found.count(0) / seeds
        assert share == pytest.approx(1 / cells, abs=5 * (1 / cells * (1 - 1 / cells) / seeds) ** 0.5)


def test_blocks_of_one_plan_differ_in_order_and_seeds_do() -> None:
    factors = {"interface": ["ethernet", "wifi", "5g"], "clients": [2, 4]}
    blocks = blocks_of(plan_of(campaign(factors, repetitions=8)))
    assert len({tuple(map(cell, trials)) for trials in blocks.values()}) > 1
    orders = {tuple(map(cell, plan_of(campaign(factors, seed=seed)))) for seed in range(20)}
    assert len(orders) > 15


@given(campaigns())
def test_a_fixed_order_is_that_of_the_file_in_every_block(asked: Campaign) -> None:
    fixed = asked.model_copy(update={"design": asked.design.model_copy(update={"order": "fixed"})})
    orders = [list(map(cell, trials)) for trials in blocks_of(plan_of(fixed)).values()]
    levels = fixed.factors.levels
    assert orders[0] == [canonical(dict(zip(levels, chosen, strict=True))) for chosen in product(*levels.values())]
    assert all(order == orders[0] for order in orders)


@given(campaigns())
@settings(max_examples=30)
def test_a_digest_tells_settings_apart_and_nothing_else(asked: Campaign) -> None:
    planned = plan_of(asked)
    by_digest: dict[str, set[str]] = defaultdict(set)
    for trial in planned:
        by_digest[trial.settings_digest].add(cell(trial))
    assert all(len(cells) == 1 for cells in by_digest.values())
    assert len(by_digest) == len({cell(trial) for trial in planned})
    described = asked.model_copy(update={"description": "another"})
    assert [trial.settings_digest for trial in plan_of(described)] == [trial.settings_digest for trial in planned]


def test_the_present_names_stay() -> None:
    names = [trial.name for trial in plan_of(campaign({"interface": ["5g"], "polling": ["stock", "fast"]}, seed=3))]
    assert sorted(name[4:] for name in names) == ["5g-fast-r1", "5g-r1"]
    asked = campaign({"interface": ["5g"], "clients": [2, 4], "workload.settings.layout": ["flat"]})
    assert {trial.name[4:] for trial in plan_of(asked)} == {"5g-clients2-r1", "5g-clients4-r1"}


def test_a_testbed_is_rebuilt_for_other_clients_and_conditions_and_for_no_other_network() -> None:
    keys = {trial.testbed_key for trial in plan_of(campaign({"interface": ["5g", "wifi"], "rounds": [3, 5]}))}
    assert len(keys) == 1
    asked = campaign({"interface": ["5g", "wifi"], "clients": [2, 4], "testbed.pi_cpu": ["none", 0.5]})
    by_key: dict[str, set[str]] = defaultdict(set)
    for trial in plan_of(asked):
        by_key[trial.testbed_key].add(canonical([trial.levels["clients"], trial.levels["testbed.pi_cpu"]]))
    assert [len(found) for found in by_key.values()] == [1] * 4


def test_a_list_is_run_as_it_is_written() -> None:
    trials = [
        {"interface": "5g", "clients": 2, "workload": {"settings": {"layout": "flat"}}},
        {"interface": "wifi", "clients": 4, "workload.settings.layout": "native"},
        {"interface": "5g", "clients": 4, "workload.settings.layout": "native"},
    ]
    asked = Campaign.model_validate(
        {"name": "l", "rounds": 2, "trial": trials, "design": {"kind": "list", "order": "fixed"}, "repetitions": 2}
    )
    found = [(t.interface, t.campaign.clients, t.campaign.workload.settings["layout"]) for t in plan_of(asked)]
    assert found == [("5g", 2, "flat"), ("wifi", 4, "native"), ("5g", 4, "native")] * 2
    assert asked.clients == 4, "the testbed has as many hosts as the largest trial"


def test_a_listed_trial_that_says_nothing_of_polling_leaves_it() -> None:
    trials = [{"interface": "5g"}, {"interface": "5g", "polling": "fast"}]
    design = {"kind": "list", "order": "fixed"}
    asked = Campaign.model_validate({"name": "l", "rounds": 2, "clients": 1, "trial": trials, "design": design})
    assert [trial.polling for trial in plan_of(asked)] == ["stock", "fast"]
    assert [trial.name for trial in plan_of(asked)] == ["000-5g-r1", "001-5g-fast-r1"]


def test_an_apps_own_setting_may_have_dots_in_its_name() -> None:
    asked = campaign({"interface": ["5g"], "workload": {"settings": {"optimiser": {"rate": [0.1, 0.2]}}}})
    rates = {trial.campaign.workload.settings["optimiser.rate"] for trial in plan_of(asked)}
    assert rates == {0.1, 0.2}
