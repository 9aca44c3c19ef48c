"""baseline.json as testbed writes it is what analysis reads, and what could not be measured stays unknown."""

from __future__ import annotations

import json
from pathlib import Path

from analysis.baseline import FILE, read_baseline
from testbed.baseline.document import BaselineLink, document
from testbed.baseline.iperf3 import Carried
from testbed.baseline.ping import Latency
from testbed.baseline.plan import Plan

UP = Carried(
    bit_per_s=19_120_000.0,
    counted_bytes=11_950_000,
    counted_s=5.0,
    all_bytes=14_300_000,
    retransmits=3,
    congestion_control="bbr",
    version="iperf 3.12",
)
IDLE = Latency(
    sent=100,
    received=99,
    lost_ratio=0.01,
    duplicates=0,
    min_s=0.022,
    median_s=0.024,
    mean_s=0.025,
    p95_s=0.03,
    max_s=0.04,
)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    links = [
        BaselineLink(
            node="pi10", network="5g", up=UP, latency_idle=IDLE, path_mtu=1400, moved_bytes={"5g": 9, "wifi": 1}
        ),
        BaselineLink(node="pi2", network="5g", moved_bytes={"5g": 4, "wifi": None}, problems=("pi2 has no ping",)),
    ]
    (tmp_path / FILE).write_text(json.dumps(document(links, Plan(load_s=5))), encoding="utf-8")
    found = read_baseline(tmp_path)
    assert found is not None
    assert [link.node for link in found.links] == ["pi2", "pi10"]
    unknown, known = found.links
    assert (known.up_bit_per_s, known.path_mtu) == (UP.bit_per_s, 1400)
    assert known.idle is not None
    assert (known.idle.sent, known.idle.lost_ratio, known.idle.median_s) == (100, 0.01, 0.024)
    assert (known.down_bit_per_s, known.loaded_up) == (None, None)
    assert (unknown.up_bit_per_s, unknown.idle, unknown.path_mtu) == (None, None, None)
    assert unknown.problems == ("pi2 has no ping",)
    assert found.moved_bytes == {"5g": 13}
    assert found.plan["loaded_pings"] == 80


def test_a_run_without_a_baseline_has_none(tmp_path: Path) -> None:
    assert read_baseline(tmp_path) is None


def test_a_file_that_is_something_else_is_told_and_no_link(tmp_path: Path) -> None:
    for text in ("{", "[]", "{}", '{"schema": 99, "links": []}'):
        (tmp_path / FILE).write_text(text, encoding="utf-8")
        found = read_baseline(tmp_path)
        assert found is not None
        assert not found.links
        assert FILE in found.problems[0]
