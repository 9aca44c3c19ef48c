"""The server's side of the payload workload: each round sends its own fresh arrays and checks what comes back."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from .array_records import to_bytes, to_record
from .payload import Bytes, Payload, check, combined
from .strategy import in_partition_order

logger = logging.getLogger("flwr.workloads")


class PayloadExchange(FedAvg):
    """Rounds of stated bytes with all clients; nothing is averaged.

    What a round sends does not depend on what the one before brought: every round's arrays are new.
    """

    def __init__(self, *, clients: int, payload: Payload) -> None:
        super().__init__(
            fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients
        )
        self._payload = payload

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """A message with the round's own arrays for each client; `arrays`, what the last one brought, stays here."""
        exchange = self._payload.exchange(server_round)
        logger.info(
            "payload round=%d down_bytes=%d up_bytes=%d arrays=%d",
            server_round,
            exchange.down_bytes,
            exchange.up_bytes,
            exchange.arrays,
        )
        return super().configure_train(server_round, to_record(self._payload.down(server_round)), config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The exclusive or of the replies, whose digest so tells whether the same bytes came over two networks.

        Raises: PayloadSizeError if a reply has another size than asked for.
        """
        ordered = in_partition_order(replies)
        good = [reply for reply in ordered if not reply.has_error()]
        logger.info(
            "payload round=%d: received %d replies, %d failed", server_round, len(good), len(ordered) - len(good)
        )
        for failed in ordered[len(good) :]:
            logger.info("node %d failed: %s", failed.metadata.src_node_id, failed.error.reason)
        contents = [self._checked(server_round, reply) for reply in good]
        return (to_record(combined(contents)) if contents else None), None

    def _checked(self, server_round: int, reply: Message) -> dict[str, Bytes]:
        exchange = self._payload.exchange(server_round)
        arrays = to_bytes(reply.content.array_records["arrays"])
        where = f"round {server_round}, reply of node {reply.metadata.src_node_id}"
        check(arrays, total_bytes=exchange.up_bytes, count=exchange.arrays, where=where)
        return arrays


def run(grid: Grid, *, payload: Payload, clients: int, rounds: int) -> None:
    """All rounds of the payload workload."""
    unsent = len(payload.exchanges) - rounds
    if unsent > 0:
        logger.warning(
            "num-server-rounds=%d for %d combinations of sizes: %d of them are not sent. Ask for more rounds.",
            rounds,
            len(payload.exchanges),
            unsent,
        )
    strategy = PayloadExchange(clients=clients, payload=payload)
    strategy.start(grid=grid, initial_arrays=ArrayRecord(), num_rounds=rounds)
