"""The condition of a trial without its place in the plan and its repetition. Pure."""

from __future__ import annotations

import re

_NAME = re.compile(r"\A\d+-(?P<scenario>.+?)(-r\d+)?(\.attempt\d+)?\Z")


def scenario_of(trial: str) -> str:
    """`5g-fast-clients4` of `007-5g-fast-clients4-r2`; a name of another form is its own."""
    found = _NAME.match(trial)
    return found["scenario"] if found else trial
