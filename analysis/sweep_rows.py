"""A sweep's fits for people: the rows of its table, and the table of the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from analysis import formats
from analysis.measured import Measured
from analysis.samples import DIRECTIONS
from analysis.sweep import Coefficient, Fit, Swept
from analysis.tables import Row, Table

TITLE = "Time by size"
DEFINITIONS = ("active", "whole")
Cell = Callable[[Fit], str]
LabelledCells = tuple[str, list[str]]

MAIN: Mapping[str, Cell] = {
    "fixed, ms": lambda fit: formats.milliseconds(fit.fixed_s.value, fit.fixed_s.interval),
    "per MB, ms": lambda fit: formats.milliseconds(*_times(fit.per_byte_s, 1e6)),
    "per object, ms": lambda fit: (
        formats.NOTHING if fit.per_object_s is None else formats.milliseconds(*_times(fit.per_object_s, 1.0))
    ),
    "goodput, Mbit/s": lambda fit: (
        formats.NOTHING if (found := fit.goodput_bit_per_s) is None else formats.within(*_times(found, 1e-6))
    ),
}
QUALITY: Mapping[str, Cell] = {
    "rounds about the fit, sd, ms": lambda fit: (
        formats.NOTHING if fit.residual_sd_s is None else formats.milliseconds(fit.residual_sd_s, None)
    ),
    "variance explained, R²": lambda fit: formats.NOTHING if fit.r_squared is None else f"{fit.r_squared:.4f}",
}


def sweep_rows(measured: Measured, cells: Mapping[str, Cell]) -> Iterator[tuple[str, Sequence[LabelledCells]]]:
    """Direction and definition of each fit, with its rows: a label, and a cell for each interface."""
    for side in DIRECTIONS:
        swept = [sides.get(side) for sides in measured.sweep.values()]
        for definition in DEFINITIONS:
            fits = [_fit(of, definition) for of in swept]
            if any(fits):
                rows = [
                    (label, [cell(fit) if fit else formats.NOTHING for fit in fits]) for label, cell in cells.items()
                ]
                yield f"{side}, {definition}", rows


def counts(measured: Measured) -> Iterator[LabelledCells]:
    """How many transfers and rounds each direction's fits are made from."""
    for side in DIRECTIONS:
        swept = [sides.get(side) for sides in measured.sweep.values()]
        if any(of and of.active for of in swept):
            yield f"{side}s / rounds", [f"{of.n} / {of.rounds}" if of else formats.NOTHING for of in swept]


def refusals(measured: Measured) -> Iterator[str]:
    """A sentence for each reason why there is no fit, with the directions and interfaces it holds for."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, sides in measured.sweep.items():
        for side, swept in sides.items():
            if swept.reason:
                found[side, swept.reason].append(name)
    for (side, reason), names in found.items():
        yield f"No fit of the {side} on {formats.listed(names)}: {reason}"


def sweep_table(measured: Measured) -> Table:
    """The page's table of fits; without rows where nothing was swept."""
    rows = [
        Row(cells=[f"{title}: {label}", *cells], look="rule" if place == 0 else "")
        for title, block in sweep_rows(measured, {**MAIN, **QUALITY})
        for place, (label, cells) in enumerate(block)
    ]
    rows += [Row(cells=[label, *cells], look="soft") for label, cells in counts(measured)]
    reasons = list(refusals(measured))
    if reasons and not rows:
        rows = [Row(cells=["fits", *[formats.NOTHING] * len(measured.sweep)])]
    return Table(
        name="sweep",
        title=TITLE,
        note="Least squares over rounds: time = fixed + per byte x bytes + per object x objects, with 95 % t "
        "intervals over rounds. Goodput is 8 / (time per byte): what a client got, the fixed costs taken out, while "
        "the others of its round sent too.",
        after=" ".join(reasons),
        head=["", *measured.sweep],
        rows=rows,
        numbers=range(1, len(measured.sweep) + 1),
        front=True,
    )


def _fit(swept: Swept | None, definition: str) -> Fit | None:
    if swept is None:
        return None
    return swept.active if definition == "active" else swept.whole


def _times(made: Coefficient, factor: float) -> tuple[float, tuple[float, float] | None]:
    return made.value * factor, made.interval and (made.interval[0] * factor, made.interval[1] * factor)
