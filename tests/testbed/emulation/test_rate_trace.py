"""Traces: what each form means over time, at its end, and which files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.emulation.addresses import NETWORKS
from testbed.emulation.profiles import load_profiles
from testbed.emulation.rate_follower import LEAST_BIT_PER_S, Shape, rates_of_step
from testbed.emulation.rate_trace import RateTrace, TraceError, load_trace, parse_csv, parse_deliveries

HEADER = "time_s,downlink_bit_per_s,uplink_bit_per_s\n"
STEPS = f"{HEADER}0,100e6,10e6\n0.5,50e6,5e6\n0.7,0,20e6\n"
FILE = Path("drive.csv")
FRAME_BITS = 1514 * 8


def test_a_row_holds_until_the_next_and_the_last_as_long_as_the_one_before() -> None:
    trace = parse_csv(STEPS, FILE)
    assert trace.period_s == pytest.approx(0.9)
    assert trace.uplink.mean_bit_per_s(0, 100000000) == pytest.approx(10e6)
    assert trace.uplink.mean_bit_per_s(450000000, 550000000) == pytest.approx(7.5e6)
    assert trace.uplink.mean_bit_per_s(750000000, 850000000) == pytest.approx(20e6)
    assert trace.downlink.mean_bit_per_s(750000000, 850000000) == 0
    assert trace.uplink.mean_bit_per_s(850000000, 950000000) == pytest.approx((20e6 + 10e6) / 2)
    one_period = trace.uplink.mean_bit_per_s(0, 900000000)
    assert one_period == pytest.approx(trace.uplink.mean_bit_per_s(9000000000, 9900000000))


def test_one_row_is_a_steady_link() -> None:
    trace = parse_csv(f"{HEADER}0,8e6,1e6\n", FILE)
    assert rates_of_step(trace, 0) == rates_of_step(trace, 12345) == (8_000_000, 1_000_000)


def test_a_mahimahi_line_is_one_full_frame() -> None:
    assert parse_deliveries("1\n", FILE).mean_bit_per_s(0, 10000000000) == pytest.approx(FRAME_BITS * 1000)
    course = parse_deliveries("10\n10\n150\n200\n", FILE)
    assert course.period_ns == 200_000_000
    assert course.mean_bit_per_s(0, 100000000) == pytest.approx(2 * FRAME_BITS / 0.1)
    assert course.mean_bit_per_s(100000000, 190000000) == pytest.approx(1 * FRAME_BITS / 0.09)
    assert course.mean_bit_per_s(0, 200000000) == pytest.approx(4 * FRAME_BITS / 0.2)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=50), st.integers(1, 40))
def test_every_delivery_of_a_repeated_trace_counts_once(times: list[int], periods: int) -> None:
    times_ms = sorted([*times, 3001])
    course = parse_deliveries("\n".join(map(str, times_ms)), FILE)
    carried = course.mean_bit_per_s(0, periods * course.period_ns) * periods * course.period_ns / 1e9
    assert carried == pytest.approx(periods * len(times_ms) * FRAME_BITS)


def test_an_outage_is_one_frame_a_step() -> None:
    assert rates_of_step(parse_csv(STEPS, FILE), 7) == (LEAST_BIT_PER_S, 20_000_000)
    assert LEAST_BIT_PER_S == FRAME_BITS * 10


def test_the_classes_of_a_step_are_the_plans_at_its_rates() -> None:
    shape = Shape(link=load_profiles().links["5g"], network=NETWORKS["5g"], nodes=4, element="nfqueue")
    classes = shape.classes(40_000_000, 8_000_000)
    assert {(one.device, one.ceil_bit_per_s) for one in classes} == {("br0", 40_000_000), ("up0", 8_000_000)}
    assert {one.rate_bit_per_s for one in classes if one.match and one.device == "up0"} == {2_000_000}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the header time_s,"),
        (HEADER, "expected the header time_s,.* and a row or more"),
        ("time,down,up\n0,1,1\n", "expected the header"),
        (f"{HEADER}1,1,1\n", "time_s must begin at 0"),
        (f"{HEADER}0,1,1\n0,1,1\n", "grow from row to row"),
        (f"{HEADER}0,-1,1\n", "line 2: expected three numbers of 0 or more"),
        (f"{HEADER}0,nan,1\n", "line 2: expected three numbers"),
        (f"{HEADER}0,1,1\n1,fast,1\n", "line 3: expected three numbers"),
        (f"{HEADER}0,1,1,9\n", "line 2: expected three numbers"),
        (f"{HEADER}0,1\n", "line 2: expected three numbers"),
    ],
)
def test_a_csv_that_is_no_trace_is_refused(text: str, message: str) -> None:
    with pytest.raises(TraceError, match=message) as raised:
        parse_csv(text, FILE)
    assert str(raised.value).startswith("drive.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "whole number of milliseconds"),
        ("1.5\n", "whole number"),
        ("2\n1\n", "go back"),
        ("0\n0\n", "above 0"),
    ],
)
def test_deliveries_that_are_no_trace_are_refused(text: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        parse_deliveries(text, FILE)


def test_files_are_one_csv_or_two_of_mahimahi(tmp_path: Path) -> None:
    for name, text in (("a.csv", STEPS), ("down", "1\n"), ("up", "4\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert isinstance(load_trace([tmp_path / "a.csv"]), RateTrace)
    both = load_trace([tmp_path / "down", tmp_path / "up"])
    assert both.downlink.mean_bit_per_s(0, 1000000000) == pytest.approx(4 * both.uplink.mean_bit_per_s(0, 1000000000))
    with pytest.raises(TraceError, match=r"absent: cannot be read"):
        load_trace([tmp_path / "absent"])
    with pytest.raises(TraceError, match="3 trace files"):
        load_trace([tmp_path / "a.csv"] * 3)
