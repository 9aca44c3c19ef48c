"""When nodes leave and come again: drawn from two rates, or read from a trace. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from testbed.faults.arrivals import TraceError
from testbed.validation import nearest

Event = Literal["leave", "join"]


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """A node leaves or joins, so long after the churn began."""

    after_s: float
    node: str
    event: Event


def poisson(
    nodes: Sequence[str], *, leave_per_h: float, join_per_h: float | None, duration_s: float, seed: int | str
) -> list[Move]:
    """Each node by itself leaves after an exponential time and, where a rate is given, joins after another one.

    The same seed gives the same moves; a node's own do not depend on which others there are.
    """
    moves = [
        move
        for node in nodes
        for move in _of_node(node, leave_per_h, join_per_h, duration_s, random.Random(f"{seed}/{node}"))  # noqa: S311
    ]
    return sorted(moves)


def _of_node(
    node: str, leave_per_h: float, join_per_h: float | None, duration_s: float, draw: random.Random
) -> Iterable[Move]:
    now_s, here = 0.0, True
    while True:
        rate = leave_per_h if here else join_per_h
        if rate is None:
            return
        now_s += draw.expovariate(rate / 3600)
        if now_s >= duration_s:
            return
        yield Move(now_s, node, "leave" if here else "join")
        here = not here


def read(lines: Iterable[str], name: str, nodes: Sequence[str]) -> list[Move]:
    """The moves of a CSV `seconds,node,leave|join`. Raises TraceError for a move that a node cannot make."""
    moves: list[Move] = []
    away: set[str] = set()
    for number, line in enumerate(lines, start=1):
        words = [word.strip() for word in line.split(",")]
        if not line.strip() or (number == 1 and words[0].lower().startswith(("time", "second", "t_s"))):
            continue
        move = _move(words, f"{name}:{number}", nodes)
        if moves and move.after_s < moves[-1].after_s:
            raise TraceError(f"{name}:{number}: before the line above. Put the lines in order of time.")
        if (move.event == "leave") == (move.node in away):
            state = "is away already" if move.event == "leave" else "is there already"
            raise TraceError(f"{name}:{number}: {move.node} {state}. Leaves and joins of a node take turns.")
        away ^= {move.node}
        moves.append(move)
    if not moves:
        raise TraceError(f"{name}: no moves. Write lines of `seconds,node,leave` or `seconds,node,join`.")
    return moves


def _move(words: list[str], where: str, nodes: Sequence[str]) -> Move:
    try:
        after_s, node, event = float(words[0]), words[1], words[2]
    except (ValueError, IndexError) as error:
        raise TraceError(f"{where}: not `seconds,node,leave|join`. Correct that line.") from error
    if node not in nodes:
        raise TraceError(f"{where}: no node {node!r} takes part. {nearest(node, nodes)}")
    if event == "leave":
        return Move(after_s, node, "leave")
    if event == "join":
        return Move(after_s, node, "join")
    raise TraceError(f"{where}: {event!r} is no move. {nearest(event, ['leave', 'join'])}")
