"""The values behind the figures as CSV text, one row a value, every column with its unit in its name."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from analysis.baseline import Baseline
from analysis.document import accuracy
from analysis.model import Transfer, TrialTimes
from analysis.rows import GROUP_OF, OTHER
from analysis.samples import by_interface, good_transfers, node_times
from analysis.summary import Summary

Cell = str | int | float | None
TRANSFER = ("payload_bytes", "objects", "attempts", "active_s", "stall_s", "whole_s", "bound_s", "one_host_s")
LINK = (
    "interface",
    "node",
    "up_bit_per_s",
    "down_bit_per_s",
    "idle_round_trip_median_s",
    "uploading_round_trip_median_s",
    "downloading_round_trip_median_s",
    "idle_lost_ratio",
    "path_mtu_bytes",
)


def csv_files(summary: Summary) -> dict[str, str]:
    """File names and texts; a figure without data has no file."""
    trials = summary.trials
    made = {
        "phases.csv": _text(("interface", "group", "phase", "seconds_of_an_average_round"), _phases(summary)),
        "uplink.csv": _text(("interface", "trial", "round", "node", *TRANSFER), _transfers(trials, "uplink")),
        "downlink.csv": _text(("interface", "trial", "round", "node", *TRANSFER), _transfers(trials, "downlink")),
        "clients.csv": _text(("interface", "trial", "round", "node", "measured_round_s"), _clients(trials)),
        "rounds.csv": _text(
            ("interface", "trial", "round", "complete", "wall_s", "t_r_s", "residual_share", "straggler"),
            _rounds(trials),
        ),
        "accuracy.csv": _text(("interface", "trial", "round", "source", "t_s", "metric", "value"), _scores(summary)),
    }
    if summary.baseline is not None:
        made["baseline.csv"] = _text(LINK, _links(summary.baseline))
    return {name: text for name, text in made.items() if text.count("\n") > 1}


def _phases(summary: Summary) -> Iterable[Sequence[Cell]]:
    for name, of in summary.measured.charged.items():
        for phase, seconds in of.items():
            yield name, GROUP_OF.get(phase, OTHER), phase, seconds


def _transfers(trials: Sequence[TrialTimes], direction: str) -> Iterable[Sequence[Cell]]:
    for name, placed in by_interface(trials).items():
        for _, trial in placed:
            for message, transfer in good_transfers(trial):
                if transfer.direction == direction:
                    yield name, trial.facts.name, message.round, message.node, *_values(transfer)


def _links(baseline: Baseline) -> Iterable[Sequence[Cell]]:
    for link in baseline.links:
        latencies = [link.idle, link.loaded_up, link.loaded_down]
        medians = [None if one is None else one.median_s for one in latencies]
        lost = None if link.idle is None else link.idle.lost_ratio
        yield link.network, link.node, link.up_bit_per_s, link.down_bit_per_s, *medians, lost, link.path_mtu


def _values(transfer: Transfer) -> Sequence[Cell]:
    return [getattr(transfer, name) for name in TRANSFER]


def _clients(trials: Sequence[TrialTimes]) -> Iterable[Sequence[Cell]]:
    for name, placed in by_interface(trials).items():
        for _, trial in placed:
            for reading in node_times(trial):
                yield name, trial.facts.name, reading.round, reading.node, reading.value


def _rounds(trials: Sequence[TrialTimes]) -> Iterable[Sequence[Cell]]:
    for name, placed in by_interface(trials).items():
        for _, trial in placed:
            for made in trial.rounds:
                numbers = (made.wall_s, made.t_r_s, made.residual_share)
                yield name, trial.facts.name, made.round, int(made.complete), *numbers, made.straggler


def _scores(summary: Summary) -> Iterable[Sequence[Cell]]:
    for name in summary.measured.interfaces:
        for curve in accuracy(summary.trials, name):
            for point in curve["points"]:
                where = (name, curve["trial"], point["round"], point["source"], point["t_s"])
                for metric in sorted(point.keys() - {"round", "source", "t_s"}):
                    yield *where, metric, point[metric]


def _text(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    page = StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return page.getvalue()
