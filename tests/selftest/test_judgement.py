"""The self-test's arithmetic and its limits, on rows made up with errors that are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.emulation.profiles import parse_profiles
from testbed.selftest.cells import MBIT, Batch, full, laboratory, profile_text, quick
from testbed.selftest.conduct import campaign_of, planned
from testbed.selftest.judgement import document_of, errors_of, is_limited, verdicts_of
from testbed.selftest.reference import Compared
from testbed.selftest.table import print_result


def row(
    error: float = 0.0, *, wire_s: float = 1.0, direction: str = "uplink", rate: int | None = 20 * MBIT
) -> Compared:
    return Compared(
        trial="000",
        node="pi1",
        round=1,
        direction=direction,
        rate_bit_per_s=rate,
        delay_ns=0,
        arrays=1,
        tls=False,
        payload_bytes=1,
        objects=6,
        reference="both ends",
        wire_s=wire_s,
        estimates={"headline": wire_s * (1 + error), "request_span": wire_s * 1.5},
        application_read_s=0.0,
    )


def both(error: float, n: int = 40) -> list[Compared]:
    return [row(error, direction=direction) for direction in ("uplink", "downlink") for _ in range(n)]


def test_errors_are_shares_of_the_wires_time() -> None:
    made = errors_of([row(0.01), row(-0.03), row(0.02, wire_s=2.0)], "headline")
    assert made is not None
    assert made.bias == pytest.approx(0.0)
    assert made.median_abs == pytest.approx(0.02)
    assert made.worst_abs == pytest.approx(0.03)
    assert made.bias_s == pytest.approx((0.01 - 0.03 + 0.04) / 3)
    assert made.n == 3
    assert errors_of([row()], "fit_minus_client") is None


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=30), st.randoms())
def test_the_order_of_transfers_does_not_matter(errors: list[float], random) -> None:
    rows = [row(error) for error in errors]
    shuffled = random.sample(rows, len(rows))
    one, other = errors_of(rows, "headline"), errors_of(shuffled, "headline")
    assert one == other
    assert one is not None
    assert one.median_abs <= one.p95_abs <= one.worst_abs


def test_within_the_limits_there_is_no_verdict() -> None:
    assert verdicts_of(both(0.0049)) == []


@pytest.mark.parametrize(("error", "words"), [(0.0051, "median error is 0.51%"), (0.05, "one transfer in twenty")])
def test_a_missed_limit_is_unfit_and_says_by_how_much(error: float, words: str) -> None:
    found = verdicts_of(both(error))
    assert {verdict.severity for verdict in found} == {"unfit"}
    assert any(words in verdict.finding for verdict in found)


def test_one_wild_transfer_in_forty_is_within_19_of_20_and_two_in_ten_are_not() -> None:
    assert verdicts_of([*both(0.001), row(0.9)]) == []
    assert verdicts_of([*both(0.001, n=8), row(0.9), row(0.9)]) != []


def test_a_gigabit_is_reported_without_a_limit_and_an_unknown_rate_is_held_to_them() -> None:
    assert [is_limited(row(rate=rate)) for rate in (5 * MBIT, 100 * MBIT, 1000 * MBIT, None)] == [
        True,
        True,
        False,
        True,
    ]
    rows = [*both(0.001), *(replace(one, rate_bit_per_s=1000 * MBIT) for one in both(0.5))]
    assert verdicts_of(rows) == []
    document = document_of(rows, [])
    assert document["errors"]["unlimited"]["uplink"]["headline"]["worst_abs"] == pytest.approx(0.5)
    assert len(document["cells"]) == 2


def test_nothing_compared_is_not_good() -> None:
    assert [verdict.severity for verdict in verdicts_of([])] == ["unfit", "unfit"]


def test_the_document_is_json_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    rows = both(0.2)
    document = json.loads(json.dumps(document_of(rows, verdicts_of(rows)), allow_nan=False))
    assert not document["ok"]
    print_result(document)
    text = capsys.readouterr().out
    assert "duration of the whole request" in text
    assert "unfit:" in text


def test_the_full_grid_has_every_cell_and_five_transfers_of_each() -> None:
    cells = {
        (rate, arrays, batch.tls, batch.delay_ns): batch.repeats
        for batch in full()
        for rate in batch.rates.values()
        for arrays in batch.arrays
    }
    assert len(cells) == 4 * 2 * 2 * 2
    assert min(cells.values()) >= 5


@pytest.mark.parametrize("batch", [*quick(), *full(), *laboratory(["ethernet", "5g"])], ids=lambda batch: batch.name)
def test_a_batch_is_a_campaign_that_can_be_run(batch: Batch) -> None:
    campaign = campaign_of(batch)
    assert campaign.rounds == batch.repeats * len(batch.arrays)
    nodes = [f"pi{number + 1}" for number in range(len(batch.networks))]
    assert planned(batch, 0, nodes).networks == dict(zip(nodes, batch.networks, strict=True))


@pytest.mark.parametrize("batch", [*quick(), *full()], ids=lambda batch: batch.name)
def test_its_links_have_the_rate_and_the_delay_and_nothing_else(batch: Batch) -> None:

    links = parse_profiles(profile_text(batch), Path("made")).links
    for network, rate in batch.rates.items():
        for side in (links[network].uplink, links[network].downlink):
            assert (side.ceil_bit_per_s, side.delay_ns, side.jitter_sigma_ns, side.loss_ratio) == (
                rate,
                batch.delay_ns,
                0,
                0.0,
            )
