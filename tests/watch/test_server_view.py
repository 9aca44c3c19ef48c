"""What the server's records tell of the clients, whatever order the two processes' files are read in."""

from __future__ import annotations

import itertools
import random

import pytest

from instrument.flower.priority import PRIORITY
from instrument.records import Dispatch, Fault, Record, Reply, Score, Serve, Span
from testbed.watch.server_view import KEPT_FAULTS, ServerView

S = 1_000_000_000
NODES = {"10.0.0.1": "pi1", "10.0.0.2": "pi2"}


def serve(peer: str, what: str, at: float, *, took: float = 0.01, answer: int = 0) -> Serve:
    start = int(at * S)
    return Serve(
        request=start,
        path=f"/v1/fleet/{what}",
        peer=peer,
        peer_port=1,
        arrive_mono_ns=start,
        last_byte_mono_ns=start + int(took * S),
        response_bytes=answer,
        status=200,
    )


def span(name: str, start: float, end: float, number: int, kind: str = "train") -> Span:
    return Span(
        name=name, start_mono_ns=int(start * S), end_mono_ns=int(end * S), round=number, message_type=kind, count=2
    )


def one_round(number: int, at: float, *, slow: float = 3.0) -> list[Record]:
    """A round of two clients that begins at a moment: pi1 takes 2 s on the node, pi2 `slow`."""
    made: list[Record] = [span("configure", at, at + 0.1, number), span("grid_push", at + 0.1, at + 0.2, number)]
    for peer, works in (("10.0.0.1", 2.0), ("10.0.0.2", slow)):
        made.append(
            Dispatch(
                message_id=f"{number}{peer}",
                mono_ns=int((at + 0.2) * S),
                round=number,
                round_source="strategy",
                message_type="train",
                node_id=peer,
                run_id="1",
            )
        )
        made += [
            serve(peer, "pull-messages", at + 1, answer=500),
            serve(peer, "pull-object", at + 1.1, took=0.2),
            serve(peer, "confirm-message-received", at + 1.5),
            serve(peer, "push-messages", at + 1.5 + works),
            serve(peer, "push-object", at + 1.6 + works, took=0.3),
            serve(peer, "push-object", at + 1.7 + works, took=0.4),
            serve(peer, "pull-messages", at + 2.5 + works),
        ]
    end = at + 2.2 + slow
    made += [
        Reply(
            message_id=f"r{number}{peer}",
            reply_to=f"{number}{peer}",
            mono_ns=int(end * S),
            message_type="train",
            node_id=peer,
        )
        for peer in NODES
    ]
    return [*made, span("aggregate", end, end + 0.1, number)]


def of_superlink(records: list[Record]) -> tuple[list[Record], list[Record]]:
    """The records of the SuperLink, and of the ServerApp."""
    mine = [one for one in records if isinstance(one, Serve)]
    return mine, [one for one in records if not isinstance(one, Serve)]


def folded(*parts: list[Record]) -> ServerView:
    view = ServerView(NODES)
    for record in itertools.chain(*parts):
        view.take(record)
    return view


def test_a_client_goes_through_its_phases() -> None:
    view, told = ServerView(NODES), []
    records = sorted(
        one_round(1, 10.0),
        key=lambda one: one.arrive_mono_ns if isinstance(one, Serve) else getattr(one, "mono_ns", 0) or 0,
    )
    view.take(serve("10.0.0.1", "activate-node", 1.0))
    for record in records:
        view.take(record)
        phase = view.clients["pi1"].phase
        if not told or told[-1] != phase:
            told.append(phase)
    assert told == ["to pull", "downlink", "on the node", "uplink", "replied"]


def test_the_legs_of_the_last_round_are_the_moments_between_requests() -> None:
    passed = folded(one_round(1, 10.0)).last_round()
    assert passed is not None
    assert (passed.number, passed.clients) == (1, 2)
    assert passed.wall_s == pytest.approx(5.3)
    assert passed.median_s == pytest.approx({"to pull": 1.0, "downlink": 0.5, "on the node": 2.5, "uplink": 0.5})
    assert passed.longest_s["on the node"] == (pytest.approx(3.0), "pi2")


def test_which_file_is_read_first_does_not_matter() -> None:
    records = [*one_round(1, 10.0), *one_round(2, 20.0, slow=4.0), *one_round(3, 30.0)]
    superlink, server_app = of_superlink(records)
    expected = folded(superlink, server_app)
    passed = expected.last_round()
    assert passed is not None
    assert passed.number == 3
    for other in (folded(server_app, superlink), folded(records)):
        assert other.last_round() == passed
        assert [one.phase for one in other.clients.values()] == [one.phase for one in expected.clients.values()]
        assert (other.round, other.sent, other.replied) == (3, 2, 2)


def test_a_client_that_did_not_answer_is_not_taken_for_one_that_did() -> None:
    """pi2's push never comes: it has no uplink, and is still on the node."""
    records = [
        one
        for one in one_round(1, 10.0)
        if not (isinstance(one, Serve) and one.peer == "10.0.0.2" and one.arrive_mono_ns > 12 * S)
    ]
    view = folded(records)
    assert view.clients["pi2"].phase == "on the node"
    passed = view.last_round()
    assert passed is not None
    assert passed.longest_s["uplink"][1] == "pi1"


def test_an_evaluation_of_the_same_round_does_not_become_its_training() -> None:
    evaluated = [
        span("configure", 15.5, 15.6, 1, "evaluate"),
        span("grid_push", 15.6, 15.7, 1, "evaluate"),
        serve("10.0.0.1", "pull-messages", 16.0, answer=500),
        serve("10.0.0.1", "confirm-message-received", 18.0),
        span("aggregate", 20.0, 20.1, 1, "evaluate"),
    ]
    alone, both = folded(one_round(1, 10.0)).last_round(), folded(one_round(1, 10.0), evaluated).last_round()
    assert alone is not None
    assert both is not None
    assert both.median_s == alone.median_s
    assert both.wall_s == pytest.approx(10.1)


def test_an_address_that_no_node_has_is_called_by_itself() -> None:
    view = folded([serve("192.0.2.9", "activate-node", 1.0)])
    assert view.clients["192.0.2.9"].phase == "to pull"
    assert view.clients["pi1"].phase == "not heard"


def test_scores_errors_and_faults_are_kept_apart_and_bounded() -> None:
    score = Score(round=4, mono_ns=1, source="server", metrics={"accuracy": 0.5, "loss": 2.0})
    of_clients = Score(round=4, mono_ns=1, source="train", metrics={"train-loss": 1.0})
    faults = [Fault(where=f"w{number}", error="e", mono_ns=number) for number in range(KEPT_FAULTS + 3)]
    view = folded([score, of_clients, *faults])
    assert view.scores == {"accuracy": 0.5, "loss": 2.0, "loss (train)": 1.0}
    assert len(view.faults) == KEPT_FAULTS
    assert view.faults[-1] == f"instrument fault on the server: w{KEPT_FAULTS + 2}: e"
    view.take(Fault(where=PRIORITY, error="supernode: no right", mono_ns=1))
    assert view.faults[-1] == "supernode: no right", "it costs no phase"


def test_what_is_kept_does_not_grow_with_the_rounds() -> None:
    records = list(itertools.chain(*(one_round(number, 10.0 * number) for number in range(1, 30))))
    view = folded(records)
    assert all(len(one.messages) <= 6 for one in view.clients.values())
    assert len(view._begun_ns) <= 4
    random.Random(1).shuffle(records)
    shuffled = folded(records).last_round()
    assert shuffled is not None
    assert shuffled.number == 29
