"""What a campaign says of convergence reaches the bundled app, whose own settings go before it, and no other app."""

from __future__ import annotations

from typing import Any

from testbed.campaign import Campaign

RULE = {"target_accuracy": 0.85, "patience": 3}


def campaign(**keys: Any) -> Campaign:
    return Campaign.model_validate(
        {"name": "small", "rounds": 9, "clients": 2, "factors": {"interface": ["5g"]}, "convergence": RULE, **keys}
    )


def test_the_bundled_app_is_told_when_to_stop() -> None:
    told = campaign().run_config()
    assert told == {
        "target-accuracy": 0.85,
        "patience": 3,
        "min-delta": 0.01,
        "num-server-rounds": 9,
        "num-clients": 2,
    }


def test_its_settings_go_before_the_rule() -> None:
    told = campaign(workload={"settings": {"patience": 0}}).run_config()
    assert (told["patience"], told["target-accuracy"]) == (0, 0.85)


def test_another_app_is_told_nothing_that_it_might_not_know() -> None:
    told = campaign(workload={"app": "../mine"})
    assert told.run_config() == {"num-server-rounds": 9, "num-clients": 2}
    assert told.convergence is not None


def test_a_score_that_the_bundled_app_does_not_look_at_stops_nothing() -> None:
    told = campaign(convergence={**RULE, "metric": "test-accuracy"}).run_config()
    assert told.keys() == {"num-server-rounds", "num-clients"}
