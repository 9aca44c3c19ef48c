"""The figures for a paper: one column wide, PDF with embedded fonts, the same bytes for the same trials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.document import accuracy
from analysis.figure import log_axis
from analysis.rows import GROUP_COLOURS, grouped, interface_colours
from analysis.samples import actives
from analysis.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMN_INCHES = 3.5
STYLE: Any = {
    "font.size": 8,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.linewidth": 0.4,
    "grid.color": "#dddddd",
    "legend.fontsize": 7,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "fedprobe",
}
# without dates and versions two runs of the same trials are the same file
METADATA = {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}
MARKS = ("o", "s", "D")


def write_figures(folder: Path, summary: Summary) -> list[Path]:
    """Write each figure that this run has data for; the values behind them are in the CSV files beside."""
    draws: list[tuple[str, float, bool, Callable[[Axes], None]]] = []
    measured, trials = summary.measured, summary.trials
    if measured.charged:
        draws.append(("phases", 0.9 + 0.3 * len(measured.charged), True, lambda axes: _phases(axes, summary)))
    for side in ("uplink", "downlink"):
        values = actives(trials, side)
        if values:
            draws.append((side, 0.7 + 0.35 * len(values), False, _transfers(summary, side, values)))
    if any(accuracy(trials, name) for name in measured.interfaces):
        draws.append(("accuracy", 2.1, True, lambda axes: _accuracy(axes, summary)))
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"{name}.pdf", height, draw, legend=legend) for name, height, legend, draw in draws]


def _write(path: Path, height: float, draw: Callable[[Axes], None], *, legend: bool) -> Path:
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_INCHES, height + (0.45 if legend else 0)), layout="constrained")
        FigureCanvasPdf(figure)
        axes = figure.add_subplot()
        draw(axes)
        if legend:
            handles, labels = axes.get_legend_handles_labels()
            first = dict(zip(labels, handles, strict=True))
            figure.legend(first.values(), first.keys(), loc="outside upper left", ncols=4, handlelength=1)
        figure.savefig(path, metadata=METADATA)
    return path


def _phases(axes: Axes, summary: Summary) -> None:
    names = list(summary.measured.charged)
    left = [0.0] * len(names)
    for label, of in grouped(summary.measured).items():
        widths = [of.get(name, 0.0) for name in names]
        if any(width > 0.005 * max(left) for width in widths):
            axes.barh(names, widths, left=left, color=GROUP_COLOURS[label], label=label, height=0.62)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("seconds of an average round")


def _transfers(summary: Summary, side: str, values: dict[str, list[float]]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        colours = interface_colours(summary.measured.interfaces)
        for place, (name, seconds) in enumerate(values.items()):
            line = {"color": colours[name], "linewidth": 1}
            axes.boxplot(
                [seconds],
                positions=[place],
                widths=0.5,
                orientation="horizontal",
                whis=(0, 100),
                boxprops=line,
                medianprops=line,
                whiskerprops=line,
                capprops=line,
            )
            spread = [place + 0.14 * ((number * 7919 % 11) / 5 - 1) for number in range(len(seconds))]
            axes.plot(seconds, spread, linestyle="", marker=".", markersize=3, color=colours[name], alpha=0.6)
            bound = summary.measured.bounds.get(name, {}).get(side)
            if bound is not None:
                axes.plot([bound.mean] * 2, [place - 0.36, place + 0.36], color="black", linewidth=1.4)
        bounds = [of[side].mean for name, of in summary.measured.bounds.items() if name in values and side in of]
        every = [second for seconds in values.values() for second in seconds] + bounds
        axis = log_axis(min(every), max(every))
        axes.set_xscale("log")
        axes.set_xticks(axis["tickvals"], axis["ticktext"])
        axes.minorticks_off()
        axes.set_xlim(*(10**end for end in axis["range"]))
        axes.set_yticks(range(len(values)), list(values))
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"active {side}, seconds (bar: mean bound)")

    return draw


def _accuracy(axes: Axes, summary: Summary) -> None:
    colours = interface_colours(summary.measured.interfaces)
    for place, name in enumerate(summary.measured.interfaces):
        for curve in accuracy(summary.trials, name):
            points = [point for point in curve["points"] if curve["score"] in point]
            axes.plot(
                [point["t_s"] for point in points],
                [point[curve["score"]] for point in points],
                color=colours[name],
                marker=MARKS[place % len(MARKS)],
                markersize=3,
                linewidth=1,
                label=name,
            )
    axes.set_xlabel("seconds since the first configure")
    axes.set_ylabel("accuracy")
