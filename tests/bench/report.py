"""The figures of one run of the benchmark, held against what was promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.intervals import Estimate
from tests.bench.on_wire import WireResult
from tests.bench.record_mix import average
from tests.bench.rounds import RoundsResult
from tests.bench.table import Row, estimated

ROUND_LIMITS = (0.98, 1.02)
LEAST_PAIRS = 80
PROCESSOR_LIMIT = 1.03
HOT_PATH_US = 2.0
ADDED_BYTES = 128
REQUEST_LIMIT = 1.25  # of a bare request over loopback; over a network the difference is lost in it
HELP_LIMIT = 6.0
READER_LIMIT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that was measured."""

    rounds: RoundsResult
    wire: WireResult
    hot_path_us: Mapping[str, Estimate]
    written_per_s: Estimate
    request_ratio: Estimate
    help_ratio: float
    capture_reader: Mapping[str, float]


def rows(found: Figures) -> list[Row]:
    """The table."""
    return [*_round_rows(found.rounds), *_wire_rows(found.wire), *_hot_path_rows(found), *_small_rows(found)]


def document(found: Figures) -> dict[str, Any]:
    """The figures for a script."""
    paired, wire = found.rounds, found.wire
    return {
        "round_ratio": _plain(paired.ratio),
        "round_s": _pair(paired.wall_s),
        "round_added_ms": _plain(paired.added_wall_ms),
        "pairs": paired.ratio.n,
        "processor_ratio": _plain(paired.processor_ratio),
        "processor_s_per_round": _pair(paired.processor_s),
        "processor_s_by_role": {role: _pair(pair) for role, pair in paired.roles.items()},
        "added_processor_ms_by_role": {role: _plain(added) for role, added in paired.added_ms.items()},
        "added_bytes_per_request": _plain(wire.added_bytes),
        "idle_requests_per_s": _pair(wire.idle_per_s),
        "idle_ratio": _plain(wire.idle_ratio),
        "t_u_5g_ratio": _plain(wire.t_u_ratio),
        "t_u_5g_s": _pair(wire.t_u_s),
        "hot_path_us": {name: _plain(cost) for name, cost in found.hot_path_us.items()},
        "hot_path_us_per_record": _plain(average(found.hot_path_us, paired.records)),
        "records": dict(paired.records),
        "written_per_s": _plain(found.written_per_s),
        "request_ratio": _plain(found.request_ratio),
        "help_ratio": round(found.help_ratio, 2),
        "capture_reader": dict(found.capture_reader),
    }


def _round_rows(found: RoundsResult) -> list[Row]:
    low, high = ROUND_LIMITS
    ratio, cost = found.ratio, found.processor_ratio
    held = ratio.inside(low, high) and ratio.n >= LEAST_PAIRS
    on, off = found.wall_s
    roles = [
        estimated(f"{role}, processor ms a round: added to {1000 * found.roles[role][1]:.0f}", added, digits=1)
        for role, added in found.added_ms.items()
    ]
    return [
        estimated("round time, with / without", ratio, digits=4, limit=f"inside {low} to {high}", ok=held),
        estimated("added to a round, ms", found.added_wall_ms, digits=1),
        Row(name="round, s: with / without", value=f"{on:.3f} / {off:.3f}", n=f"{ratio.n} + {ratio.n}"),
        estimated(
            "processor time a round, with / without",
            cost,
            digits=4,
            limit=f"≤ {PROCESSOR_LIMIT}",
            ok=cost.value <= PROCESSOR_LIMIT,
        ),
        Row(
            name="processor seconds a round, all processes: with / without",
            value=f"{found.processor_s[0]:.3f} / {found.processor_s[1]:.3f}",
            n=f"{cost.n} + {cost.n}",
        ),
        *roles,
    ]


def _wire_rows(found: WireResult) -> list[Row]:
    bytes_held = found.added_bytes.value <= ADDED_BYTES
    return [
        estimated(
            "bytes added to a request and its response, on the wire",
            found.added_bytes,
            digits=1,
            limit=f"≤ {ADDED_BYTES}",
            ok=bytes_held,
        ),
        estimated("idle requests a second, with / without", found.idle_ratio, digits=4),
        Row(
            name="idle requests a second of one SuperNode: with / without",
            value=f"{found.idle_per_s[0]:.3f} / {found.idle_per_s[1]:.3f}",
        ),
        estimated("5G: t_u of a 2.9 MB model by capture, with / without", found.t_u_ratio, digits=4),
        Row(name="5G: t_u by capture, s: with / without", value=f"{found.t_u_s[0]:.3f} / {found.t_u_s[1]:.3f}"),
    ]


def _hot_path_rows(found: Figures) -> list[Row]:
    names = {
        "emit": "handing over a record, µs",
        "span": "a span: two clock readings, its record, handed over, µs",
        "rpc": "the hook around a request at its client: one record of 6 clock readings, µs",
        "rpc_asking": "the same where an object came down for a kernel tick or more: the kernel is asked when, µs",
        "serve": "the hook around a request at its server: one record of 4 clock readings and a response header, µs",
        "serve_asking": "the same where an object went up: the kernel is asked when its last bytes came, µs",
    }
    held = {"emit", "span"}
    mean = average(found.hot_path_us, found.rounds.records)
    whole = "hot path, µs a record: the mean over all that the Flower processes of those rounds wrote"
    return [
        estimated(whole, mean, digits=2, limit=f"≤ {HOT_PATH_US:g}", ok=mean.value <= HOT_PATH_US),
        *(
            estimated(
                names[name],
                cost,
                digits=2,
                limit=f"≤ {HOT_PATH_US:g}" if name in held else "",
                ok=cost.value <= HOT_PATH_US if name in held else None,
            )
            for name, cost in found.hot_path_us.items()
        ),
        estimated("records that the writer encodes and appends a second", found.written_per_s, digits=0),
    ]


def _small_rows(found: Figures) -> list[Row]:
    request, reader = found.request_ratio, found.capture_reader
    return [
        estimated(
            "2.9 MB upload over loopback, hooks at both ends / none",
            request,
            digits=4,
            limit=f"≤ {REQUEST_LIMIT}",
            ok=request.value <= REQUEST_LIMIT,
        ),
        Row(
            name="`fedprobe --help` / an empty Python program",
            value=f"{found.help_ratio:.2f}",
            limit=f"≤ {HELP_LIMIT:g}",
            ok=found.help_ratio <= HELP_LIMIT,
        ),
        Row(
            name="scapy's time for a packet / the capture reader's",
            value=f"{reader['ratio']:.1f}",
            limit=f"≥ {READER_LIMIT:g}",
            ok=reader["ratio"] >= READER_LIMIT,
        ),
        Row(
            name="the capture reader on a million packets, s: reading / finding transfers",
            value=f"{reader['read_s']:.2f} / {reader['transfers_s']:.2f}",
        ),
    ]


def _plain(found: Estimate) -> dict[str, float | int | list[float | None]]:
    ends = [None if end is None else round(end, 5) for end in (found.low, found.high)]
    return {"value": round(found.value, 5), "ci95": ends, "n": found.n}


def _pair(pair: tuple[float, float]) -> dict[str, float]:
    return {"with": round(pair[0], 4), "without": round(pair[1], 4)}
