"""What a run is asked to do: Flower's run configuration, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .mlp import LAYOUTS, Layout
from .partition import PARTITION_KEY, Partition, PartitionError

Configuration: TypeAlias = Mapping[str, bool | bytes | float | int | str]
"""Flower's run or node configuration; its keys and defaults are in this app's pyproject.toml."""


class SettingError(Exception):
    """A value of the run configuration cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The run configuration; `pyproject.toml` says what each key means."""

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
    patience: int
    min_delta: float
    compute_threads: int

    def __post_init__(self) -> None:
        for name, lowest in LOWEST.items():
            if getattr(self, name) < lowest:
                raise SettingError(
                    f"{name}={getattr(self, name)}: must be {lowest} or more. Correct the run configuration."
                )
        if self.fraction_evaluate > 1:
            raise SettingError(f"fraction-evaluate={self.fraction_evaluate}: is a share of the clients, 0 to 1.")


LOWEST = {
    "rounds": 1,
    "clients": 1,
    "local_epochs": 1,
    "batch_size": 1,
    "learning_rate": 0.0,
    "max_samples_per_client": 0,
    "seed": 0,
    "fraction_evaluate": 0.0,
    "compute_threads": 1,
}


def settings(configuration: Configuration) -> Settings:
    """The settings of a run configuration.

    Raises: SettingError if a value is outside its range.
    """
    return Settings(
        rounds=int(configuration["num-server-rounds"]),
        clients=int(configuration["num-clients"]),
        local_epochs=int(configuration["local-epochs"]),
        batch_size=int(configuration["batch-size"]),
        learning_rate=float(configuration["learning-rate"]),
        max_samples_per_client=int(configuration["max-samples-per-client"]),
        seed=int(configuration["seed"]),
        layout=_layout(str(configuration["layout"])),
        fraction_evaluate=float(configuration["fraction-evaluate"]),
        validate=bool(configuration["validate"]),
        patience=int(configuration["patience"]),
        min_delta=float(configuration["min-delta"]),
        compute_threads=int(configuration["compute-threads"]),
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


def _layout(text: str) -> Layout:
    for layout in LAYOUTS:
        if text == layout:
            return layout
    raise SettingError(f"layout={text!r}: there are {' and '.join(LAYOUTS)}. Correct the run configuration.")
