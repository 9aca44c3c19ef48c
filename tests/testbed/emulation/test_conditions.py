"""Conditions that cannot be are refused before anything is built, each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.campaign import Campaign
from testbed.campaign_conditions import conditions_of
from testbed.campaign_testbed import inventory_of
from testbed.emulation import cpu_limit
from testbed.emulation.background import FRAME_BYTES, Count, frames_due, rate_bit_per_s
from testbed.emulation.conditions import Background, Conditions
from testbed.emulation.profiles import load_profiles
from testbed.errors import FedprobeError, UsageError

LINKS = load_profiles().links
CSV = "time_s,downlink_bit_per_s,uplink_bit_per_s\n0,1e6,1e6\n"


def sender(network: str = "5g", up: int = 1_000_000, down: int = 0) -> Background:
    return Background(network=network, uplink_bit_per_s=up, downlink_bit_per_s=down)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (Conditions(traces={"wifi": [Path("a.csv")]}), "a trace for wifi: it is half-duplex"),
        (Conditions(traces={"4g": [Path("a.csv")]}), "a trace for '4g': this testbed has ethernet, wifi, 5g"),
        (Conditions(traces={"5g": [Path("absent.csv")]}), "absent.csv: cannot be read"),
        (Conditions(background=sender("4g")), "a background sender for '4g'"),
        (Conditions(background=sender(up=0)), "with no rate"),
        (Conditions(background=sender(up=20_000_001)), "20000001 bit/s uplink: one client can have 0 to 20000000"),
    ],
)
def test_what_no_testbed_can_do_is_refused(conditions: Conditions, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        conditions.require_possible(LINKS)
    assert message in str(raised.value)


def test_a_share_is_held_against_the_machine() -> None:
    cpu_limit.require_share(0.5, 4, machine_cores=2)
    with pytest.raises(
        UsageError, match=r"5 nodes with 0\.5 of a core each need 2\.5 cores, and this machine has 2:"
    ):
        cpu_limit.require_share(0.5, 5, machine_cores=2)
    for share in (0.0, 0.03, 2.1, float("nan")):
        with pytest.raises(UsageError, match="of a core: expected"):
            cpu_limit.require_share(share, 1, machine_cores=2)


def test_either_version_of_control_groups_is_found(tmp_path: Path) -> None:
    assert cpu_limit.found_controller(tmp_path) is None
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified/cgroup.controllers").write_text("hugetlb\n")
    assert cpu_limit.found_controller(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.shares").write_text("1024\n")
    assert cpu_limit.found_controller(tmp_path) == cpu_limit.Controller("v1", tmp_path / "cpu")
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2/cgroup.controllers").write_text("cpuset cpu io\n")
    assert cpu_limit.found_controller(tmp_path / "v2") == cpu_limit.Controller("v2", tmp_path / "v2")


@given(st.integers(1, 10**9), st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_sender_is_never_ahead_of_its_rate(bit_per_s: int, one_ns: int, two_ns: int) -> None:
    early, late = sorted((one_ns, two_ns))
    assert frames_due(early, bit_per_s) <= frames_due(late, bit_per_s)
    assert frames_due(late, bit_per_s) * FRAME_BYTES * 8 <= bit_per_s * late / 1e9 + 1e-6


def test_counts_make_a_rate() -> None:
    assert rate_bit_per_s(Count(mono_ns=0, frames=5), Count(mono_ns=10**9, frames=505)) == 500 * 1514 * 8


def campaign(**testbed: object) -> Campaign:
    return Campaign.model_validate(
        {"name": "c", "rounds": 1, "clients": 2, "factors": {"interface": ["5g"]}, "testbed": testbed}
    )


def test_a_campaigns_files_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "drive.csv").write_text(CSV)
    asked = campaign(
        profiles="paper-5g",
        pi_cpu=0.4,
        trace={"5g": "drive.csv"},
        background={"network": "5g", "uplink_bit_per_s": 1000},
    )
    file = tmp_path / "c.toml"
    assert conditions_of(asked, file) == Conditions(
        pi_cpu_cores=0.4,
        traces={"5g": (tmp_path / "drive.csv",)},
        background=Background(network="5g", uplink_bit_per_s=1000, downlink_bit_per_s=0),
    )
    assert inventory_of(asked, file) is None


def test_a_campaign_sweeps_the_networks_of_its_profiles(tmp_path: Path) -> None:
    asked = Campaign.model_validate(
        {
            "name": "c",
            "rounds": 1,
            "clients": 2,
            "factors": {"interface": ["5g", "5g-20mhz", "5g-uplink-43"]},
            "testbed": {"profiles": "paper-5g-sweep"},
        }
    )
    assert inventory_of(asked, tmp_path / "c.toml") is None


@pytest.mark.parametrize(
    ("testbed", "message"),
    [
        ({"profiles": "paper-6g"}, "Did you mean paper-5g"),
        ({"trace": {"ethernet": "drive.csv"}}, "a trace for 'ethernet': this testbed has 5g"),
        (
            {"kind": "inventory", "inventory": "lab.toml", "pi_cpu": 0.4, "profiles": "paper-5g"},
            "testbed.profiles and testbed.pi_cpu: real hosts and networks are as they are",
        ),
    ],
)
def test_a_campaign_that_asks_for_what_cannot_be_is_refused(
    testbed: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FedprobeError) as raised:
        inventory_of(campaign(**testbed), tmp_path / "c.toml")
    assert message in str(raised.value)
    assert raised.value.exit_code == 2
