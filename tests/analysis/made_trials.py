"""Trials with plausible numbers and no measurement behind them: three networks, four nodes, five rounds.

Built from one seeded generator, so that every test sees the same numbers; the networks are those of the emulated
testbed (1000/1000, 90/120 half duplex, 20/30 up and 100/120 down Mbit/s), the model has 2.9 MB.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.model import (
    Charge,
    ClockFit,
    Interval,
    LinkRates,
    MessageTimes,
    RoundTimes,
    Transfer,
    TrialFacts,
    TrialTimes,
)

LINKS = {
    "ethernet": LinkRates(
        interface="ethernet",
        client_down_bit_per_s=1e9,
        client_up_bit_per_s=1e9,
        cell_down_bit_per_s=1e9,
        cell_up_bit_per_s=1e9,
    ),
    "wifi": LinkRates(
        interface="wifi",
        client_down_bit_per_s=90e6,
        client_up_bit_per_s=90e6,
        cell_down_bit_per_s=120e6,
        cell_up_bit_per_s=120e6,
        half_duplex=True,
    ),
    "5g": LinkRates(
        interface="5g",
        client_down_bit_per_s=100e6,
        client_up_bit_per_s=20e6,
        cell_down_bit_per_s=120e6,
        cell_up_bit_per_s=30e6,
    ),
}
# seconds: bound, active over bound (low, high), stall (low, high)
UPLINK = {
    "ethernet": (0.030, (1.7, 3.4), (0.10, 0.25)),
    "wifi": (0.330, (1.04, 1.25), (0.05, 0.12)),
    "5g": (2.050, (1.01, 1.13), (0.002, 0.01)),
}
DOWNLINK = {
    "ethernet": (0.028, (1.6, 3.0), (0.05, 0.15)),
    "wifi": (0.340, (1.05, 1.3), (0.05, 0.12)),
    "5g": (0.360, (1.1, 1.4), (0.05, 0.15)),
}
STEPS = (
    ("wait_downlink", 0.9, 1.6),
    ("ctrl_downlink", 0.05, 0.12),
    ("downlink", 0, 0),
    ("dispatch", 0.1, 0.6),
    ("boot", 1.0, 1.2),
    ("stage_in", 0.03, 0.06),
    ("inflate", 0.002, 0.004),
    ("app_load", 0.01, 0.02),
    ("train", 0.30, 0.45),
    ("deflate", 0.002, 0.004),
    ("stage_out", 0.03, 0.06),
    ("wait_uplink", 0.05, 0.5),
    ("ctrl_uplink", 0.06, 0.1),
    ("uplink", 0, 0),
    ("store", 0.005, 0.02),
    ("wait_collect", 0.4, 1.6),
    ("collect", 0.04, 0.06),
)
PAYLOAD_BYTES = 2_912_400


def made_run(*, trials: int = 1, rounds: int = 5) -> list[TrialTimes]:
    """Every network, each `trials` times, in the order in which a campaign might have drawn them."""
    return [
        made_trial(interface, name=f"{repetition * 3 + place:03d}-{interface}", rounds=rounds, seed=repetition)
        for repetition in range(trials)
        for place, interface in enumerate(("5g", "ethernet", "wifi"))
    ]


def made_trial(
    interface: str, *, name: str = "", nodes: int = 4, rounds: int = 5, seed: int = 0, evaluate: bool = False
) -> TrialTimes:
    """One trial of one network, emulated, with everything in order."""
    chance = random.Random(f"{interface} {seed}")
    names = [f"node{number}" for number in range(1, nodes + 1)]
    messages: list[MessageTimes] = []
    made_rounds: list[RoundTimes] = []
    scores: list[tuple[int, str, Mapping[str, float]]] = []
    ends: list[float] = []
    now = 1_000_000_000
    first = now
    for number in range(1, rounds + 1):
        of_round, made = _round(interface, number, names, now, chance, evaluate=evaluate)
        messages += of_round
        made_rounds.append(made)
        scores.append((number, "server", {"accuracy": 0.93 - 0.75 * 0.55**number, "loss": 2.0 * 0.6**number}))
        ends.append((made.interval.end_ns - first) / 1e9)
        now = made.interval.end_ns + 30_000_000
    facts = TrialFacts(
        name=name or f"000-{interface}",
        interface=interface,
        rounds=rounds,
        nodes=names,
        link=LINKS.get(interface),
        emulator={"kind": "namespaces", "delay_late_p99_s": 0.0003},
        checks=[{"name": "interface counters", "ok": True}, {"name": "server peers", "ok": True}],
        settings={"cpus": 2, "priorities": True},
    )
    return TrialTimes(
        facts=facts,
        messages=messages,
        rounds=made_rounds,
        clocks=[
            ClockFit(host=node, source="management", exchanges=40, offset_s=0.0, drift_ppm=0.0, error_s=0.0002)
            for node in names
        ],
        scores=scores,
        score_times_s=ends,
        models={number: f"{number:064x}" for number in range(1, rounds + 1)},
        evaluate_server_s=[0.02] * rounds,
        records=3500,
        sleeps_s={"grid": 4.1, "supernode": 9.2},
        collector_cost_s={"process": 0.04},
        collector_cpu_s=dict.fromkeys(["server", *names], 0.2),
        collector_late_s={"process": 0.001},
    )


def with_messages(trial: TrialTimes, change: Mapping[str, object], *, first: int | None = None) -> TrialTimes:
    """The trial with fields of its first messages (all of them by default) replaced."""
    count = len(trial.messages) if first is None else first
    changed = [
        replace(message, **change) if place < count else message  # type: ignore[arg-type]
        for place, message in enumerate(trial.messages)
    ]
    return replace(trial, messages=changed)


def with_uplinks(trial: TrialTimes, change: Mapping[str, object], *, first: int | None = None) -> TrialTimes:
    """The trial with fields of its first uplinks (all of them by default) replaced."""
    count = len(trial.messages) if first is None else first
    changed = [
        replace(message, uplink=replace(message.uplink, **change))  # type: ignore[arg-type]
        if place < count and message.uplink is not None
        else message
        for place, message in enumerate(trial.messages)
    ]
    return replace(trial, messages=changed)


def with_facts(trial: TrialTimes, **change: object) -> TrialTimes:
    """The trial with some of the runner's facts replaced."""
    return replace(trial, facts=replace(trial.facts, **change))  # type: ignore[arg-type]


def _round(
    interface: str, number: int, nodes: Sequence[str], start: int, chance: random.Random, *, evaluate: bool
) -> tuple[list[MessageTimes], RoundTimes]:
    configured, published = start + 5_000_000, start + 65_000_000
    shared = {"configure": Interval(start, configured), "publish": Interval(configured, published)}
    messages = [_message(interface, number, node, place, shared, chance) for place, node in enumerate(nodes)]
    slowest = max(messages, key=lambda message: message.intervals["collect"].end_ns)
    collected = slowest.intervals["collect"].end_ns
    aggregate = Interval(collected, collected + 21_000_000)
    messages = [replace(message, intervals={**message.intervals, "aggregate": aggregate}) for message in messages]
    slowest = next(message for message in messages if message.node == slowest.node)
    charges = [
        Charge(phase=phase, interval=interval, node="" if phase in {"configure", "publish"} else slowest.node)
        for phase, interval in slowest.intervals.items()
    ]
    end = aggregate.end_ns
    tests: list[MessageTimes] = []
    if evaluate:
        tests, more, end = _evaluation(messages, slowest.node, end)
        charges += more
    times = {message.node: _measured_s(message) + (0.2 if evaluate else 0.0) for message in messages}
    return messages + tests, RoundTimes(
        round=number,
        interval=Interval(start, end),
        t_r_s=max(times.values()),
        charges=charges,
        critical_nodes=[slowest.node],
        complete=True,
        straggler=max(times, key=lambda node: times[node]),
    )


def _evaluation(
    messages: Sequence[MessageTimes], slowest: str, start: int
) -> tuple[list[MessageTimes], list[Charge], int]:
    test, end = Interval(start, start + 200_000_000), start + 210_000_000
    tests = [
        replace(
            message,
            message_id=f"{message.message_id}e",
            function="test",
            uplink=None,
            intervals={"test": test, "aggregate": Interval(test.end_ns, end)},
        )
        for message in messages
    ]
    charges = [
        Charge(phase="test", interval=test, node=slowest),
        Charge(phase="aggregate", interval=Interval(test.end_ns, end)),
    ]
    return tests, charges, end


def _message(
    interface: str,
    number: int,
    node: str,
    place: int,
    shared: Mapping[str, Interval],
    chance: random.Random,
) -> MessageTimes:
    intervals, now = dict(shared), shared["publish"].end_ns
    transfers: dict[str, Transfer] = {}
    for phase, low, high in STEPS:
        if phase in {"uplink", "downlink"}:
            transfers[phase] = _transfer(interface, phase, now, place, chance)
            seconds = transfers[phase].whole_s
        else:
            seconds = round(chance.uniform(low, high), 4)
        intervals[phase] = Interval(now, now + round(seconds * 1e9))
        now = intervals[phase].end_ns
    return MessageTimes(
        message_id=f"{number:02d}-{node}",
        round=number,
        function="train",
        node=node,
        outcome="ok",
        intervals=intervals,
        downlink=transfers["downlink"],
        uplink=transfers["uplink"],
        wait_collect_parts={"sleep": 0.3, "back_off": 0.1},
    )


def _transfer(interface: str, direction: str, start: int, place: int, chance: random.Random) -> Transfer:
    table = UPLINK if direction == "uplink" else DOWNLINK
    bound, over, stalls = table.get(interface, (0.004, (1.5, 3.0), (0.05, 0.1)))
    bound = round(bound * chance.uniform(0.85, 1.1) * (1.12 if place == 3 else 1.0), 5)
    active, stall = round(bound * chance.uniform(*over), 5), round(chance.uniform(*stalls), 5)
    whole = active + stall
    middle = start + round(active * 0.9e9)
    end = start + round(whole * 1e9)
    return Transfer(
        direction=direction,
        interval=Interval(start, end),
        whole_s=whole,
        active_s=active,
        stall_s=stall,
        two_ended_error_s=0.0002,
        one_host_s=active * chance.uniform(0.99, 1.02),
        two_ended_s=active,
        one_host_error_s=0.001,
        payload_bytes=PAYLOAD_BYTES,
        objects=3,
        attempts=3,
        outcome="ok",
        busy=[Interval(start, middle), Interval(end - round(active * 0.1e9), end)],
        bound_s=bound if interface in LINKS else None,
        one_host_whole_s=whole,
        one_host_whole_error_s=0.0005,
        alone_bound_s=_alone_s(LINKS[interface], direction) if interface in LINKS else None,
        alternatives={
            "rpc_span": whole * 1.05 + 0.08,
            "send_returned": active * 0.8,
            "biggest_object": active * 0.9,
        },
    )


def _alone_s(link: LinkRates, direction: str) -> float:
    rate = link.client_up_bit_per_s if direction == "uplink" else link.client_down_bit_per_s
    return PAYLOAD_BYTES * 8 / (rate * 1448 / 1514)


def _measured_s(message: MessageTimes) -> float:
    assert message.downlink is not None
    assert message.uplink is not None
    return message.downlink.whole_s + message.uplink.whole_s + message.intervals["train"].seconds
