"""A run of which nothing can be used is still reported: what failed and why, exit code 3, no traceback."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from scene_checks import FACTS
from synthetic import Scene
from writers import hosts

from instrument.records import encode
from testbed.commands.report import print_report


def run_of_one(run: Path, outcome: str, spool: str) -> Path:
    """A run folder with one trial that failed, whose spool is "missing", "empty", "cut" or "server only"."""
    trial = run / "trials" / "000-5g-r1"
    trial.mkdir(parents=True)
    facts = replace(FACTS, name="000-5g-r1", interface="5g", outcome=outcome, reason="pi3: no answer for 30 s")
    (trial / "trial.json").write_text(json.dumps(asdict(facts)), encoding="utf-8")
    if spool != "missing":
        (trial / "spool").mkdir()
    if spool == "cut":
        (trial / "spool" / "pi1-flower-supernode-7-8.jsonl").write_text('{"kind": "segm', encoding="utf-8")
    if spool == "server only":
        (link,) = Scene(nodes=hosts(1)).records().role("flower-superlink")
        (trial / "spool" / "server-flower-superlink-7-8.jsonl").write_text(
            f"{encode(link.header)}\n", encoding="utf-8"
        )
    return run


@pytest.mark.parametrize("outcome", ["invalid", "unfinished"])
@pytest.mark.parametrize("spool", ["missing", "empty", "cut", "server only"])
def test_a_run_without_a_usable_trial_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], outcome: str, spool: str
) -> None:
    run = run_of_one(tmp_path / "run", outcome, spool)
    assert print_report([run], as_json=False, write=True) == 3
    printed = " ".join(capsys.readouterr().out.split())
    assert f"trial 000-5g-r1 is {outcome}: pi3: no answer for 30 s; nothing is left for 5g" in printed
    assert (run / "report" / "report.html").exists()
    assert print_report([run], as_json=True, write=True) == 3
    document = json.loads(capsys.readouterr().out)
    (trial,) = document["trials"]
    assert (trial["outcome"], trial["reason"], trial["compared"]) == (outcome, "pi3: no answer for 30 s", False)
    assert document["phases"] == document["ratios"] == document["share"] == {}
    assert {verdict["severity"] for verdict in document["verdicts"] if verdict["rule"] == "nothing_measured"} == {
        "unfit"
    }
