"""A sweep's fits for scripts: what `sweep` of the report's document holds."""

from __future__ import annotations

import math
from typing import Any

from analysis.measured import Measured
from analysis.sweep import Coefficient, Fit, Swept


def sweep_json(measured: Measured) -> dict[str, Any]:
    """`sweep.<interface>.<direction>`; an end of an interval that is not finite is null."""
    return {
        name: {side: _swept_json(swept) for side, swept in sides.items()} for name, sides in measured.sweep.items()
    }


def _swept_json(swept: Swept) -> dict[str, Any]:
    return {
        "n": swept.n,
        "rounds": swept.rounds,
        "payload_bytes": list(swept.payload_bytes),
        "objects": list(swept.objects),
        "reason": swept.reason,
        "active": _fit_json(swept.active),
        "whole": _fit_json(swept.whole),
    }


def _fit_json(fit: Fit | None) -> dict[str, Any] | None:
    if fit is None:
        return None
    coefficients = ("fixed_s", "per_byte_s", "per_object_s", "goodput_bit_per_s")
    return {
        **{name: _coefficient_json(getattr(fit, name)) for name in coefficients},
        "residual_sd_s": fit.residual_sd_s,
        "r_squared": fit.r_squared,
        "rounds": fit.points,
    }


def _coefficient_json(made: Coefficient | None) -> dict[str, Any] | None:
    if made is None:
        return None
    ends = made.interval and [end if math.isfinite(end) else None for end in made.interval]
    return {"value": made.value, "ci95": ends}
