"""The digits and the replies of clients, as the tests of the app need them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest

with warnings.catch_warnings():
    # Flower imports typer, which uses names that click has announced to remove
    warnings.filterwarnings("ignore", message=".*Click 9", category=DeprecationWarning)
    from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
    from flwr.supercore.task_identity import TaskIdentity

from fl_app.workloads import digits

Reply = Callable[..., Message]


@pytest.fixture(scope="module", autouse=True)
def task() -> Iterator[None]:
    """Flower's messages name the task that makes them: in an app's process Flower has set it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_task_id", "_run_id", "_node_id"):
            patch.setattr(TaskIdentity, name, 1)
        yield


@pytest.fixture(scope="session")
def samples() -> digits.Samples:
    return digits.load()


@pytest.fixture(scope="session")
def reply() -> Reply:
    """Makes a train reply of one client: partition, number of samples, seed of its arrays."""

    def make(*, partition: int, num_examples: int = 250, seed: int = 0, size: int = 997) -> Message:
        generator = np.random.default_rng([seed, partition])
        array = generator.standard_normal(size, dtype=np.float32)
        metrics = {"num-examples": num_examples, "train-loss": 1.0 + partition, "partition-id": partition}
        content = RecordDict({"arrays": ArrayRecord({"model": Array(array)}), "metrics": MetricRecord(metrics)})
        return Message(content, dst_node_id=1, message_type="train")

    return make
