"""A run's report cites the self-test that was kept when it began, or says that there was none."""

from __future__ import annotations

import json
from pathlib import Path

from made_trials import made_run

from analysis.document import to_json
from analysis.html import page
from analysis.selftest_cited import FILE, read_selftest, with_selftest
from analysis.summary import summarise
from analysis.terminal import as_text

SIDE = {"headline": {"bias": 0.001, "median_abs": 0.0008, "p95_abs": 0.007, "worst_abs": 0.01, "n": 30}}
RESULT = {
    "made": "2026-01-02T03:04:05+00:00",
    "ok": True,
    "transfers": {"uplink": 30, "downlink": 30},
    "errors": {"limited": {"uplink": SIDE, "downlink": SIDE}},
}


def test_a_good_result_is_cited_everywhere_and_no_verdict() -> None:
    before = summarise(made_run(), made_by={})
    made = with_selftest(before, RESULT)
    assert made.verdicts == before.verdicts
    assert to_json(made)["selftest"]["headline"]["uplink"]["median_abs"] == 0.0008
    for text in (as_text(made), page(made)):
        assert "Self-test of 2026-01-02T03:04:05+00:00 against packets" in " ".join(text.split())


def test_none_and_a_failed_one_are_verdicts() -> None:
    summary = summarise(made_run(), made_by={})
    assert [verdict.rule for verdict in with_selftest(summary, None).verdicts if "selftest" in verdict.rule] == [
        "no_selftest"
    ]
    failed = with_selftest(summary, {**RESULT, "ok": False})
    assert ("warn", "selftest_failed") in [(verdict.severity, verdict.rule) for verdict in failed.verdicts]


def test_what_is_no_result_is_none(tmp_path: Path) -> None:
    assert read_selftest(tmp_path) is None
    for text in ("", "[]", "{}", "{"):
        (tmp_path / FILE).write_text(text)
        assert read_selftest(tmp_path) is None
    (tmp_path / FILE).write_text(json.dumps(RESULT))
    assert read_selftest(tmp_path) == RESULT
