"""The client: trains the model on its own samples, and tests or validates it when asked; or sends bytes."""

from __future__ import annotations

import time

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from . import digits, mlp, partition, threads
from .array_records import to_bytes, to_record
from .compute import compute_until
from .partition import PARTITION_KEY, Partition
from .payload import Payload, check
from .settings import Settings, node_partition, settings

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """The round's work of the workload that the run configuration names, and its reply."""
    started_s = time.perf_counter()
    chosen, own = settings(context.run_config), node_partition(context.node_config)
    threads.limit(chosen.compute_threads)
    if chosen.workload == "payload":
        return _exchange(message, chosen.payload, own, started_s=started_s)
    return _learn(message, chosen, own)


def _learn(message: Message, chosen: Settings, own: Partition) -> Message:
    """Train for the local epochs; the reply carries the new model, the number of samples and the loss."""
    model = _model(message)
    samples = partition.share(
        digits.split(digits.load(), seed=chosen.seed).train,
        own,
        seed=chosen.seed,
        at_most=chosen.max_samples_per_client,
    )
    loss = mlp.train(
        model,
        samples,
        epochs=chosen.local_epochs,
        batch_size=chosen.batch_size,
        learning_rate=chosen.learning_rate,
        generator=partition.round_generator(own, seed=chosen.seed, server_round=_round(message)),
    )
    arrays = ArrayRecord({name: Array(part) for name, part in mlp.to_arrays(model, chosen.layout).items()})
    metrics = MetricRecord({"num-examples": len(samples), "train-loss": loss, PARTITION_KEY: own.index})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


def _exchange(message: Message, plan: Payload, own: Partition, *, started_s: float) -> Message:
    """Check what came and make fresh arrays; the reply leaves when the stated compute time has passed."""
    server_round = _round(message)
    asked = plan.exchange(server_round)
    came = to_bytes(message.content.array_records["arrays"])
    check(
        came, total_bytes=asked.down_bytes, count=asked.arrays, where=f"round {server_round}, message to the client"
    )
    arrays = to_record(plan.up(server_round, own.index))
    compute_until(started_s + plan.compute_s, plan.compute)
    return Message(
        RecordDict({"arrays": arrays, "metrics": MetricRecord({PARTITION_KEY: own.index})}), reply_to=message
    )


@app.evaluate()
def test(message: Message, context: Context) -> Message:
    """Measure the global model on this client's share of the test split."""
    return _evaluated(message, context, "test")


@app.evaluate("validation")
def validate(message: Message, context: Context) -> Message:
    """Measure the global model on this client's share of the validation split."""
    return _evaluated(message, context, "validation")


def _evaluated(message: Message, context: Context, split: str) -> Message:
    chosen, own = settings(context.run_config), node_partition(context.node_config)
    threads.limit(chosen.compute_threads)
    splits = digits.split(digits.load(), seed=chosen.seed)
    samples = partition.share(splits.test if split == "test" else splits.validation, own, seed=chosen.seed)
    score = mlp.evaluate(_model(message), samples)
    metrics = MetricRecord(
        {
            "num-examples": len(samples),
            "loss": score.loss,
            "accuracy": score.accuracy,
            PARTITION_KEY: own.index,
        }
    )
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


def _model(message: Message) -> mlp.Parameters:
    arrays = message.content.array_records["arrays"]
    return mlp.from_arrays({name: array.numpy() for name, array in arrays.items()})


def _round(message: Message) -> int:
    value = message.content.config_records["config"]["server-round"]
    if not isinstance(value, int):
        raise TypeError(f"server-round={value!r}: expected an integer from the strategy")
    return value
