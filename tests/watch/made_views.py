"""Runs as they never were, for the live view: so many nodes, in the middle of the fifth of nine trials."""

from __future__ import annotations

from typing import Any

from testbed.watch.live_document import (
    ClientNow,
    Line,
    Live,
    Planned,
    RoundSeen,
    ScoreSeen,
    TrialNow,
)
from testbed.watch.overview import Overview, TrialFacts, overview
from testbed.watch.server_view import LEGS, PHASES

NOW = 1_700_000_000.0
ORDER = ("wifi", "5g", "ethernet") * 3


def plan() -> dict[str, Any]:
    """A campaign of three blocks."""
    trials = [
        {"name": f"{place:03d}-{net}-r{place // 3 + 1}", "rounds": 20, "block": place // 3 + 1, "earliest": None}
        for place, net in enumerate(ORDER)
    ]
    return {"campaign": "three networks", "trials": trials}


def trials() -> list[TrialFacts]:
    """Four that are done, one of them repeated and one invalid, and the fifth."""
    found = []
    for place in range(4):
        bad = place == 2
        found.append(
            TrialFacts(
                name=f"{place:03d}-{ORDER[place]}-r{place // 3 + 1}",
                state="done",
                outcome="invalid" if bad else "ok",
                reason="clock error: pi7 at 41 ms, more than the 5 ms of validity.clock_error_s" if bad else "",
                interface=ORDER[place],
                rounds=20,
                wall_s=130.0 + place,
            )
        )
    again = TrialFacts(
        name="002-ethernet-r1.attempt1",
        state="done",
        outcome="invalid",
        reason="node lost: pi3 does not answer",
        interface="ethernet",
        rounds=20,
        attempt_of=True,
    )
    return [*found, again]


def live(nodes: int, **changes: Any) -> Live:
    """What the controller sees of the fifth trial, with clients in every phase."""
    clients = [
        ClientNow(
            node=f"pi{number}",
            phase=PHASES[1 + number % 5] if number % 17 else "not heard",
            since=NOW - 1.5 * (number % 11) - 1 if number % 17 else None,
            heard=NOW - 1 if number % 17 else None,
        )
        for number in range(1, nodes + 1)
    ]
    rounds = [
        RoundSeen(
            interface=net,
            trial="x",
            number=12,
            wall_s=8.25 * factor,
            clients=nodes,
            median_s=dict(zip(LEGS, (1.5, 0.3 * factor, 2.25, 0.25 * factor), strict=True)),
            longest_s={"uplink": (1.75 * factor, f"pi{nodes}")},
        )
        for net, factor in (("5g", 4.0), ("ethernet", 0.5), ("wifi", 1.0))
    ]
    scores = [
        ScoreSeen(scenario=net, trial="x", round=12, values={"accuracy": 0.8125, "loss": 1.25, "loss (train)": 1.5})
        for net in ("5g", "ethernet", "wifi")
    ]
    trial = TrialNow(
        name="004-5g-r2",
        interface="5g",
        state="running",
        since=NOW - 75,
        deadline=NOW + 905,
        rounds=20,
        done=12,
        round=13,
        kind="train",
        sent=nodes,
        replied=nodes // 5,
    )
    document = Live(
        written=NOW,
        begun=NOW - 700,
        plan=[Planned(name=one["name"], estimate_s=100.0, pause_s=5.0) for one in plan()["trials"]],
        trial=trial,
        clients=clients,
        rounds=rounds,
        scores=scores,
        faults=["flower-superlink: the asked priority was not set whole"],
        said=[Line(at=NOW - 80, text="003-wifi-r2: ok (133.0 s, its rounds 101.0 s: conducting 32.0 s)")],
    )
    return document.model_copy(update=changes)


def view(nodes: int, **changes: Any) -> Overview:
    """The whole of it."""
    return overview(plan(), trials(), live(nodes, **changes), now=NOW, controlled=True)
