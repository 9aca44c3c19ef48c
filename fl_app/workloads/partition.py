"""Which samples belong to which client: disjoint parts of equal size, drawn at random with a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .digits import Samples

PARTITION_KEY = "partition-id"
"""Names the client's partition in its node configuration and in its replies."""


class PartitionError(Exception):
    """The node's configuration names no partition of the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One client's place among the clients: `index` of `count`, counted from 0.

    It comes from the node's configuration, not from Flower's node id, which differs from run to run.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise PartitionError(
                f"partition-id={self.index} num-partitions={self.count}: there is no such partition. Start each "
                "flower-supernode with --node-config 'partition-id=I num-partitions=N' and its own I from 0 to N-1."
            )


def share(samples: Samples, partition: Partition, *, seed: int, at_most: int = 0) -> Samples:
    """The part of `samples` that belongs to `partition`; its first `at_most` samples, or all of them for 0.

    All partitions together hold every sample exactly once, and their sizes differ by one at most.
    """
    order = np.random.default_rng([seed, partition.count]).permutation(len(samples))
    own = np.array_split(order, partition.count)[partition.index]
    return samples.take(own[:at_most] if at_most else own)


def round_generator(partition: Partition, *, seed: int, server_round: int) -> np.random.Generator:
    """The random numbers of one client in one round.

    They depend on nothing else, because the process that trains is new in every round.
    """
    return np.random.default_rng([seed, server_round, partition.index])
