"""What the links could do by themselves before a campaign (RUN_DIR/baseline.json), and its transfers held against it.

The link's rate is what iperf3 carried over TCP with nothing else on the link; a transfer's goodput is its payload
over the time with bytes under way. Both are payload of TCP, so at best they are equal; transfers share their link
with those of other clients, and the link baseline had it alone.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.formats import count, listed
from analysis.model import TrialTimes
from analysis.samples import DIRECTIONS, by_interface, good_transfers, interface_order, natural
from analysis.verdicts import SEVERITIES, Verdict

if TYPE_CHECKING:
    from analysis.summary import Summary

FILE = "baseline.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Round trips of echo requests in seconds, None where none was answered; `lost_ratio` of `sent`, 0 to 1."""

    sent: int
    lost_ratio: float
    min_s: float | None
    median_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One node's link on one network; None is what was not measured. Rates are of TCP payload, by its receiver."""

    network: str
    node: str
    up_bit_per_s: float | None
    down_bit_per_s: float | None
    idle: Latency | None
    loaded_up: Latency | None
    loaded_down: Latency | None
    path_mtu: int | None
    problems: Sequence[str] = ()

    def rate(self, direction: str) -> float | None:
        """Of "uplink" or "downlink", in bit/s."""
        return self.up_bit_per_s if direction == "uplink" else self.down_bit_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The links in the order of networks and nodes; `plan` and `moved_bytes` (by network) as the file has them."""

    links: Sequence[Link]
    plan: Mapping[str, float] = field(default_factory=dict)
    moved_bytes: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[str] = ()

    @property
    def networks(self) -> list[str]:
        """Those that were measured, in the order of every table."""
        return list(dict.fromkeys(link.network for link in self.links))

    def of(self, network: str) -> list[Link]:
        """The links of a network."""
        return [link for link in self.links if link.network == network]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Transfers of one direction and network against their links.

    `over_alone` is the median of a transfer's active time over what its payload takes at its node's rate alone.
    """

    link_bit_per_s: float
    goodput_bit_per_s: float
    over_alone: float
    n: int


def read_baseline(run: Path) -> Baseline | None:
    """The link baseline of a run folder; None where none was asked for."""
    try:
        body = json.loads((run / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return Baseline(links=(), problems=(f"{FILE} cannot be read: {error}",))
    try:
        if body["schema"] != SCHEMA:
            raise ValueError(f"it has schema {body['schema']}, here is {SCHEMA}")
        links = [_link(entry) for entry in body["links"]]
        plan, moved = dict(body["plan"]), dict(body["moved_bytes"])
    except (KeyError, TypeError, ValueError) as error:
        return Baseline(links=(), problems=(f"{FILE} is not a link baseline of this version: {error}",))
    links.sort(key=lambda link: (interface_order(link.network), natural(link.node)))
    return Baseline(links=links, plan=plan, moved_bytes=moved)


def _link(entry: Mapping[str, Any]) -> Link:
    return Link(
        network=entry["network"],
        node=entry["node"],
        up_bit_per_s=entry["up"] and float(entry["up"]["bit_per_s"]),
        down_bit_per_s=entry["down"] and float(entry["down"]["bit_per_s"]),
        idle=_latency(entry["latency_idle"]),
        loaded_up=_latency(entry["latency_up"]),
        loaded_down=_latency(entry["latency_down"]),
        path_mtu=entry["path_mtu"],
        problems=tuple(entry["problems"]),
    )


def _latency(entry: Mapping[str, Any] | None) -> Latency | None:
    return None if entry is None else Latency(**{item.name: entry[item.name] for item in fields(Latency)})


def held(baseline: Baseline, trials: Sequence[TrialTimes]) -> dict[str, dict[str, Held]]:
    """By network and direction, where both a link's rate and transfers over it are known."""
    found: dict[str, dict[str, Held]] = {}
    for network, direction, pairs in goodputs(baseline, trials):
        rates = [rate for link in baseline.of(network) if (rate := link.rate(direction))]
        found.setdefault(network, {})[direction] = Held(
            link_bit_per_s=statistics.median(rates),
            goodput_bit_per_s=statistics.median(goodput for goodput, _ in pairs),
            over_alone=statistics.median(rate / goodput for goodput, rate in pairs),
            n=len(pairs),
        )
    return found


def goodputs(baseline: Baseline, trials: Sequence[TrialTimes]) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """Network, direction, and for each transfer its goodput and its node's rate alone, both in bit/s."""
    found = []
    for network, placed in by_interface(trials).items():
        links = {link.node: link for link in baseline.of(network)}
        for direction in DIRECTIONS:
            pairs = [
                (transfer.payload_bytes * 8 / transfer.active_s, rate)
                for _, trial in placed
                for message, transfer in good_transfers(trial)
                if transfer.direction == direction and transfer.active_s > 0 and transfer.payload_bytes
                if (link := links.get(_host(message.node))) and (rate := link.rate(direction))
            ]
            if pairs:
                found.append((network, direction, pairs))
    return found


def _host(node: str) -> str:
    """The host of a node's name, which several SuperNodes on one host extend."""
    return node.partition("/")[0]


def with_baseline(summary: Summary, baseline: Baseline | None) -> Summary:
    """The summary of a run with its link baseline; what could not be measured of it is a verdict."""
    if baseline is None:
        return summary
    problems = [*baseline.problems, *(problem for link in baseline.links for problem in link.problems)]
    if not problems:
        return replace(summary, baseline=baseline)
    verdict = Verdict(
        severity="warn",
        rule="baseline_incomplete",
        finding=f"the link baseline is not whole: {count(len(problems), 'problem')}: {listed(problems, most=2)}.",
        next_step="Every other number stands. Do what it says, and measure the links again with the next campaign.",
    )
    verdicts = sorted([*summary.verdicts, verdict], key=lambda one: SEVERITIES.index(one.severity))
    return replace(summary, baseline=baseline, verdicts=verdicts)


def baseline_json(baseline: Baseline | None, trials: Sequence[TrialTimes]) -> dict[str, Any] | None:
    """The part of `fedprobe report --json` about the links: each of them, and the transfers held against them."""
    if baseline is None:
        return None
    return {
        "plan": dict(baseline.plan),
        "moved_bytes": dict(baseline.moved_bytes),
        "links": [asdict(link) for link in baseline.links],
        "transfers": {
            network: {direction: asdict(one) for direction, one in of.items()}
            for network, of in held(baseline, trials).items()
        },
    }
