"""Did what was measured wait for a core? Then its figures are the machine's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.formats import duration, listed, percent
from analysis.measured import Measured, Starved
from analysis.model import TrialTimes
from analysis.samples import DIRECTIONS
from analysis.verdicts import Verdict

STARVED_SHARE = 0.1
STARVED_S = 0.005  # on the average: less is no matter, however short the phase
MOST_NAMED = 4
# what networks and devices are compared by
COMPARED = ("uplink", "downlink", "train", "test", "validate")


def starved_phases(measured: Measured, interface: str) -> dict[str, Starved]:
    """The phases of one interface that waited for a core for long, the most starved first.

    A transfer that its network paces waits in passing: of its wait at most what it took beyond its bound counts.
    """
    found = measured.starvation.get(interface, {})
    starved = {
        phase: of
        for phase, of in found.items()
        if min(of.share, _cost_limit(measured, interface, phase)) > STARVED_SHARE and of.mean_s > STARVED_S
    }
    return dict(sorted(starved.items(), key=lambda item: -item[1].share))


def _cost_limit(measured: Measured, interface: str, phase: str) -> float:
    """The largest share of a phase that anything but its network can have cost; 1 where it has no bound."""
    bound = measured.bounds.get(interface, {}).get(phase)
    whole = measured.phases.get(interface, {}).get(phase)
    return 1.0 if bound is None or whole is None or not whole.mean else 1 - bound.mean / whole.mean


def starved_transfers(measured: Measured, interface: str) -> list[str]:
    """The directions of one interface whose transfers waited for a core for long."""
    return [side for side in DIRECTIONS if side in starved_phases(measured, interface)]


def cpu_starved(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Phases that waited for a core for over a tenth of their time: graver where networks are compared by them."""
    parts, compared = [], False
    for name in measured.interfaces:
        found = starved_phases(measured, name)
        if found:
            compared = compared or any(phase in COMPARED for phase in found)
            parts.append(f"{name}: {_named(found)}")
    if parts:
        yield Verdict(
            severity="warn" if compared else "info",
            rule="cpu_starved",
            finding=f"phases waited for a core for over {percent(STARVED_SHARE)} of their time: {'; '.join(parts)}.",
            next_step="Run fewer clients on a machine, or give them cores or hosts of their own; until then compare "
            "these phases with nothing measured elsewhere.",
        )


def _named(found: dict[str, Starved]) -> str:
    """Those that are compared first, then the most starved: of many only the first few are named."""
    order = sorted(found, key=lambda phase: COMPARED.index(phase) if phase in COMPARED else len(COMPARED))
    words = [
        f"{phase} {'about ' if found[phase].estimated else ''}{percent(found[phase].share)} "
        f"({duration(found[phase].mean_s)})"
        for phase in order
    ]
    return listed(words, most=MOST_NAMED)


RULES = (cpu_starved,)
