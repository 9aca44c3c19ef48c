"""How numbers become text for people: the only place where they do. Files and JSON keep full precision."""

from __future__ import annotations

import math

from analysis.estimators import Estimate, Ratio

NOTHING = "–"  # noqa: RUF001 (an en dash in a table cell: not measured)


def seconds(value: float | None) -> str:
    """Seconds with the digits that a reader can use: 0.0004, 0.123, 4.56, 12.3, 1234."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "unbounded"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.001 or size == 0 else f"{value:.4f}"


def duration(value: float | None) -> str:
    """A duration with its unit for running text: 43 µs, 4.3 ms, 0.123 s."""
    if value is None or not math.isfinite(value):
        return "an unbounded time"
    if abs(value) < 0.001:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1e3:.1f} ms" if abs(value) < 0.1 else f"{seconds(value)} s"


def mean_and_half_width(value: Estimate | None) -> str:
    """`2.22 ±0.21`, with the digits of the mean, or the mean alone where one group leaves no interval."""
    if value is None:
        return NOTHING
    return _with_half_width(value.mean, value.interval)


def milliseconds(value_s: float, interval_s: tuple[float, float] | None) -> str:
    """Seconds as milliseconds, `43.1 ±0.2`, or the value alone where it has no interval."""
    return _with_half_width(value_s * 1e3, interval_s and (interval_s[0] * 1e3, interval_s[1] * 1e3))


def within(value: float, interval: tuple[float, float] | None) -> str:
    """`27.6 [27.1, 28.2]` in the value's own unit, or the value alone where it has no interval."""
    if interval is None:
        return factor(value)
    ends = [factor(end) if math.isfinite(end) else "∞" for end in interval]
    return f"{factor(value)} [{ends[0]}, {ends[1]}]"


def _with_half_width(value: float, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return seconds(value)
    digits = len(seconds(value).partition(".")[2])
    return f"{seconds(value)} ±{(interval[1] - interval[0]) / 2:.{digits}f}"


def factor(value: float | None) -> str:
    """A ratio with three digits at most: 0.98, 2.02, 12.2, 133."""
    if value is None:
        return NOTHING
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def factor_with_interval(value: Ratio | None) -> str:
    """`12.2 [10.1, 14.0]`, or the ratio alone where it has no interval."""
    if value is None:
        return NOTHING
    if value.interval is None:
        return factor(value.ratio)
    return f"{factor(value.ratio)} [{factor(value.interval[0])}, {factor(value.interval[1])}]"


def percent(share: float | None) -> str:
    """A share (0..1) as per cent: 0.02 %, 1.3 %, 23 %."""
    if share is None:
        return NOTHING
    size = abs(share)
    if size == 0:
        return "0 %"
    return f"{share:.0%}".replace("%", " %") if size >= 0.1 else f"{share * 100:.{1 if size >= 0.001 else 2}f} %"


def megabytes(value: float) -> str:
    """Bytes as decimal megabytes, kilobytes below one, gigabytes from a thousand on."""
    if value >= 1e9:
        return f"{value / 1e9:.2f} GB"
    return f"{value / 1e6:.2f} MB" if value >= 1e6 else f"{value / 1e3:.1f} kB"


def bit_rate(value: float | None) -> str:
    """A rate in Mbit/s; a missing one means a switch whose clients share nothing."""
    return "not shared" if value is None else f"{value / 1e6:g} Mbit/s"


def count(number: int, noun: str) -> str:
    """`1 trial`, `3 trials`; a noun in s or y is not expected."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: list[str], *, most: int = 4) -> str:
    """`a, b and c`; what exceeds `most` is counted, not named."""
    shown = names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
