"""The figure that holds transfers against their links: the goodput of each beside what its link carried alone."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from analysis import formats
from analysis.baseline import Baseline, goodputs
from analysis.figure import INK, Figure, log_axis
from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.rows import interface_colours


def baseline_figure(baseline: Baseline | None, measured: Measured, trials: Sequence[TrialTimes]) -> Figure | None:
    """A row for each network and direction: a dot for each transfer, an upright bar for each node's link alone."""
    found = goodputs(baseline, trials) if baseline is not None else []
    if baseline is None or not found:
        return None
    networks = list(dict.fromkeys(network for network, _, _ in found))
    colours = interface_colours(measured.interfaces)
    rows = {(network, direction): f"{network} {direction}" for network, direction, _ in found}
    rates = {
        place: [rate for link in baseline.of(place[0]) if (rate := link.rate(place[1])) is not None] for place in rows
    }
    boxes = [
        {
            "type": "box",
            "orientation": "h",
            "name": rows[network, direction],
            "x": [goodput / 1e6 for goodput, _ in pairs],
            "y": [rows[network, direction]] * len(pairs),
            "boxpoints": "all",
            "jitter": 0.5,
            "pointpos": 0,
            "whiskerwidth": 0.4,
            "fillcolor": "rgba(0,0,0,0)",
            "line": {"color": colours[network], "width": 1.5},
            "marker": {"color": colours[network], "size": 5, "opacity": 0.55},
            "hovertemplate": "%{x:.2f} Mbit/s<extra>%{y}</extra>",
        }
        for network, direction, pairs in found
    ]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": "link alone",
        "x": [rate / 1e6 for place in rows for rate in rates[place]],
        "y": [rows[place] for place in rows for _ in rates[place]],
        "marker": {"symbol": "line-ns-open", "size": 26, "color": INK, "line": {"width": 2.5, "color": INK}},
        "hovertemplate": "link alone, by iperf3: %{x:.2f} Mbit/s<extra>%{y}</extra>",
    }
    every = [goodput / 1e6 for _, _, pairs in found for pair in pairs for goodput in pair]
    words = "; ".join(
        f"{rows[network, direction]}: median {_median_mbit([goodput for goodput, _ in pairs])} Mbit/s, "
        f"link alone {_median_mbit(rates[network, direction])} Mbit/s, n = {len(pairs)}"
        for network, direction, pairs in found
    )
    return Figure(
        name="baseline",
        title="Transfers beside what their links carry alone",
        caption="A dot for each transfer: payload over the time with bytes under way. An upright bar for each node's "
        "link: what iperf3 carried over it before the campaign, with the link to itself. The axis is logarithmic. "
        "Clients that transfer at once share a cell, so their dots lie left of the bars.",
        words=f"Box plot of goodput in Mbit/s, logarithmic. {words}.",
        height=90 + 48 * len(rows),
        key=[*[(colours[name], name) for name in networks], (INK, "link alone")],
        traces=[*boxes, marks],
        layout={
            "xaxis": {"title": {"text": "goodput, Mbit/s"}, **log_axis(min(every), max(every))},
            "yaxis": {"autorange": "reversed"},
        },
    )


def _median_mbit(rates_bit_per_s: Sequence[float]) -> str:
    return formats.factor(statistics.median(rates_bit_per_s) / 1e6)
