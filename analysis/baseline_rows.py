"""The rows in which the terminal and the page tell of the link baseline: a median over the nodes of each network."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from analysis import formats
from analysis.baseline import Baseline, Held, Latency, Link, held
from analysis.model import TrialTimes
from analysis.samples import DIRECTIONS
from analysis.tables import Row, Table

TITLE = "What the links can do alone"


def baseline_rows(baseline: Baseline, trials: Sequence[TrialTimes]) -> list[tuple[str, list[str]]]:
    """A label and a cell for each network."""
    found = held(baseline, trials)
    rows = []
    for direction in DIRECTIONS:
        rows.append((f"{direction} alone, Mbit/s", _cells(baseline, _rate_of(direction), _mbit)))
        beside = [found.get(network, {}).get(direction) for network in baseline.networks]
        if any(beside):
            rows.append(("  its transfers, Mbit/s", [_goodput(one) for one in beside]))
            rows.append(("  their time over alone", [_over(one) for one in beside]))
    for label, latency_of in _LATENCIES:
        rows.append((f"round trip {label}, ms", _cells(baseline, _median_of(latency_of), _milliseconds)))
    rows.append(("lost of idle pings", [_lost(baseline.of(network)) for network in baseline.networks]))
    rows.append(("path MTU", [_mtu(baseline.of(network)) for network in baseline.networks]))
    return rows


_LATENCIES: Sequence[tuple[str, Callable[[Link], Latency | None]]] = (
    ("idle", lambda link: link.idle),
    ("uploading", lambda link: link.loaded_up),
    ("downloading", lambda link: link.loaded_down),
)


def baseline_tables(baseline: Baseline, trials: Sequence[TrialTimes]) -> list[Table]:
    """By network with the transfers beside it, then every link."""
    moved = ", ".join(f"{formats.megabytes(size)} on {network}" for network, size in baseline.moved_bytes.items())
    load_s, per_s = baseline.plan.get("load_s", 0), baseline.plan.get("pings_per_s", 0)
    note = (
        f"Before the first trial, one link at a time: iperf3 over TCP for {load_s:g} s each way, after a second that "
        f"is not counted; echo requests, {per_s:g} a second, on the idle link and again while it was full. "
        "Medians over the nodes. Below a rate the transfers of this run: their goodput, and their active time over "
        "what their payload takes alone at that rate. Several clients at once share a link that was measured alone."
    )
    ruled = {f"{direction} alone, Mbit/s" for direction in DIRECTIONS} | {"round trip idle, ms"}
    by_network = Table(
        name="baseline",
        title=TITLE,
        note=note,
        after=f"The baseline moved {moved}." if moved else "",
        head=["", *baseline.networks],
        rows=[
            Row(
                cells=[label.strip(), *cells],
                look="soft" if label.startswith(" ") else "rule" if label in ruled else "",
            )
            for label, cells in baseline_rows(baseline, trials)
        ],
        numbers=range(1, 1 + len(baseline.networks)),
    )
    each = Table(
        name="links",
        title="Each link alone",
        note="Round trips are medians, in brackets the 95th percentile; lost: of all echo requests, also under load.",
        head=[
            "network",
            "node",
            "up, Mbit/s",
            "down, Mbit/s",
            *[f"{label}, ms" for label, _ in _LATENCIES],
            "lost",
            "MTU",
        ],
        rows=[Row(cells=_link_cells(link)) for link in baseline.links],
        numbers=range(2, 9),
    )
    return [table for table in (by_network, each) if baseline.links]


def _link_cells(link: Link) -> list[str]:
    latencies = [latency_of(link) for _, latency_of in _LATENCIES]
    return [
        link.network,
        link.node,
        _mbit(link.up_bit_per_s),
        _mbit(link.down_bit_per_s),
        *[_with_p95(one) for one in latencies],
        _lost_of([one for one in latencies if one is not None]),
        formats.NOTHING if link.path_mtu is None else str(link.path_mtu),
    ]


def _cells(
    baseline: Baseline, value: Callable[[Link], float | None], words: Callable[[float | None], str]
) -> list[str]:
    found = []
    for network in baseline.networks:
        known = [one for link in baseline.of(network) if (one := value(link)) is not None]
        found.append(words(statistics.median(known) if known else None))
    return found


def _rate_of(direction: str) -> Callable[[Link], float | None]:
    return lambda link: link.rate(direction)


def _median_of(latency_of: Callable[[Link], Latency | None]) -> Callable[[Link], float | None]:
    def value(link: Link) -> float | None:
        latency = latency_of(link)
        return None if latency is None else latency.median_s

    return value


def _goodput(one: Held | None) -> str:
    return formats.NOTHING if one is None else _mbit(one.goodput_bit_per_s)


def _over(one: Held | None) -> str:
    return formats.factor(None if one is None else one.over_alone)


def _mbit(bit_per_s: float | None) -> str:
    return formats.factor(None if bit_per_s is None else bit_per_s / 1e6)


def _milliseconds(value_s: float | None) -> str:
    return formats.NOTHING if value_s is None else formats.milliseconds(value_s, None)


def _with_p95(latency: Latency | None) -> str:
    if latency is None or latency.median_s is None or latency.p95_s is None:
        return formats.NOTHING
    return f"{_milliseconds(latency.median_s)} ({_milliseconds(latency.p95_s)})"


def _lost(links: Sequence[Link]) -> str:
    return _lost_of([link.idle for link in links if link.idle is not None])


def _lost_of(latencies: Sequence[Latency]) -> str:
    sent = sum(one.sent for one in latencies)
    lost = sum(round(one.lost_ratio * one.sent) for one in latencies)
    return f"{lost} of {sent}" if sent else formats.NOTHING


def _mtu(links: Sequence[Link]) -> str:
    found = sorted({link.path_mtu for link in links if link.path_mtu is not None})
    return formats.listed([str(size) for size in found]) if found else formats.NOTHING
