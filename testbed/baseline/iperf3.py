"""Reads what `iperf3 --json` prints. Pure.

Source of the format: iperf3(1) and the output of iperf 3.1 to 3.12. iperf3 ends with status 0 also where it could not
connect: only `error` tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbed.errors import FedprobeError


class Iperf3Error(FedprobeError):
    """iperf3 measured nothing, or not to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One TCP transfer as its receiver counted it: what was omitted at its start is in `all_bytes` alone.

    `retransmits` and `congestion_control` are of the sender; None where its kernel or iperf3 does not tell.
    """

    bit_per_s: float
    counted_bytes: int
    counted_s: float
    all_bytes: int
    retransmits: int | None
    congestion_control: str | None
    version: str | None


def parse(text: str) -> Carried:
    """The transfer in a document of a TCP test. Raises Iperf3Error with iperf3's own words."""
    document = _document(text)
    if error := document.get("error"):
        raise Iperf3Error(f"iperf3: {error}")
    end = document.get("end") or {}
    received, sent = end.get("sum_received"), end.get("sum_sent")
    if not isinstance(received, dict) or not isinstance(sent, dict):
        raise Iperf3Error("iperf3 ended without a result, and told no error")
    if not received.get("bytes") or not received.get("seconds"):
        raise Iperf3Error("iperf3 connected, and nothing arrived at the receiver")
    return Carried(
        bit_per_s=received["bytes"] * 8 / received["seconds"],
        counted_bytes=int(received["bytes"]),
        counted_s=float(received["seconds"]),
        all_bytes=sum(int(interval["sum"]["bytes"]) for interval in document.get("intervals", [])),
        retransmits=sent.get("retransmits"),
        congestion_control=end.get("sender_tcp_congestion"),
        version=(document.get("start") or {}).get("version"),
    )


def _document(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        said = " ".join(text.split())[-200:]
        raise Iperf3Error(f"iperf3 printed no JSON: {said or 'nothing at all'}")
    return found
