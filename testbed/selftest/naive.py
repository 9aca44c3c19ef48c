"""What the common ways of timing a federated transfer would have said of the same transfer.

They are here to be compared with, and for nothing else: each is wrong in its own way, and the self-test says by how
much.
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis.joins import JoinedMessage
from analysis.load import SegmentRecords
from analysis.model import MessageTimes
from instrument.records import Span

METHODS: Mapping[str, str] = {
    "created_received": "wall clock, message created to received",
    "fit_minus_client": "time around fit at the server, less the client's",
    "request_span": "duration of the whole request",
    "send_returned": "until send() returned",
}


def naive_estimates(message: JoinedMessage, times: MessageTimes) -> dict[str, dict[str, float]]:
    """Seconds by direction ("uplink", "downlink", "both") and method; what cannot be had is left out."""
    found: dict[str, dict[str, float]] = {"uplink": {}, "downlink": {}, "both": {}}
    for direction, transfer in (("uplink", times.uplink), ("downlink", times.downlink)):
        if transfer is not None:
            views = {"request_span": "rpc_span", "send_returned": "send_returned"}
            found[direction] |= {
                name: transfer.alternatives[view] for name, view in views.items() if view in transfer.alternatives
            }
    side, reply, server = message.node_side, message.reply, message.server_side.server_app
    app = side.client_app if side is not None else None
    if app is None or reply is None:
        return found
    input_span, function = _span(app, "task_input"), _span(app, "app_function")
    if input_span is not None:
        received_ns = _wall_ns(app, input_span.end_mono_ns)
        found["downlink"]["created_received"] = (received_ns - _wall_ns(server, message.dispatch.mono_ns)) / 1e9
    if function is not None:
        created_ns = _wall_ns(app, function.end_mono_ns)
        found["uplink"]["created_received"] = (_wall_ns(server, reply.mono_ns) - created_ns) / 1e9
        around_ns = reply.mono_ns - message.dispatch.mono_ns
        found["both"]["fit_minus_client"] = (around_ns - (function.end_mono_ns - function.start_mono_ns)) / 1e9
    return found


def _span(segment: SegmentRecords, name: str) -> Span | None:
    return next((span for span in segment.of(Span) if span.name == name), None)


def _wall_ns(segment: SegmentRecords, mono_ns: int) -> int:
    """A moment by the host's own wall clock, as an app would have read it."""
    return segment.header.wall_ns + mono_ns - segment.header.mono_ns
