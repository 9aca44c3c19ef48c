"""The client: sends back what came, with one added, so that no content crosses the network twice."""

from __future__ import annotations

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, _context: Context) -> Message:
    """One round's work, of no length worth naming."""
    came = message.content.array_records["arrays"]
    arrays = ArrayRecord({name: Array(array.numpy() + 1) for name, array in came.items()})
    return Message(RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 1})}), reply_to=message)
