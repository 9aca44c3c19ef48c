"""A Flower app that raises while it trains: one clear message, exit 1, and nothing measured is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from instrument.records import Reply, Span
from testbed.foreign_app import write
from tests.campaign.conftest import ran, small_campaign

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]


def test_an_app_that_raises_fails_its_trial_and_keeps_the_records(tmp_path: Path) -> None:
    from analysis.load import load_spools

    app = tmp_path / "app"
    app.mkdir()
    write(app)
    (client,) = app.rglob("client_app.py")
    text = client.read_text()
    assert "def train(" in text
    head, _, tail = text.partition("def train(")
    signature, _, body = tail.partition(":\n")
    client.write_text(f'{head}def train({signature}:\n    raise ValueError("the sensor is unplugged")\n{body}')
    result = ran(small_campaign(tmp_path, clients=2, app=str(app), polling=["fast"]), tmp_path / "run")
    assert result.code == 1
    assert "Traceback" not in result.stderr
    assert "the sensor is unplugged" in result.stderr
    (file,) = result.folder.glob("trials/*/trial.json")
    trial = json.loads(file.read_text())
    assert trial["outcome"] == "invalid"
    assert [one["reason"] for one in trial["reasons"]] == ["run failed"]
    assert "the sensor is unplugged" in trial["reason"]
    records = load_spools(file.parent / "spool")
    assert [reply.error_code for _, reply in records.of(Reply)]
    functions = [span for _, span in records.of(Span) if span.name == "app_function"]
    assert functions
    assert all("unplugged" in (span.error or "") for span in functions)
