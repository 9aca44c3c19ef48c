"""Federated averaging whose result does not depend on which reply came first."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg, Result
from flwr.serverapp.strategy.strategy_utils import aggregate_metricrecords

from .partition import PARTITION_KEY
from .stopping import EarlyStop

logger = logging.getLogger("flwr.workloads")
"""A child of Flower's own logger, whose handlers bring a ServerApp's lines to the run's log."""

VALIDATION = f"{MessageType.EVALUATE}.validation"
SPLIT_OF_TYPE = {MessageType.EVALUATE: "test", VALIDATION: "validation"}

EvaluateFn = Callable[[int, ArrayRecord], MetricRecord | None]


class DuplicatePartitionError(Exception):
    """Two clients answered for one partition of the data."""


STOPPED_BY = "stopped-by-"
"""Begins the name of the metric, with value 1, by which a round says that the run was to end with it, and why."""


class _EnoughError(Exception):
    """Leaves Flower's loop over the rounds, which has no other door."""


class OrderedFedAvg(FedAvg):
    """FedAvg over all clients, its sums made in the order of the partitions.

    A sum of floating-point numbers depends on its order, and the order of arrival on the network. Sorting by
    partition gives the same model, bit for bit, over any network, so that two interfaces can be compared.
    """

    def __init__(self, *, clients: int, fraction_evaluate: float, validate: bool, early_stop: EarlyStop) -> None:
        super().__init__(
            fraction_train=1.0,
            fraction_evaluate=fraction_evaluate,
            min_train_nodes=clients,
            min_evaluate_nodes=max(1, int(clients * fraction_evaluate)),
            min_available_nodes=clients,
            train_metrics_aggr_fn=weighted_metrics,
            evaluate_metrics_aggr_fn=weighted_metrics,
        )
        self._validate = validate
        self._early_stop = early_stop
        self._stopped = False
        self._result = Result()

    def start(  # noqa: PLR0917 - Flower's own signature
        self,
        grid: Grid,
        initial_arrays: ArrayRecord,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: EvaluateFn | None = None,
    ) -> Result:
        """Run the rounds as Flower does; early stopping ends them after the evaluation that decided it.

        The metrics of that evaluation say so, and why (`STOPPED_BY`). The result then holds what the finished rounds
        brought, as it does after the last round.
        """
        self._result, self._stopped = Result(arrays=initial_arrays), False
        try:
            return super().start(
                grid,
                initial_arrays,
                num_rounds,
                timeout,
                train_config,
                evaluate_config,
                evaluate_fn and self._watched(evaluate_fn, num_rounds),
            )
        except _EnoughError:
            return self._result

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """A train message for each client; after an early stop there is no further round.

        The evaluation itself must return, so that whoever looks on sees the metrics that decided.
        """
        if self._stopped:
            raise _EnoughError
        return super().configure_train(server_round, arrays, config, grid)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One test message for each client asked and, if wished, one validation message after it."""
        tests = list(super().configure_evaluate(server_round, arrays, config, grid))
        if not self._validate:
            return tests
        validations = [
            Message(test.content, dst_node_id=test.metadata.dst_node_id, message_type=VALIDATION) for test in tests
        ]
        return tests + validations

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The mean of the clients' models, weighted by their samples, summed in partition order."""
        arrays, metrics = super().aggregate_train(server_round, in_partition_order(replies))
        if arrays is not None:
            self._result.arrays = arrays
        if metrics is not None:
            self._result.train_metrics_clientapp[server_round] = metrics
        return arrays, metrics

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Loss and accuracy over the clients, under the name of the split each was measured on.

        A reply that Flower makes for a lost one is of a type of Flower's own: it is counted with the first split.
        """
        by_split: defaultdict[str, list[Message]] = defaultdict(list)
        arrived = list(replies)
        for reply in arrived:
            if not reply.has_error():
                by_split[SPLIT_OF_TYPE[reply.metadata.message_type]].append(reply)
        by_split[min(by_split, default="test")] += [reply for reply in arrived if reply.has_error()]
        merged = MetricRecord()
        for split, answers in sorted(by_split.items()):
            metrics = super().aggregate_evaluate(server_round, in_partition_order(answers)) or MetricRecord()
            merged.update({f"{split}-{name}": value for name, value in metrics.items()})
        if not merged:
            return None
        self._result.evaluate_metrics_clientapp[server_round] = merged
        return merged

    def _watched(self, evaluate_fn: EvaluateFn, num_rounds: int) -> EvaluateFn:
        """The evaluation function, whose metrics now also tell that the run is to end, and why."""
        accuracies: list[float] = []

        def watched(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
            metrics = evaluate_fn(server_round, arrays)
            if metrics is None:
                return None
            self._result.evaluate_metrics_serverapp[server_round] = metrics
            accuracies.append(_number(metrics["accuracy"]))
            if reason := self._early_stop.reason(accuracies):
                metrics[f"{STOPPED_BY}{reason}"] = 1
                self._stopped = True
                logger.info(
                    "early_stop reason=%s round=%d of=%d accuracy=%.4f best_accuracy=%.4f",
                    reason,
                    server_round,
                    num_rounds,
                    accuracies[-1],
                    max(accuracies),
                )
            return metrics

        return watched


def in_partition_order(replies: Iterable[Message]) -> list[Message]:
    """The replies sorted by the partition they report, failed ones (which report none) last.

    Raises: DuplicatePartitionError if two clients trained on the same partition.
    """
    arrived = list(replies)
    failed = [reply for reply in arrived if reply.has_error()]
    good = sorted((reply for reply in arrived if not reply.has_error()), key=_partition)
    for one, other in pairwise(good):
        if _partition(one) == _partition(other):
            raise DuplicatePartitionError(
                f"nodes {one.metadata.src_node_id} and {other.metadata.src_node_id} both answered for partition "
                f"{_partition(one)}: they were started with the same partition-id. Give each its own."
            )
    return good + failed


def weighted_metrics(contents: Sequence[RecordDict], weighted_by: str) -> MetricRecord:
    """Flower's weighted mean of the clients' metrics, without the partition, which has no mean."""
    metrics = aggregate_metricrecords(list(contents), weighted_by)
    metrics.pop(PARTITION_KEY, None)
    return metrics


def _partition(reply: Message) -> int:
    (metrics,) = reply.content.metric_records.values()
    return int(_number(metrics[PARTITION_KEY]))


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"expected one number, not {value!r}")
    return float(value)
