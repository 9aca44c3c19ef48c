"""What a run is asked to do: Flower's run configuration, checked and typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from .configuration import Configuration, SettingError, choice
from .mlp import LAYOUTS, Layout
from .partition import PARTITION_KEY, Partition, PartitionError
from .payload import Payload, payload

Workload: TypeAlias = Literal["digits", "payload"]
WORKLOADS: Final[tuple[Workload, ...]] = ("digits", "payload")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The run configuration; `pyproject.toml` says what each key means."""

    workload: Workload
    rounds: int
    clients: int
    local_epochs: int
    batch_size: int
    learning_rate: float
    max_samples_per_client: int
    seed: int
    layout: Layout
    fraction_evaluate: float
    validate: bool
    target_accuracy: float
    patience: int
    min_delta: float
    compute_threads: int
    payload: Payload

    def __post_init__(self) -> None:
        for name, lowest in LOWEST.items():
            if getattr(self, name) < lowest:
                raise SettingError(
                    f"{name}={getattr(self, name)}: must be {lowest} or more. Correct the run configuration."
                )
        if self.fraction_evaluate > 1:
            raise SettingError(f"fraction-evaluate={self.fraction_evaluate}: is a share of the clients, 0 to 1.")
        if self.target_accuracy > 1:
            raise SettingError(f"target-accuracy={self.target_accuracy}: is a share of correct answers, 0 to 1.")
        if self.workload == "payload" and (self.fraction_evaluate or self.patience or self.target_accuracy):
            raise SettingError(
                f"workload=payload with fraction-evaluate={self.fraction_evaluate} patience={self.patience} "
                f"target-accuracy={self.target_accuracy}: it learns nothing that could be evaluated. Set all three "
                "to 0, or workload to digits."
            )


LOWEST = {
    "rounds": 1,
    "clients": 1,
    "local_epochs": 1,
    "batch_size": 1,
    "learning_rate": 0.0,
    "max_samples_per_client": 0,
    "fraction_evaluate": 0.0,
    "target_accuracy": 0.0,
    "patience": 0,
    "min_delta": 0.0,
    "compute_threads": 1,
}


def settings(configuration: Configuration) -> Settings:
    """The settings of a run configuration.

    Raises: SettingError if a value is outside its range.
    """
    seed = int(configuration["seed"])
    if seed < 0:
        raise SettingError(f"seed={seed}: must be 0 or more. Correct the run configuration.")
    return Settings(
        workload=choice(configuration, "workload", WORKLOADS),
        rounds=int(configuration["num-server-rounds"]),
        clients=int(configuration["num-clients"]),
        local_epochs=int(configuration["local-epochs"]),
        batch_size=int(configuration["batch-size"]),
        learning_rate=float(configuration["learning-rate"]),
        max_samples_per_client=int(configuration["max-samples-per-client"]),
        seed=seed,
        layout=choice(configuration, "layout", LAYOUTS),
        fraction_evaluate=float(configuration["fraction-evaluate"]),
        validate=bool(configuration["validate"]),
        target_accuracy=float(configuration["target-accuracy"]),
        patience=int(configuration["patience"]),
        min_delta=float(configuration["min-delta"]),
        compute_threads=int(configuration["compute-threads"]),
        payload=payload(configuration, seed=seed),
    )


def node_partition(configuration: Configuration) -> Partition:
    """The partition of a node's configuration.

    Raises: PartitionError if the node was started without one.
    """
    try:
        return Partition(index=int(configuration[PARTITION_KEY]), count=int(configuration["num-partitions"]))
    except KeyError as missing:
        raise PartitionError(
            f"the node's configuration has no {missing}: this node does not know its share of the data. "
            "Start flower-supernode with --node-config 'partition-id=0 num-partitions=4'."
        ) from missing
