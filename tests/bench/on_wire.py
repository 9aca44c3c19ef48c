"""By packets at the client, on emulated 5G: what the probes add to a request, to idle polling, to an upload's time.

tcpdump captures in both arms; transfers are found by packets and port alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, mode

from collectors.packets import WireTransfer, read_segments, transfers_on_wire
from instrument.clock import SystemClock, sleep_s
from testbed.deployment import SUPERLINK_PORT
from tests.bench import intervals
from tests.bench.arms import two_arms, two_testbeds
from tests.bench.intervals import Estimate
from tests.bench.progress import say
from tests.bench.rounds import paired_rounds

NETWORK = "5g"
LARGE_BYTES = 1_000_000  # of a round's objects only the model is larger
VARYING_BYTES = 16  # requests of one kind differ by the text of a time and the like


@dataclass(frozen=True, slots=True, kw_only=True)
class WireResult:
    """`t_u_ratio`, `idle_ratio`: with over without. Pairs are (with, without)."""

    t_u_ratio: Estimate
    t_u_s: tuple[float, float]
    idle_ratio: Estimate
    idle_per_s: tuple[float, float]
    added_bytes: Estimate


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one arm's capture shows: seconds between idle requests, bytes of each, seconds of each upload."""

    gaps_s: list[float]
    request_bytes: list[int]
    uploads_s: list[float]


def measure(*, blocks: int, pairs: int, idle_s: float) -> WireResult:
    """`blocks` times two fresh deployments: idle at first, then a cold round and `pairs` of rounds."""
    seen: list[tuple[_Seen, _Seen]] = []
    with two_testbeds(NETWORK) as testbeds:
        for block in range(blocks):
            with two_arms(NETWORK, testbeds, block=block, rounds=pairs + 1, capture=True) as arms:
                start_ns = SystemClock().wall_ns()
                sleep_s(idle_s)
                end_ns = SystemClock().wall_ns()
                paired_rounds(arms, pairs, block=block)
            on, off = (_seen(arm.capture_file(), start_ns, end_ns) for arm in arms)
            if len(on.uploads_s) != len(off.uploads_s):
                raise AssertionError(f"{len(on.uploads_s)} uploads on the wire with, {len(off.uploads_s)} without")
            seen.append((on, off))
            say(
                f"5g: block {block + 1} of {blocks}: t_u {fmean(on.uploads_s):.4f} s with and "
                f"{fmean(off.uploads_s):.4f} s without; {1 / fmean(on.gaps_s):.2f} and {1 / fmean(off.gaps_s):.2f} "
                f"requests a second when idle, of {fmean(on.request_bytes):.0f} and {fmean(off.request_bytes):.0f} B"
            )
    return _result(seen)


def _seen(file: Path, start_ns: int, end_ns: int) -> _Seen:
    transfers = transfers_on_wire(read_segments(file), server_port=SUPERLINK_PORT)
    uploads = [one for one in transfers if one.direction == "uplink" and one.payload_bytes > LARGE_BYTES]
    polls = _polls(transfers, start_ns, end_ns)
    starts = [request.first_payload_wall_ns for request, _ in polls]
    return _Seen(
        gaps_s=[(later - earlier) / 1e9 for earlier, later in pairwise(starts)],
        request_bytes=[request.payload_bytes + response.payload_bytes for request, response in polls],
        uploads_s=[one.wire_time_ns / 1e9 for one in uploads if one.wire_time_ns][1:],
    )


def _polls(transfers: Sequence[WireTransfer], start_ns: int, end_ns: int) -> list[tuple[WireTransfer, WireTransfer]]:
    """Requests and responses of the kind that is most frequent between two moments."""
    within = [one for one in transfers if start_ns <= one.first_payload_wall_ns <= end_ns]
    responses = {(one.local_port, one.exchange): one for one in transfers if one.direction == "downlink"}
    requests = [one for one in within if one.direction == "uplink"]
    typical = mode(one.payload_bytes for one in requests)
    return [
        (one, responses[one.local_port, one.exchange])
        for one in requests
        if abs(one.payload_bytes - typical) <= VARYING_BYTES and (one.local_port, one.exchange) in responses
    ]


def _result(seen: Sequence[tuple[_Seen, _Seen]]) -> WireResult:
    def means(on: Sequence[Sequence[float]], off: Sequence[Sequence[float]]) -> tuple[float, float]:
        return fmean(one for block in on for one in block), fmean(one for block in off for one in block)

    gaps = means([on.gaps_s for on, _ in seen], [off.gaps_s for _, off in seen])
    return WireResult(
        t_u_ratio=intervals.ratio_over_blocks(
            [list(zip(on.uploads_s, off.uploads_s, strict=True)) for on, off in seen]
        ),
        t_u_s=means([on.uploads_s for on, _ in seen], [off.uploads_s for _, off in seen]),
        idle_ratio=intervals.ratio_over_blocks([[(fmean(off.gaps_s), fmean(on.gaps_s))] for on, off in seen]),
        idle_per_s=(1 / gaps[0], 1 / gaps[1]),
        added_bytes=intervals.mean_over_blocks(
            [[size - fmean(off.request_bytes) for size in on.request_bytes] for on, off in seen]
        ),
    )
