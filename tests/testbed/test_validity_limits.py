"""The campaign file's limits: what holds where it says nothing, and what it cannot mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.campaign import Campaign, CampaignError, read_campaign
from testbed.validity_limits import ValidityLimits

PLAIN = 'name = "c"\nrounds = 1\nclients = 1\n[factors]\ninterface = ["wifi"]\n'


def read(folder: Path, limits: str) -> Campaign:
    file = folder / "c.toml"
    file.write_text(f"{PLAIN}{limits}")
    return read_campaign(file)


def test_a_campaign_that_says_nothing_has_the_documented_limits(tmp_path: Path, repository: Path) -> None:
    documented = (repository / "docs/validity.md").read_text().partition("```toml\n")[2].partition("```")[0]
    assert read(tmp_path, documented).validity == read(tmp_path, "").validity == ValidityLimits()
    keys = {line.partition(" ")[0] for line in documented.splitlines()[1:]}
    assert keys == set(ValidityLimits.model_fields)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("other_load = 0.5", "unknown key validity.other_load. Did you mean other_load_cpu?"),
        ("other_load_cpu = 25", "validity.other_load_cpu = 25: must be less than or equal to 1"),
        ("clock_error_ms = 0", "validity.clock_error_ms = 0: must be greater than 0"),
        ('same_versions = ["flower"]', "'flower' is not known. Did you mean flwr?"),
        ("cut_files = -1", "validity.cut_files = -1: must be greater than or equal to 0"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_told_with_the_nearest(tmp_path: Path, limits: str, said: str) -> None:
    with pytest.raises(CampaignError) as error:
        read(tmp_path, f"[validity]\n{limits}\n")
    assert said in str(error.value)
