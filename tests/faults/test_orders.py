"""Which hosts are told what, and that a link is left as it was found."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from testbed.emulation.addresses import NETWORKS
from testbed.emulation.profiles import load_profiles
from testbed.emulation.shaping import shaping_plan
from testbed.faults.link_commands import LinkCommands, at_receiver, in_router, slower_classes, slower_device
from testbed.faults.orders import _windows
from testbed.faults.tables import FaultStep

CLASSES = shaping_plan(load_profiles().links["wifi"], NETWORKS["wifi"], 4, "none").classes


def undone(commands: LinkCommands) -> list[list[str]]:
    """What iptables would take away, in the order in which it was added."""
    back = {"-I": "-D"}
    return [[back.get(word, word) for word in one["argv"]] for one in reversed(list(commands.apply))]


@pytest.mark.parametrize("loss_ratio", [None, 0.02])
@pytest.mark.parametrize("addresses", [[], ["10.77.2.1"], ["10.77.2.1", "10.77.2.2"]])
def test_rules_are_taken_back_word_for_word(addresses: list[str], loss_ratio: float | None) -> None:
    commands = in_router(addresses, loss_ratio)
    assert [one["argv"] for one in commands.undo] == undone(commands)
    for address in addresses:
        both = [one["argv"] for one in commands.apply if address in one["argv"]]
        assert [next(word for word in argv if word in {"-s", "-d"}) for argv in both] == ["-s", "-d"]
    assert all(("--probability" in one["argv"]) == (loss_ratio is not None) for one in commands.apply)


def test_on_a_real_host_only_what_it_receives_from_one_address_by_one_device_is_dropped() -> None:
    (one,) = at_receiver("192.0.2.1", "wlan0", None).apply
    assert one["argv"][-8:] == ["-I", "INPUT", "-s", "192.0.2.1", "-i", "wlan0", "-j", "DROP"]


def test_slower_classes_are_those_of_the_nodes_and_come_back_as_the_plan_has_them() -> None:
    commands = slower_classes(CLASSES, ["10.77.2.2"], 0.1)
    (slow,), (back,) = commands.apply, commands.undo
    theirs = [one for one in CLASSES if one.match and one.match[1] == "10.77.2.2"]
    assert len(theirs) == 2
    for text, ratio in ((slow["input"], 0.1), (back["input"], 1.0)):
        lines = text.splitlines()
        assert len(lines) == len(theirs)
        for line, one in zip(lines, theirs, strict=True):
            assert f"classid 1:{one.minor:x} " in line
            assert f"ceil {round(one.ceil_bit_per_s * ratio)}bit" in line


def test_a_real_device_is_slowed_down_by_a_bucket_that_is_taken_away() -> None:
    commands = slower_device("wlan0", 1_000_000)
    assert "1000000bit" in commands.apply[0]["argv"]
    assert commands.undo[0]["argv"] == ["tc", "qdisc", "del", "dev", "wlan0", "root"]


@pytest.mark.parametrize(
    ("values", "windows"),
    [
        ({"duration_s": 10, "down_s": 2, "up_s": 3}, [(0, 2), (5, 7)]),
        ({"duration_s": 11, "down_s": 2, "up_s": 3}, [(0, 2), (5, 7), (10, 11)]),
        ({"duration_s": 1, "down_s": 2, "up_s": 3}, [(0, 1)]),
    ],
)
def test_a_flap_is_down_and_up_in_turns_and_ends_in_time(values: dict[str, Any], windows: list[Any]) -> None:
    made = _windows(FaultStep(kind="flap", **values))
    assert made == windows
    assert all(early[1] < late[0] for early, late in itertools.pairwise(made))
