"""Facts beside a slice or a span, as JSON and OTLP can say them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any


def told(values: Mapping[str, Any]) -> dict[str, Any]:
    """What can be said of these: None is left out, an error without a bound is "unbounded"."""
    return {
        name: "unbounded" if isinstance(value, float) and not isfinite(value) else value
        for name, value in values.items()
        if value is not None
    }
