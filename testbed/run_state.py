"""What the ServerApp's records tell of a run while it goes on, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass, field

from analysis.joins import GRID
from instrument.records import Dispatch, End, Record, Reply, Score, Segment, Sleep, Span

SAMPLING = "flwr.serverapp.strategy.strategy_utils"  # where Flower waits for min_available_nodes, for ever
NODE_UNAVAILABLE = 5  # the SuperLink's own answer for a node that it has not heard of for a minute


@dataclass(slots=True)
class RunState:
    """What the ServerApp's records have told so far."""

    round: int = 0
    begun: int = 0
    accuracy: float | None = None
    server_app: Segment | None = None  # its header: it has begun
    strategy_ended: bool = False
    strategy_error: str | None = None
    process_ended: bool = False
    errors: list[Reply] = field(default_factory=list)
    errors_of_round: list[Reply] = field(default_factory=list)
    unanswered: dict[str, str] = field(default_factory=dict)  # message -> Flower's id of its node
    slept_in: str = ""  # where it slept last, since the last message was sent

    def take(self, record: Record) -> None:
        """Learn from one record."""
        match record:
            case Segment():
                self.server_app = record
            case Dispatch(message_id=message, node_id=node, round=number):
                if number > self.begun:
                    self.begun, self.errors_of_round = number, []
                self.unanswered[message] = node
                self.slept_in = ""
            case Sleep(where=where):
                self.slept_in = where
            case Span(name="aggregate", message_type="train", round=number) if number:
                self.round = number
                self.unanswered.clear()
            case Span(name="strategy", error=error):
                self.strategy_ended, self.strategy_error = True, error
            case Score(source="server", metrics=metrics):
                self.accuracy = metrics.get("accuracy", self.accuracy)
            case Reply():
                self._answer(record)
            case End():
                self.process_ended = True

    def _answer(self, reply: Reply) -> None:
        self.unanswered.pop(reply.reply_to, None)
        if reply.error_code is not None:
            self.errors.append(reply)
            self.errors_of_round.append(reply)

    def waits_for(self, nodes: int) -> str:
        """Which wait it is, in words; `nodes` take part."""
        if self.server_app is None:
            return "the ServerApp has not begun: Flower's SuperExec did not start it"
        if self.process_ended:
            return "the ServerApp has ended"
        if self.slept_in == SAMPLING:
            return (
                "Flower waits for nodes to connect (min_available_nodes), which it does for ever: fewer are at the "
                f"SuperLink than the strategy asks for, of {nodes} that were started"
            )
        if self.unanswered:
            return f"Flower waits for {len(self.unanswered)} of {nodes} clients' replies to round {self.round + 1}"
        if self.strategy_ended:
            return "the strategy has ended, the ServerApp's process has not"
        asleep = "" if self.slept_in in {"", GRID} else f"; it slept last in {self.slept_in}"
        return f"no message is on its way: the ServerApp itself is at work, or stands still{asleep}"
