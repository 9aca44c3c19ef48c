"""The server: FedAvg whose rounds wait to be released, and which reads its own clock where they start and end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from fl_app.workloads import mlp

app = ServerApp()


class Gate:
    """Two named pipes: a line with the last round's start and end goes out, one byte comes in for each round."""

    def __init__(self, folder: Path) -> None:
        self._told = os.open(folder / "told", os.O_WRONLY)
        self._release = os.open(folder / "release", os.O_RDONLY)
        self._start_ns = 0

    def pass_through(self) -> None:
        """End the round that ran, and return when the next one may start."""
        end_ns = time.monotonic_ns()
        os.write(self._told, f"{self._start_ns} {end_ns}\n".encode())
        os.read(self._release, 1)
        self._start_ns = time.monotonic_ns()


class GatedFedAvg(FedAvg):
    """A round is all between two passages: from before its configuration to before the next one's."""

    def __init__(self, gate: Gate, *, clients: int) -> None:
        super().__init__(
            fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients
        )
        self._gate = gate

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """FedAvg's, after the gate."""
        self._gate.pass_through()
        return super().configure_train(server_round, arrays, config, grid)


@app.main()
def main(grid: Grid, context: Context) -> None:
    """All rounds."""
    config = context.run_config
    strategy = GatedFedAvg(Gate(Path(str(config["gate"]))), clients=int(config["num-clients"]))
    model = mlp.to_arrays(mlp.initial(seed=0), "flat")
    arrays = ArrayRecord({name: Array(part) for name, part in model.items()})
    strategy.start(grid=grid, initial_arrays=arrays, num_rounds=int(config["num-server-rounds"]))
