"""Points of a campaign that was never run: every measurement of the schema, with every field it has.

Three networks, two repetitions, three rounds (the first a warm-up), two clients and a server; a fault, an invalid
trial. Durations follow from the network, so that tests can say what a query must give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count, product

from analysis.influx.point import FieldValue, Point
from analysis.influx.schema import MEASUREMENTS, charged_field
from instrument.phases import PHASES

BEGIN_NS = 1_790_000_000_000_000_000
SECOND_NS = 1_000_000_000
TRIAL_S = 300
NETWORKS = {"ethernet": 1.0, "wifi": 3.0, "5g": 8.0}  # seconds of an active transfer
BOUNDS = {"ethernet": 0.5, "wifi": 2.0, "5g": 6.0}
NODES = ("pi-01", "pi-02")
SERVER = "the server"
ROUNDS, REPETITIONS = 3, 2
CAMPAIGN = "lab, 5G / WiFi (a|b) = \"x\" 'y' ünï"
ROUND_S = 20.0
CHARGED = {"train": 5.0, "uplink": 12.0, "downlink": 2.9}  # of which downlink in every other round only
PLAIN: Mapping[type, FieldValue] = {bool: False, int: 1, float: 0.5, str: "some"}
NOT_OF_UNFINISHED = {"wall_s", "rounds_s", "conducting_s"}  # of an invalid trial they may be unknown too


def points(campaign: str = CAMPAIGN) -> Iterator[Point]:
    """All of them; no two have the same key."""
    order = count()
    for (network, rep), place in zip(product(NETWORKS, range(1, REPETITIONS + 1)), order, strict=False):
        trial = f"{place:03}-{network}-r{rep}"
        tags = {"campaign": campaign, "scenario": network, "iface": network}
        yield from _trial(tags, trial, rep, BEGIN_NS + place * TRIAL_S * SECOND_NS)


def _point(
    measurement: str, tags: Mapping[str, str], time_ns: int, fields: Mapping[str, FieldValue], **more: str
) -> Point:
    every = {name: PLAIN[field.type] for name, field in MEASUREMENTS[measurement].fields.items()}
    assert set(fields) <= set(every), (measurement, fields)
    labels = {**tags, **more}
    assert set(labels) == set(MEASUREMENTS[measurement].tags)
    return Point(measurement, tuple(sorted(labels.items())), time_ns, {**every, **fields})


def _trial(tags: Mapping[str, str], trial: str, rep: int, begin_ns: int) -> Iterator[Point]:
    valid = rep == 1
    fields: dict[str, FieldValue] = {
        "trial": trial,
        "rep": rep,
        "valid": valid,
        "outcome": "ok" if valid else "invalid",
        "reasons": "" if valid else "node_lost: pi-02",
        "wall_s": 80.0,
    }
    server = {"node": SERVER, "role": "server"}
    made = _point("trial", tags, begin_ns, fields, **server)
    kept = {name: value for name, value in made.fields.items() if valid or name not in NOT_OF_UNFINISHED}
    yield Point(made.measurement, made.tags, made.time_ns, kept)
    yield _point("fault", tags, begin_ns, {"trial": trial}, node=NODES[0], role="client")
    for node in (*NODES, SERVER):
        host = {"node": node, "role": "server" if node == SERVER else "client"}
        yield _point("clock", tags, begin_ns, {"trial": trial}, **host)
        yield from _samples(tags, trial, host, begin_ns)
    for number in range(1, ROUNDS + 1):
        yield from _round(tags, trial, number, begin_ns + int(number * ROUND_S) * SECOND_NS)


def _samples(tags: Mapping[str, str], trial: str, host: Mapping[str, str], begin_ns: int) -> Iterator[Point]:
    for second in range(10):
        at_ns = begin_ns + second * SECOND_NS
        for measurement in ("system", "process"):
            grown = {name: 2.0 * second for name in ("other_cpu_time_s",) if name in MEASUREMENTS[measurement].fields}
            yield _point(measurement, tags, at_ns, {"trial": trial, **grown}, **host)
        for network in (tags["iface"], "management"):
            counted = {"interface_rx_bytes": 1000 * second, "interface_tx_bytes": 2000 * second}
            yield _point("link", {**tags, "iface": network}, at_ns, {"trial": trial, **counted}, **host)


def _round(tags: Mapping[str, str], trial: str, number: int, begin_ns: int) -> Iterator[Point]:
    common: dict[str, FieldValue] = {"trial": trial, "round": number, "warmup": number == 1}
    charged: dict[str, FieldValue] = {charged_field(name): seconds for name, seconds in CHARGED.items()}
    if number % 2:
        del charged[charged_field("downlink")]
    made = _point(
        "fl_round",
        tags,
        begin_ns,
        {**common, **charged, "duration_s": ROUND_S, "complete": True, "straggler": NODES[1], "clients_ok": 2},
        node=SERVER,
        role="server",
    )
    absent = {charged_field(name) for name in (*PHASES, "residual")} - set(charged)
    kept = {name: value for name, value in made.fields.items() if name not in absent}
    yield Point(made.measurement, made.tags, made.time_ns, kept)
    for place, node in enumerate(NODES):
        yield from _messages(tags, common, node, begin_ns + place)


def _messages(tags: Mapping[str, str], common: Mapping[str, FieldValue], node: str, begin_ns: int) -> Iterator[Point]:
    client = {"node": node, "role": "client"}
    active = NETWORKS[tags["iface"]] * (10.0 if common["warmup"] else 1.0)
    for function, step in (("train", 0), ("test", 1)):
        message = {**common, "function": function, "outcome": "ok"}
        for place, phase in enumerate(PHASES):
            at_ns = begin_ns + (step * 30 + place) * SECOND_NS // 10
            yield _point("fl_phase", tags, at_ns, {**message, "duration_s": 0.25}, **client, phase=phase)
            if phase in {"uplink", "downlink"}:
                fields = {**message, "active_s": active, "bound_s": BOUNDS[tags["iface"]]}
                yield _point("fl_transfer", tags, at_ns, fields, **client, phase=phase)
