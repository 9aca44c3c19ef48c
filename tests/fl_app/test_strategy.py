from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Error, Message, MetricRecord, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from hypothesis import given
from hypothesis import strategies as st

from fl_app.workloads.stopping import EarlyStop, Patience
from fl_app.workloads.strategy import (
    STOPPED_BY,
    VALIDATION,
    DuplicatePartitionError,
    OrderedFedAvg,
    in_partition_order,
)

Reply = Callable[..., Message]


class FakeGrid(Grid):
    """Nodes that answer at once, in an order that may be asked for: node 10+p serves partition p."""

    def __init__(self, nodes: int, *, backwards: bool = False) -> None:
        self.nodes = nodes
        self.backwards = backwards
        self.sent: list[list[Message]] = []

    def set_run(self, run: object) -> None: ...

    @property
    def run(self) -> object:
        raise NotImplementedError

    def create_message(self, *args: object, **kwargs: object) -> Message:
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return range(10, 10 + self.nodes)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        raise NotImplementedError

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        asked = list(messages)
        self.sent.append(asked)
        replies = [self._answer(message) for message in asked]
        return replies[::-1] if self.backwards else replies

    @staticmethod
    def _answer(message: Message) -> Message:
        partition = message.metadata.dst_node_id - 10
        content = RecordDict()
        metrics: dict[str, int | float] = {"num-examples": 100 + partition, "partition-id": partition}
        if message.metadata.message_type == "train":
            content["arrays"] = ArrayRecord({"model": Array(np.full(3, partition, dtype=np.float32))})
        else:
            metrics["accuracy"] = 0.5 if message.metadata.message_type == "evaluate" else 0.25
        content["metrics"] = MetricRecord(metrics)
        return Message(content, reply_to=message)


def strategy(
    *,
    clients: int = 3,
    fraction_evaluate: float = 0.0,
    validate: bool = True,
    patience: int = 0,
    target: float = 0.0,
) -> OrderedFedAvg:
    return OrderedFedAvg(
        clients=clients,
        fraction_evaluate=fraction_evaluate,
        validate=validate,
        early_stop=EarlyStop(target_accuracy=target, patience=Patience(rounds=patience, min_delta=0.01)),
    )


def start(
    chosen: OrderedFedAvg, grid: FakeGrid, accuracies: list[float], rounds: int
) -> tuple[list[int], MetricRecord | None, ArrayRecord | None]:
    evaluated: list[int] = []

    def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        evaluated.append(server_round)
        return MetricRecord({"accuracy": accuracies[server_round], "loss": 1.0})

    initial = ArrayRecord({"model": Array(np.zeros(3, dtype=np.float32))})
    result = chosen.start(grid, initial, num_rounds=rounds, evaluate_fn=evaluate)
    assert list(result.evaluate_metrics_serverapp) == evaluated
    return evaluated, result.evaluate_metrics_serverapp.get(evaluated[-1]), result.arrays


@given(order=st.permutations(range(5)), seed=st.integers(0, 1000))
def test_the_model_does_not_depend_on_the_order_of_arrival(reply: Reply, order: list[int], seed: int) -> None:
    clients = [reply(partition=p, num_examples=100 + 7 * p, seed=seed) for p in range(5)]
    in_order, _ = strategy(clients=5).aggregate_train(1, clients)
    shuffled, _ = strategy(clients=5).aggregate_train(1, [clients[p] for p in order])
    assert in_order is not None
    assert shuffled is not None
    assert in_order["model"].data == shuffled["model"].data


@given(weights=st.lists(st.integers(1, 500), min_size=1, max_size=6))
def test_the_model_is_the_weighted_mean(reply: Reply, weights: list[int]) -> None:
    clients = [reply(partition=p, num_examples=weight) for p, weight in enumerate(weights)]
    arrays, metrics = strategy(clients=len(weights)).aggregate_train(1, clients)
    assert arrays is not None
    assert metrics is not None
    expected = np.average([client.content["arrays"]["model"].numpy() for client in clients], axis=0, weights=weights)
    np.testing.assert_allclose(arrays["model"].numpy(), expected, rtol=1e-5, atol=1e-6)
    assert arrays["model"].numpy().dtype == np.float32
    assert metrics["train-loss"] == pytest.approx(np.average([1.0 + p for p in range(len(weights))], weights=weights))
    assert "partition-id" not in metrics


def test_a_plain_sum_would_depend_on_the_order(reply: Reply) -> None:
    """What the sorting is for: without it the very same replies give other bytes."""
    arrays = [reply(partition=p).content["arrays"]["model"].numpy() for p in range(5)]
    forth = sum(array * np.float32(0.2) for array in arrays)
    back = sum(array * np.float32(0.2) for array in arrays[::-1])
    assert not np.array_equal(forth, back)


def test_two_clients_of_one_partition_are_refused(reply: Reply) -> None:
    with pytest.raises(DuplicatePartitionError, match="both answered for partition 2"):
        in_partition_order([reply(partition=2), reply(partition=1), reply(partition=2)])


def test_every_client_is_asked_to_train_in_every_round() -> None:
    grid = FakeGrid(3)
    start(strategy(), grid, [0.1] * 4, rounds=3)
    asked = [sorted(m.metadata.dst_node_id for m in batch) for batch in grid.sent if batch]
    assert asked == [[10, 11, 12]] * 3


@pytest.mark.parametrize(("validate", "kinds"), [(True, ["evaluate", VALIDATION]), (False, ["evaluate"])])
def test_each_evaluating_client_gets_one_message_per_split(validate: bool, kinds: list[str]) -> None:
    grid = FakeGrid(3)
    start(strategy(fraction_evaluate=1.0, validate=validate), grid, [0.1] * 2, rounds=1)
    asked = sorted((m.metadata.dst_node_id, m.metadata.message_type) for m in grid.sent[1])
    assert asked == [(node, kind) for node in (10, 11, 12) for kind in kinds]


def test_the_splits_are_aggregated_apart() -> None:
    grid = FakeGrid(3, backwards=True)
    chosen = strategy(fraction_evaluate=1.0)
    arrays = ArrayRecord({"model": Array(np.zeros(3, dtype=np.float32))})
    result = chosen.start(grid, arrays, num_rounds=1)
    metrics = result.evaluate_metrics_clientapp[1]
    assert metrics["test-accuracy"] == pytest.approx(0.5)
    assert metrics["validation-accuracy"] == pytest.approx(0.25)


def test_early_stopping_ends_the_loop_and_keeps_the_result() -> None:
    grid = FakeGrid(2)
    accuracies = [0.1, 0.5, 0.5, 0.5, 0.9, 0.9]
    evaluated, metrics, arrays = start(strategy(clients=2, patience=2), grid, accuracies, rounds=5)
    assert evaluated == [0, 1, 2, 3]
    assert len([batch for batch in grid.sent if batch]) == 3
    assert metrics is not None
    assert dict(metrics) == {"accuracy": 0.5, "loss": 1.0, f"{STOPPED_BY}patience": 1}
    assert arrays is not None
    assert arrays["model"].numpy()[0] == pytest.approx(101 / 201)


def test_the_target_ends_the_loop_with_the_round_that_reached_it() -> None:
    grid = FakeGrid(2)
    chosen = strategy(clients=2, patience=4, target=0.8)
    evaluated, metrics, _ = start(chosen, grid, [0.9, 0.5, 0.79, 0.8, 0.9, 0.9], rounds=5)
    assert evaluated == [0, 1, 2, 3], "the parameters that no round has trained reach nothing"
    assert metrics is not None
    assert dict(metrics) == {"accuracy": 0.8, "loss": 1.0, f"{STOPPED_BY}target": 1}


def test_a_target_that_the_last_round_reaches_is_told_too() -> None:
    _, metrics, _ = start(strategy(clients=2, target=0.8), FakeGrid(2), [0.1, 0.5, 0.8], rounds=2)
    assert metrics is not None
    assert metrics[f"{STOPPED_BY}target"] == 1


def test_a_strategy_that_stopped_once_starts_again() -> None:
    chosen, grid = strategy(clients=2, target=0.8), FakeGrid(2)
    for _ in range(2):
        evaluated, _, _ = start(chosen, grid, [0.1, 0.5, 0.8, 0.9], rounds=3)
        assert evaluated == [0, 1, 2]


def test_without_patience_all_rounds_are_run() -> None:
    evaluated, metrics, _ = start(strategy(clients=2), FakeGrid(2), [0.5] * 6, rounds=5)
    assert evaluated == [0, 1, 2, 3, 4, 5]
    assert metrics is not None
    assert dict(metrics) == {"accuracy": 0.5, "loss": 1.0}


def test_a_lost_evaluation_leaves_what_the_others_say() -> None:
    """The SuperLink answers for a node that is gone, with a message type of Flower's own."""
    asked = Message(RecordDict(), dst_node_id=10, message_type="system")
    lost = Message(Error(ErrorCode.REPLY_MESSAGE_UNAVAILABLE, "gone"), reply_to=asked)
    tests = [Message(RecordDict(), dst_node_id=node, message_type="evaluate") for node in (11, 12)]
    merged = strategy(fraction_evaluate=1.0).aggregate_evaluate(1, [lost, *map(FakeGrid._answer, tests)])
    assert merged is not None
    assert merged["test-accuracy"] == pytest.approx(0.5)
    assert strategy(fraction_evaluate=1.0).aggregate_evaluate(1, [lost]) is None
