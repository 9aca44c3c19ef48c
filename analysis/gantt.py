"""The timeline's data: of each interface the typical, the slowest and the fastest round, as bars in rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from analysis.model import Interval, MessageTimes, RoundTimes, TrialTimes
from analysis.rows import GROUP_OF, OTHER
from analysis.samples import by_interface, natural

PATH_ROW, SERVER_ROW = "critical path", "server"
_SERVER_PHASES = ("configure", "publish", "aggregate", "evaluate_server")
MOST_ROWS = 60


def gantt_rounds(trials: Sequence[TrialTimes]) -> list[dict[str, Any]]:
    """Typical rounds of every interface first, then the slowest and the fastest."""
    found: list[tuple[int, dict[str, Any]]] = []
    for name, placed in by_interface(trials).items():
        rounds = [(trial, made) for _, trial in placed for made in trial.rounds if made.complete]
        for rank, (word, (trial, made)) in enumerate(_chosen(rounds)):
            found.append(
                (rank, _drawn(trial, made, f"{name}, {word} round ({trial.facts.name}, round {made.round})"))
            )
    return [drawn for _, drawn in sorted(found, key=lambda item: item[0])]


def _chosen(rounds: Sequence[tuple[TrialTimes, RoundTimes]]) -> list[tuple[str, tuple[TrialTimes, RoundTimes]]]:
    ordered = sorted(rounds, key=lambda item: item[1].wall_s)
    if not ordered:
        return []
    chosen = [("typical", ordered[(len(ordered) - 1) // 2])]
    if len(ordered) > 1:
        chosen.append(("slowest", ordered[-1]))
    if len(ordered) > 2:
        chosen.append(("fastest", ordered[0]))
    return chosen


def _drawn(trial: TrialTimes, made: RoundTimes, label: str) -> dict[str, Any]:
    messages = [message for message in trial.messages if message.round == made.round]
    nodes = sorted({message.node for message in messages}, key=natural)[:MOST_ROWS]
    start = made.interval.start_ns
    bars: dict[str, dict[str, list[Any]]] = {}
    for charge in made.charges:
        _add(bars, PATH_ROW, charge.phase, charge.interval, start)
    for phase, interval in _server_intervals(messages):
        _add(bars, SERVER_ROW, phase, interval, start)
    for message in messages:
        if message.node in nodes:
            _add_message(bars, message, start)
    return {"label": label, "wall_s": made.wall_s, "rows": [PATH_ROW, SERVER_ROW, *nodes], "bars": bars}


def _add_message(bars: dict[str, dict[str, list[Any]]], message: MessageTimes, start: int) -> None:
    for phase, interval in message.intervals.items():
        if phase not in _SERVER_PHASES:
            _add(bars, message.node, phase, interval, start, pale=phase in {"uplink", "downlink"})
    for transfer in (message.downlink, message.uplink):
        if transfer is not None:
            for busy in transfer.busy:
                _add(bars, message.node, f"{transfer.direction}, active", busy, start, group=transfer.direction)


def _server_intervals(messages: Iterable[MessageTimes]) -> list[tuple[str, Interval]]:
    return sorted(
        {
            (phase, interval)
            for message in messages
            for phase, interval in message.intervals.items()
            if phase in _SERVER_PHASES
        },
        key=lambda item: (item[1].start_ns, item[0]),
    )


def _add(
    bars: dict[str, dict[str, list[Any]]],
    row: str,
    phase: str,
    interval: Interval,
    start: int,
    *,
    group: str = "",
    pale: bool = False,
) -> None:
    """One bar in its group's columns: row, start and length in seconds to a tenth of a millisecond, phase, pale."""
    of = bars.setdefault(
        group or GROUP_OF.get(phase, OTHER), {"row": [], "start": [], "length": [], "phase": [], "pale": []}
    )
    of["row"].append(row)
    of["start"].append(round((interval.start_ns - start) / 1e9, 4))
    of["length"].append(round(interval.seconds, 4))
    of["phase"].append(phase)
    of["pale"].append(int(pale))
