"""`RUN_DIR/live.json`: what a running campaign's controller sees now, replaced about once a second.

It is a view and never a result: nothing reads it but the live view, and it is not synced. Its size is bounded by the
plan: one entry for each planned trial, each combination of levels, each network and each client, a few last lines.
Moments are seconds of the Unix epoch on the controller's wall clock, lengths seconds.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.watch.server_view import Phase

FILE = "live.json"
VERSION = 1
KEPT_LINES = 20
LONGEST_LINE = 400


class _Document(BaseModel):
    """Unknown keys are a newer fedprobe's and are left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")  # a loss may be NaN


class Planned(_Document):
    """One planned trial: what it was estimated to take, and what lies before it (cool-down, building)."""

    name: str
    estimate_s: float
    pause_s: float = 0.0


class ClientNow(_Document):
    """One client's phase as the server sees it; `heard` is its last request."""

    node: str
    phase: Phase
    since: float | None = None
    heard: float | None = None


class TrialNow(_Document):
    """The trial that is being run. `deadline` is the end of its present state's limit; None: it has none.

    `done` rounds are over; `round` is the one that is on, `kind` the message that was sent last in it.
    """

    name: str
    attempt: int = 1
    interface: str = ""
    state: str = ""
    since: float | None = None
    deadline: float | None = None
    rounds: int = 0
    done: int = 0
    round: int = 0
    kind: str = ""
    sent: int = 0
    replied: int = 0
    errors: int = 0


class RoundSeen(_Document):
    """The last round on a network, as the server saw it: provisional."""

    interface: str
    trial: str
    number: int
    wall_s: float
    clients: int
    median_s: dict[str, float]
    longest_s: dict[str, tuple[float, str]]


class ScoreSeen(_Document):
    """The newest score of a combination of levels."""

    scenario: str
    trial: str
    round: int
    values: dict[str, float]


class Line(_Document):
    """Something that the run said."""

    at: float
    text: str


class Live(_Document):
    """The whole file. `ended`: the controller has done what it was to do, or was asked to end, and left in order."""

    version: int = VERSION
    written: float
    begun: float
    resumed: bool = False
    ended: bool = False
    doing: str = ""
    waits_until: float | None = None
    plan: list[Planned] = []
    trial: TrialNow | None = None
    clients: list[ClientNow] = []
    rounds: list[RoundSeen] = []
    scores: list[ScoreSeen] = []
    faults: list[str] = []
    said: list[Line] = []


def read_live(folder: Path) -> Live | None:
    """What the controller saw last; None where there is no such file, or none that can be read."""
    with suppress(OSError, ValidationError, UnicodeDecodeError):
        return Live.model_validate_json((folder / FILE).read_bytes())
    return None


def write_live(folder: Path, live: Live) -> bool:
    """Replace the file. Returns whether it could be: a full or absent disk must not harm the run."""
    fresh = folder / f"{FILE}.new"
    try:
        fresh.write_text(live.model_dump_json(exclude_defaults=True), encoding="utf-8", errors="backslashreplace")
        fresh.replace(folder / FILE)
    except (OSError, ValueError):
        with suppress(OSError):
            fresh.unlink()
        return False
    return True
