"""The report's figures as data for plotly.js: plain lists, labels with units, and words for who cannot see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis import formats
from analysis.baseline_figure import baseline_figure
from analysis.document import accuracy
from analysis.figure import INK, MARKS, PAPER, Figure
from analysis.gantt import gantt_rounds
from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.rows import GROUP_COLOURS, grouped, interface_colours
from analysis.samples import DIRECTIONS
from analysis.summary import Summary
from analysis.transfer_figures import clients_figure, transfer_figure


def figures(summary: Summary) -> list[Figure]:
    """The figures that this run has data for, in the order of the page."""
    measured, trials = summary.measured, summary.trials
    made = [
        phases_figure(measured),
        *(transfer_figure(measured, trials, side) for side in DIRECTIONS),
        baseline_figure(summary.baseline, measured, trials),
        clients_figure(measured, trials),
        timeline_figure(trials),
        accuracy_figure(measured, trials),
    ]
    return [figure for figure in made if figure is not None]


def phases_figure(measured: Measured) -> Figure | None:
    """Seconds of an average round along the critical path, stacked, a bar for each interface."""
    if not measured.charged:
        return None
    names = list(measured.charged)
    walls = {name: sum(of.values()) for name, of in measured.charged.items()}
    stacks = grouped(measured)
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": label,
            "y": names,
            "x": [of.get(name, 0.0) for name in names],
            "text": [
                formats.seconds(of.get(name, 0.0)) if of.get(name, 0.0) > 0.06 * max(walls.values()) else ""
                for name in names
            ],
            "textposition": "inside",
            "insidetextanchor": "middle",
            "textangle": 0,
            "marker": {"color": GROUP_COLOURS[label], "line": {"width": 1, "color": PAPER}},
            "hovertemplate": f"{label}: %{{x:.3f}} s<extra>%{{y}}</extra>",
        }
        for label, of in stacks.items()
        if any(of.values())
    ]
    uplinks = {name: formats.percent(measured.share(name).get("uplink")) for name in names}
    words = "; ".join(f"{name}: {formats.seconds(walls[name])} s, of it uplink {uplinks[name]}" for name in names)
    return Figure(
        name="phases",
        title="An average round, by what it waited for",
        caption="Every instant of a round is charged to the one phase that its critical path waited for, so the "
        "parts sum to the wall time. The network stands at the baseline, where lengths compare best.",
        words=f"Stacked bars, seconds of an average round. {words}.",
        height=90 + 62 * len(names),
        key=[(GROUP_COLOURS[str(trace["name"])], str(trace["name"])) for trace in traces],
        traces=traces,
        layout={
            "barmode": "stack",
            "bargap": 0.35,
            "uniformtext": {"mode": "hide", "minsize": 10},
            "xaxis": {"title": {"text": "seconds of an average round"}, "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed"},
        },
    )


def timeline_figure(trials: Sequence[TrialTimes]) -> Figure | None:
    """One round at a time: what every client and the server did, and what the critical path was charged to."""
    rounds = gantt_rounds(trials)
    if not rounds:
        return None
    rows = max(len(of["rows"]) for of in rounds)
    shown = [label for label in GROUP_COLOURS if any(label in of["bars"] for of in rounds)]
    return Figure(
        name="timeline",
        title="One round, from first configure to last aggregate",
        caption="Raw intervals, overlaps included; pale uplinks and downlinks are whole transfers, full ones the "
        "stretches with bytes under way. The first row is what the round was charged to.",
        words="Timeline of one round: a row for the critical path, one for the server, one for each client. "
        + "; ".join(f"{of['label']}: {formats.seconds(of['wall_s'])} s" for of in rounds)
        + ".",
        height=110 + 30 * rows,
        key=[(GROUP_COLOURS[label], label) for label in shown],
        rounds=rounds,
        layout={
            "barmode": "overlay",
            "bargap": 0.25,
            "xaxis": {"title": {"text": "seconds since the round's first configure"}, "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed", "showgrid": False},
        },
    )


def accuracy_figure(measured: Measured, trials: Sequence[TrialTimes]) -> Figure | None:
    """Accuracy over seconds since the first configure, a line for each trial."""
    colours, traces, last = interface_colours(measured.interfaces), [], {}
    for place, name in enumerate(measured.interfaces):
        for curve in accuracy(trials, name):
            points = [point for point in curve["points"] if curve["score"] in point]
            if not points:
                continue
            last[name] = points[-1]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": name,
                    "x": [point["t_s"] for point in points],
                    "y": [point[curve["score"]] for point in points],
                    "text": [f"round {point['round']}" for point in points],
                    "line": {"color": colours[name], "width": 2},
                    "marker": {
                        "color": colours[name],
                        "size": 7,
                        "symbol": MARKS[place % len(MARKS)],
                    },
                    "hovertemplate": "%{text}: %{y:.3f} at %{x:.1f} s<extra>" + str(curve["trial"]) + "</extra>",
                }
            )
    if not traces:
        return None
    words = "; ".join(
        f"{name}: round {of['round']} after {formats.seconds(of['t_s'])} s" for name, of in last.items()
    )
    target = _target_line(measured)
    return Figure(
        name="accuracy",
        title="Accuracy over time",
        caption="The same rounds, stretched by the network: marks are rounds, seconds count from the trial's first "
        f"configure.{' The dotted line is the target.' if target else ''}",
        words=f"Lines of accuracy over seconds. Last point: {words}.",
        height=320,
        key=[(colours[name], name) for name in last],
        traces=traces,
        layout={
            "xaxis": {"title": {"text": "seconds since the first configure"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "accuracy, share of correct answers"}},
            **target,
        },
    )


def _target_line(measured: Measured) -> dict[str, Any]:
    """The accuracy that the campaign named as its target, across the plot."""
    targets = dict.fromkeys(of.rule.target_accuracy for of in measured.convergence.values())
    dashed = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": {"color": INK, "width": 1, "dash": "dot"}}
    lines = [{**dashed, "y0": target, "y1": target} for target in targets if target is not None]
    return {"shapes": lines} if lines else {}
