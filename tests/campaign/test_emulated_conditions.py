"""A run under conditions, a trace, Pi-like nodes and a sender in the way, records all of them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from testbed.emulation.cpu_limit import found_controller
from tests.campaign.conftest import fedprobe, ran
from tests.campaign.machine_state import machine_state

pytestmark = [pytest.mark.netns, pytest.mark.long, pytest.mark.timeout(300)]

CAMPAIGN = """\
name = "conditions"
seed = 5
rounds = 1
clients = 1
[factors]
interface = ["5g"]
polling = ["fast"]
[testbed]
profiles = "paper-5g"
trace = { 5g = "drive.csv" }
background = { network = "5g", uplink_bit_per_s = 2_000_000 }
"""
TRACE = "time_s,downlink_bit_per_s,uplink_bit_per_s\n0,60e6,12e6\n1,30e6,6e6\n"


def test_a_run_records_the_conditions_that_it_had(tmp_path: Path) -> None:
    limited = found_controller() is not None
    (tmp_path / "drive.csv").write_text(TRACE, encoding="utf-8")
    campaign = tmp_path / "conditions.toml"
    campaign.write_text(CAMPAIGN + ("pi_cpu = 0.9\n" if limited else ""), encoding="utf-8")
    before = machine_state()
    done = ran(campaign, tmp_path / "run")
    assert done.code in {0, 3}, done.stderr
    assert machine_state() == before

    (file,) = done.folder.glob("trials/*/trial.json")
    trial = json.loads(file.read_text())
    assert trial["outcome"] == "ok", trial["reason"]
    assert trial["link"] is None, "there is no one rate"
    assert trial["settings"]["trace"] == {"file": "drive.csv", "period_s": 2.0}
    assert trial["settings"]["background"]["uplink_bit_per_s"] == 2_000_000
    if limited:
        assert trial["settings"]["pi_like"]["label"] == "Pi-like"
        assert trial["settings"]["pi_like"]["cores"] == 0.9
    emulator = trial["emulator"]
    if emulator["kind"] == "nfqueue":
        assert emulator["delay"] == ("verified" if emulator["delay_late_p99_s"] <= 0.002 else "unverified")
    sent = emulator["background_bit_per_s"]
    assert sent["uplink received"] == pytest.approx(sent["uplink sent"], rel=0.1)
    rates = [line.split(",") for line in (file.parent / "rates.csv").read_text().splitlines()[1:]]
    assert [row[2:] for row in rates[:3]] == [["60000000", "12000000"], ["30000000", "6000000"], rates[0][2:]]

    report = subprocess.run(fedprobe("report", done.folder, "--json"), capture_output=True, text=True, check=False)
    rules = {verdict["rule"] for verdict in json.loads(report.stdout)["verdicts"]}
    assert rules >= {"traced", "background", *(["pi_like"] if limited else [])}
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert "public configuration of the first author" in manifest["profiles"]
