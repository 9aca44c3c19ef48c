"""What a campaign file may say of faults, and how it is told of what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.campaign import Campaign, CampaignError, read_campaign
from testbed.faults.refusals import ready
from testbed.plan import plan_document, plan_of

HEAD = """
name = "faults"
rounds = 3
clients = 2
{testbed}
[factors]
interface = ["ethernet"]
fault = ["none", "it"]
"""
CUT = 'kind = "cut"\ntarget = "pi2"\nduration_s = 5\n'


def read(folder: Path, table: str, *, testbed: str = "", name: str = "it") -> Campaign:
    path = folder / "campaign.toml"
    path.write_text(f"{HEAD.format(testbed='')}\n[fault.{name}]\n{table}\n{testbed}", encoding="utf-8")
    return ready(read_campaign(path), path, None)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('kind = "kil"', "Did you mean kill?"),
        ('kind = "kill"\nproces = "supernode"', "Did you mean process?"),
        ('kind = "kill"\nprocess = "supernod"', "Did you mean supernode?"),
        ('kind = "kill"', "needs process"),
        (f"{CUT}loss_ratio = 0.1", "has no loss_ratio"),
        ('kind = "cut"', "needs duration_s"),
        (CUT.replace("pi2", "pi3"), "Did you mean pi2?"),
        (f"{CUT}at_round = 4", "the campaign has 3 rounds"),
        ('kind = "kill"\nprocess = "superlink"\ntarget = "pi1"', 'write target = "server"'),
        ('kind = "throttle"\ncpu_ratio = 0.5\nduration_s = 5', "Write testbed.pi_cpu"),
        ('kind = "degrade"\nrate_bit_per_s = 1000000\nduration_s = 5', "Write rate_ratio"),
        ('kind = "churn"\nduration_s = 5', "needs leave_per_h"),
        ('kind = "background"\ntrace = "absent.csv"', "No such file"),
        ('kind = "clock"\nstep_ms = 0', "is no step"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(CampaignError) as refused:
        read(tmp_path, table)
    assert words in str(refused.value)
    assert "fault.it" in str(refused.value)


def test_a_level_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="Did you mean iit"):
        read(tmp_path, CUT, name="iit")


def test_a_link_that_follows_a_trace_is_not_degraded(tmp_path: Path) -> None:
    trace = '[testbed.trace]\nethernet = "rates.csv"\n'
    with pytest.raises(CampaignError, match="follows a trace"):
        read(tmp_path, 'kind = "degrade"\nrate_ratio = 0.5\nduration_s = 5', testbed=trace)


def test_every_level_is_a_cell_and_carries_its_own_fault(tmp_path: Path) -> None:
    campaign = read(tmp_path, CUT)
    planned = plan_of(campaign)
    assert sorted(trial.campaign.fault_name for trial in planned) == ["it", "none"]
    under = next(trial for trial in planned if trial.campaign.fault_name == "it")
    assert "-it-" in under.name
    assert [step.kind for step in under.campaign.fault_steps] == ["cut"]
    free = next(trial for trial in planned if trial is not under)
    assert free.campaign.fault_steps == ()
    documents = plan_document(campaign, planned)["trials"]
    assert [document["levels"]["fault"] for document in documents if document["name"] == under.name] == ["it"]


def test_steps_may_be_an_array_and_files_are_beside_the_campaign(tmp_path: Path) -> None:
    (tmp_path / "arrivals.csv").write_text("0,1000\n1,1000\n")
    path = tmp_path / "campaign.toml"
    steps = f'[[fault.it]]\n{CUT}[[fault.it]]\nkind = "background"\ntrace = "arrivals.csv"\n'
    path.write_text(HEAD.format(testbed="") + steps)
    campaign = ready(read_campaign(path), path, None)
    assert [step.kind for step in campaign.fault["it"]] == ["cut", "background"]
    assert campaign.fault["it"][1].trace == str(tmp_path / "arrivals.csv")
