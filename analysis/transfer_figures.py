"""The figures of transfers and of clients: distributions with their bound, and each client's measured round."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import formats
from analysis.figure import GRID, INK, MARKS, Figure, log_axis
from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.rows import interface_colours
from analysis.samples import actives, by_interface, natural, node_times


def transfer_figure(measured: Measured, trials: Sequence[TrialTimes], direction: str) -> Figure | None:
    """Active times of every transfer of one direction by interface, with the mean of their fluid bounds."""
    colours, values = interface_colours(measured.interfaces), actives(trials, direction)
    names = [name for name in measured.interfaces if values.get(name)]
    if not names:
        return None
    bounds = {
        name: measured.bounds[name][direction].mean for name in names if direction in measured.bounds.get(name, {})
    }
    boxes = [
        {
            "type": "box",
            "orientation": "h",
            "name": name,
            "x": values[name],
            "y": [name] * len(values[name]),
            "boxpoints": "all",
            "jitter": 0.5,
            "pointpos": 0,
            "whiskerwidth": 0.4,
            "fillcolor": "rgba(0,0,0,0)",
            "line": {"color": colours[name], "width": 1.5},
            "marker": {"color": colours[name], "size": 5, "opacity": 0.55},
            "hovertemplate": "%{x:.4f} s<extra>%{y}</extra>",
        }
        for name in names
    ]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": "fluid bound",
        "x": list(bounds.values()),
        "y": list(bounds),
        "marker": {"symbol": "line-ns-open", "size": 34, "color": INK, "line": {"width": 2.5, "color": INK}},
        "hovertemplate": "fluid bound, mean: %{x:.4f} s<extra>%{y}</extra>",
    }
    every = [value for name in names for value in values[name]] + list(bounds.values())
    words = "; ".join(_transfer_words(measured, name, direction, bounds.get(name)) for name in names)
    return Figure(
        name=direction,
        title=f"{direction.capitalize()}: time with bytes under way",
        caption="A dot for each transfer, a box for the quartiles"
        + (", an upright bar for the mean fluid bound." if bounds else ".")
        + " The axis is logarithmic. A transfer's own bound depends on who shares the link with it, so a dot may lie "
        "left of the mean.",
        words=f"Box plot of active {direction} times in seconds, logarithmic. {words}.",
        height=70 + 72 * len(names),
        key=[(colours[name], name) for name in names] + ([(INK, "fluid bound")] if bounds else []),
        traces=[*boxes, marks] if bounds else boxes,
        layout={
            "xaxis": {"title": {"text": f"active {direction}, seconds"}, **log_axis(min(every), max(every))},
            "yaxis": {"autorange": "reversed"},
        },
        half=True,
    )


def clients_figure(measured: Measured, trials: Sequence[TrialTimes]) -> Figure | None:
    """Each client's measured round: mean, least and most over the rounds, by interface."""
    colours = interface_colours(measured.interfaces)
    found = {name: _by_node(placed) for name, placed in by_interface(trials).items()}
    nodes = sorted({node for of in found.values() for node in of}, key=natural)
    if not nodes:
        return None
    names = [name for name in measured.interfaces if found.get(name)]
    step = 0.7 / max(1, len(names))
    traces = []
    for place, name in enumerate(names):
        of = {node: values for node, values in found[name].items() if values}
        means = [sum(values) / len(values) for values in of.values()]
        counts = measured.stragglers[name].counts if name in measured.stragglers else {}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": means,
                "y": [nodes.index(node) + (place - (len(names) - 1) / 2) * step for node in of],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [max(values) - mean for values, mean in zip(of.values(), means, strict=True)],
                    "arrayminus": [mean - min(values) for values, mean in zip(of.values(), means, strict=True)],
                    "color": colours[name],
                    "thickness": 1.5,
                    "width": 3,
                },
                "marker": {"color": colours[name], "size": 8, "symbol": MARKS[place % len(MARKS)]},
                "text": [f"{node}, straggler of {counts.get(node, 0)} rounds" for node in of],
                "hovertemplate": "%{text}<br>mean %{x:.3f} s<extra>" + name + "</extra>",
            }
        )
    return Figure(
        name="clients",
        title="Each client's measured round",
        caption="Download, train, evaluate and upload of each client: mean over rounds, with the shortest and the "
        "longest. The largest of a round is its t_r.",
        words="Mean measured round of each client in seconds. " + _straggler_words(measured),
        height=90 + max(2, len(nodes)) * (18 + 13 * len(names)),
        key=[(colours[name], name) for name in names],
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "measured round, seconds"}, "rangemode": "tozero"},
            "yaxis": {
                "tickvals": list(range(len(nodes))),
                "ticktext": nodes,
                "range": [len(nodes) - 0.4, -0.6],
                "zeroline": False,
                "showgrid": False,
            },
            "shapes": [
                {
                    "type": "line",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    "y0": place + 0.5,
                    "y1": place + 0.5,
                    "line": {"width": 1, "color": GRID},
                }
                for place in range(len(nodes) - 1)
            ],
        },
    )


def _by_node(placed: Sequence[tuple[int, TrialTimes]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for _, trial in placed:
        for reading in node_times(trial):
            found.setdefault(reading.node, []).append(reading.value)
    return dict(sorted(found.items()))


def _transfer_words(measured: Measured, name: str, direction: str, bound: float | None) -> str:
    made = measured.phases[name][f"{direction}_active"]
    words = f"{name}: median {formats.duration(made.median)}, n = {made.n}"
    return words if bound is None else f"{words}, bound {formats.duration(bound)}"


def _straggler_words(measured: Measured) -> str:
    found = []
    for name, of in measured.stragglers.items():
        node, share = of.most
        found.append(f"{name}: most often the straggler is {node}, in {formats.percent(share)} of rounds")
    return "; ".join(found) + "." if found else "No straggler is known."
