"""Round trips, losses and duplicates as ping tells them, of iputils and of busybox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.baseline.ping import PingError, Pings, latency, parse

IPUTILS = """\
PING 10.78.3.1 (10.78.3.1) 56(84) bytes of data.
64 bytes from 10.78.3.1: icmp_seq=1 ttl=63 time=23.5 ms
64 bytes from 10.78.3.1: icmp_seq=2 ttl=63 time=22.041 ms
64 bytes from 10.78.3.1: icmp_seq=4 ttl=63 time=131 ms

--- 10.78.3.1 ping statistics ---
4 packets transmitted, 3 received, 25% packet loss, time 150ms
rtt min/avg/max/mdev = 22.041/58.847/131.000/51.0 ms, pipe 2
"""


def test_replies_are_round_trips_and_what_is_missing_is_lost() -> None:
    found = parse(IPUTILS)
    assert (found.sent, found.received, found.duplicates) == (4, 3, 0)
    assert found.round_trips_ns == [23_500_000, 22_041_000, 131_000_000]
    summary = latency(found)
    assert summary.lost_ratio == 0.25
    assert (summary.min_s, summary.median_s, summary.max_s) == (0.022041, 0.0235, 0.131)


def test_a_second_answer_is_a_duplicate_and_no_round_trip() -> None:
    line = "64 bytes from 10.78.3.1: icmp_seq=2 ttl=63 time=22.041 ms\n"
    twice = IPUTILS.replace(line, f"{line}64 bytes from 10.78.3.9: icmp_seq=2 ttl=63 time=382 ms (DUP!)\n")
    found = parse(twice.replace("3 received,", "3 received, +1 duplicates,"))
    assert found.duplicates == 1
    assert found.round_trips_ns == parse(IPUTILS).round_trips_ns


def test_lines_that_say_anything_else_are_no_round_trips() -> None:
    odd = IPUTILS.replace("time=22.041 ms", "time=22.041 ms: some weird error").replace(
        "\n\n---", "\nno answer yet for icmp_seq=4\nFrom 10.77.3.254 icmp_seq=3 Destination Host Unreachable\n\n---"
    )
    found = parse(odd)
    assert found.round_trips_ns == [23_500_000, 131_000_000]
    assert found.received == 3


def test_with_timestamps_and_host_names() -> None:
    stamped = IPUTILS.replace("64 bytes from 10.78.3.1:", "[1595037214.261953] 64 bytes from server.lab (10.78.3.1):")
    assert parse(stamped) == parse(IPUTILS)


def test_busybox() -> None:
    text = (
        "PING 8.8.8.8 (8.8.8.8): 56 data bytes\n64 bytes from 8.8.8.8: seq=0 ttl=115 time=81.358 ms\n"
        "64 bytes from 8.8.8.8: seq=1 ttl=115 time=39.509 ms\n\n--- 8.8.8.8 ping statistics ---\n"
        "3 packets transmitted, 2 packets received, 33% packet loss\nround-trip min/avg/max = 39.5/60.4/81.3 ms\n"
    )
    assert parse(text) == Pings(sent=3, received=2, duplicates=0, round_trips_ns=[81_358_000, 39_509_000])


def test_nothing_answered() -> None:
    summary = latency(
        parse("--- 10.0.0.1 ping statistics ---\n5 packets transmitted, 0 received, 100% packet loss\n")
    )
    assert (summary.lost_ratio, summary.sent) == (1.0, 5)
    assert summary.median_s is None
    assert summary.p95_s is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it printed nothing"),
        ("ping: connect: Network is unreachable\n", "Network is unreachable"),
        ("5 paquets transmis, 5 reçus, 0% packet loss, time 4006ms\n", "paquets transmis"),
    ],
)
def test_without_statistics_there_is_nothing_to_believe(text: str, expected: str) -> None:
    with pytest.raises(PingError, match=expected):
        parse(text)


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (10, 10), (20, 19), (100, 95), (101, 96)])
def test_the_95th_percentile_is_the_least_that_95_percent_do_not_exceed(count: int, expected: int) -> None:
    times = [number * 1_000_000_000 for number in range(1, count + 1)]
    assert latency(Pings(sent=count, received=count, duplicates=0, round_trips_ns=times[::-1])).p95_s == expected


if RECORDINGS := os.environ.get("FEDPROBE_RECORDINGS"):  # without the folder this tier is not collected

    @pytest.mark.parametrize("file", sorted(Path(RECORDINGS, "08-iperf-irtt-ping").glob("ping_*.txt")), ids=str)
    def test_recordings_of_real_pings(file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        if "locale_fr" in file.name:
            with pytest.raises(PingError):
                parse(text)
            return
        found = parse(text)
        assert 0 <= len(found.round_trips_ns) <= found.received <= found.sent
        assert all(ns > 0 for ns in found.round_trips_ns)
