"""The probes against packets: t_u and t_d beside tcpdump at both ends of the same transfers.

The hosts of the emulated testbed share one wall clock (only their monotonic clocks differ), so that packet stamps of
two hosts can be compared directly. Four clients contend here; `fedprobe selftest` measures one on each link.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest

from analysis.load import load_spools
from instrument.records import Capture
from testbed.selftest.reference import compared
from tests.campaign.conftest import ROUNDS, Ran

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]
NODES = ("pi1", "pi2", "pi3", "pi4")
CELL = {
    "networks": dict.fromkeys(NODES, ""),
    "rates_bit_per_s": {},
    "delay_ns": 0,
    "arrays": [1],
    "tls": False,
    "shared_wall_clock": True,
}


@pytest.mark.parametrize("network", ["5g", "wifi"])
def test_probe_and_packets_agree(quickstart_run: Ran, network: str) -> None:
    """The means within 1 %, the worst transfer within 5 % or 30 ms."""
    rows = compared(_trial_of(quickstart_run.folder, network), cell=CELL)
    for direction in ("uplink", "downlink"):
        ours = [row for row in rows if row.direction == direction]
        assert len(ours) == len(NODES) * ROUNDS
        errors_s = [row.estimates["headline"] - row.wire_s for row in ours]
        assert abs(fmean(errors_s)) <= 0.01 * fmean(row.wire_s for row in ours), (direction, errors_s)
        for row, error_s in zip(ours, errors_s, strict=True):
            assert abs(error_s) <= max(0.05 * row.wire_s, 0.030), (row, error_s)


def _trial_of(run: Path, network: str) -> Path:
    return next(path for path in (run / "trials").iterdir() if f"-{network}-" in path.name)


def test_no_packet_was_dropped_by_the_capture(quickstart_run: Ran) -> None:
    captures = [
        record
        for folder in (quickstart_run.folder / "trials").iterdir()
        for _, record in load_spools(folder / "spool").of(Capture)
    ]
    assert len(captures) == 3 * 5
    assert all(capture.dropped == 0 and capture.packets for capture in captures)
