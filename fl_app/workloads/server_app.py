"""The server: averages the clients' models, evaluates the mean itself, and decides when to stop; or sends bytes."""

from __future__ import annotations

import hashlib
import logging

from flwr.app import Array, ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp

from . import digits, exchange, mlp, threads
from .settings import Settings, settings
from .stopping import EarlyStop, Patience
from .strategy import OrderedFedAvg

logger = logging.getLogger("flwr.workloads")

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """One run of the workload that the run configuration names. Raises SettingError before the first round."""
    chosen = settings(context.run_config)
    threads.limit(chosen.compute_threads)
    if chosen.workload == "payload":
        exchange.run(grid, payload=chosen.payload, clients=chosen.clients, rounds=chosen.rounds)
    else:
        learn_digits(grid, chosen)


def learn_digits(grid: Grid, chosen: Settings) -> None:
    """Federated training, from fresh parameters to the last round or the early stop."""
    test = digits.split(digits.load(), seed=chosen.seed).test
    fresh = mlp.to_arrays(mlp.initial(seed=chosen.seed), chosen.layout)
    strategy = OrderedFedAvg(
        clients=chosen.clients,
        fraction_evaluate=chosen.fraction_evaluate,
        validate=chosen.validate,
        early_stop=EarlyStop(
            target_accuracy=chosen.target_accuracy,
            patience=Patience(rounds=chosen.patience, min_delta=chosen.min_delta),
        ),
    )

    def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        named = {name: array.numpy() for name, array in arrays.items()}
        score = mlp.evaluate(mlp.from_arrays(named), test)
        logger.info(
            "global_model round=%d accuracy=%.4f loss=%.4f sha256=%s",
            server_round,
            score.accuracy,
            score.loss,
            fingerprint(named),
        )
        return MetricRecord({"accuracy": score.accuracy, "loss": score.loss})

    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord({name: Array(part) for name, part in fresh.items()}),
        num_rounds=chosen.rounds,
        evaluate_fn=evaluate,
    )


def fingerprint(arrays: dict[str, mlp.Floats]) -> str:
    """SHA-256 of the model's bytes: two runs whose rounds agree in it computed the same thing."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
