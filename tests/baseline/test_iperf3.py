"""What iperf3 printed is what it carried; where it measured nothing its own words are the error."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from testbed.baseline.iperf3 import Iperf3Error, parse

START = {
    "connected": [{"socket": 5, "local_host": "10.77.3.1", "local_port": 40322, "remote_host": "10.78.3.1"}],
    "version": "iperf 3.12",
    "test_start": {"protocol": "TCP", "num_streams": 1, "omit": 1, "duration": 2, "reverse": 0},
}


def interval(start_s: float, moved: int, *, omitted: bool) -> dict[str, Any]:
    one = {"start": start_s, "end": start_s + 1, "seconds": 1.0, "bytes": moved, "omitted": omitted, "sender": True}
    return {"streams": [{"socket": 5, **one}], "sum": one}


def printed(change: Callable[[dict[str, Any]], object] = lambda document: None) -> str:
    """A whole upload of 2 s after an omitted one, with a change."""
    document = {
        "start": START,
        "intervals": [
            interval(0, 3_000_000, omitted=True),
            interval(0, 2_400_000, omitted=False),
            interval(1, 2_400_000, omitted=False),
        ],
        "end": {
            "streams": [],
            "sum_sent": {
                "start": 0,
                "end": 2.0,
                "seconds": 2.0,
                "bytes": 4_800_000,
                "retransmits": 7,
                "sender": True,
            },
            "sum_received": {"start": 0, "end": 2.05, "seconds": 2.05, "bytes": 4_783_333, "sender": True},
            "cpu_utilization_percent": {"host_total": 1.2, "remote_total": 0.4},
            "sender_tcp_congestion": "bbr",
            "receiver_tcp_congestion": "bbr",
        },
    }
    changed = deepcopy(document)
    change(changed)
    return json.dumps(changed, indent="\t")


def test_the_rate_is_the_receivers() -> None:
    found = parse(printed())
    assert found.bit_per_s == 4_783_333 * 8 / 2.05
    assert (found.counted_bytes, found.counted_s) == (4_783_333, 2.05)
    assert (found.retransmits, found.congestion_control, found.version) == (7, "bbr", "iperf 3.12")


def test_what_was_omitted_is_counted_among_all_bytes() -> None:
    assert parse(printed()).all_bytes == 7_800_000


def test_an_older_iperf3_tells_no_congestion_control() -> None:
    def older(document: dict[str, Any]) -> None:
        del document["end"]["sender_tcp_congestion"]
        del document["end"]["sum_sent"]["retransmits"]

    found = parse(printed(older))
    assert (found.retransmits, found.congestion_control) == (None, None)


@pytest.mark.parametrize(
    "words",
    [
        "unable to connect to server: Connection refused",
        "the server is busy running a test. try again later",
        "unable to write to stream socket: Connection reset by peer",  # beside intervals that look whole
    ],
)
def test_an_error_is_raised_in_iperf3s_words_whatever_stands_beside_it(words: str) -> None:
    with pytest.raises(Iperf3Error, match=words):
        parse(printed(lambda document: document.update(end={}, error=words)))
    with pytest.raises(Iperf3Error, match=words):
        parse(printed(lambda document: document.update(error=words)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "nothing at all"),
        ("iperf3: error - unable to connect to server", "printed no JSON: iperf3: error"),
        (printed()[:700], "printed no JSON"),
        ("[1]", "printed no JSON"),
        (printed(lambda document: document.update(end={})), "without a result"),
        (printed(lambda document: document["end"]["sum_received"].update(bytes=0)), "nothing arrived"),
        (printed(lambda document: document["end"]["sum_received"].update(seconds=0)), "nothing arrived"),
    ],
)
def test_output_without_a_result_is_no_measurement(text: str, expected: str) -> None:
    with pytest.raises(Iperf3Error, match=expected):
        parse(text)
