"""The client: trains the quickstart's model on all of its data, for as many epochs as training in earnest takes."""

from __future__ import annotations

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fl_app.workloads import digits, mlp, partition, threads

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """One round's work: `local-epochs` passes over this client's samples, on one core."""
    threads.limit(1)
    own = partition.Partition(index=0, count=1)
    model = mlp.from_arrays({name: array.numpy() for name, array in message.content.array_records["arrays"].items()})
    samples = partition.share(digits.split(digits.load(), seed=0).train, own, seed=0)
    mlp.train(
        model,
        samples,
        epochs=int(context.run_config["local-epochs"]),
        batch_size=32,
        learning_rate=1e-3,
        generator=partition.round_generator(own, seed=0, server_round=1),
    )
    arrays = ArrayRecord({name: Array(part) for name, part in mlp.to_arrays(model, "flat").items()})
    return Message(RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 1})}), reply_to=message)
