"""An ordinary user, without sudo: the testbed comes up in namespaces of his own, or the one reason is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.emulation.rootless import refusal
from tests.testbed.emulation.ordinary_user import OrdinaryUser, ordinary_user

CAMPAIGN = """
name = "small"
rounds = 1
clients = 2
[factors]
interface = ["wifi"]
polling = ["fast"]
[collect]
capture = true
"""


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"user.max_user_namespaces": "0"}, "sudo sysctl user.max_user_namespaces=15000"),
        ({"kernel.unprivileged_userns_clone": "0"}, "sudo sysctl kernel.unprivileged_userns_clone=1"),
        (
            {"user.max_user_namespaces": "9", "kernel.apparmor_restrict_unprivileged_userns": "1"},
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ({"user.max_user_namespaces": "9", "kernel.unprivileged_userns_clone": "1"}, "seccomp=unconfined"),
        ({}, "(unshare: no)"),
    ],
)
def test_one_reason_is_told_with_its_remedy(switches: dict[str, str], reason: str) -> None:
    said = refusal(switches, "unshare: no")
    assert reason in said
    assert ("sysctl" in said) != ("seccomp" in said)


@pytest.fixture
def user(able: None) -> Iterator[OrdinaryUser]:
    with ordinary_user() as made:
        yield made
        if left := made.processes():
            made.fedprobe("testbed", "down")
        assert left == []


@pytest.fixture
def able_user(user: OrdinaryUser) -> OrdinaryUser:
    done = user.run("unshare", "--user", "--map-root-user", "--pid", "--mount-proc", "--fork", "true")
    if done.returncode:
        pytest.skip(f"this machine lets no ordinary user make such namespaces: {done.stderr.strip()}")
    return user


@pytest.mark.netns
@pytest.mark.parametrize("arguments", [("testbed", "up"), ("run", "quickstart"), ("selftest", "--quick")])
def test_where_user_namespaces_are_forbidden_there_is_one_reason_and_a_remedy(
    able_user: OrdinaryUser, arguments: tuple[str, ...]
) -> None:
    """Forbidden for real, in a user namespace whose own limit is zero."""
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --ambient-caps=-all --inh-caps=-all "$@"'
    wrapped = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps", "sh", "-ec", forbid, "user"]
    done = able_user.run(*wrapped, sys.executable, "-m", "testbed.cli", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("fedprobe: the emulated testbed needs root: ")
    assert "sudo " in line
    assert "sudo sysctl user.max_user_namespaces=15000" in line
    assert "fedprobe instrument" in line


@pytest.mark.netns
@pytest.mark.sshd
def test_a_testbed_is_brought_up_shown_and_taken_down(able_user: OrdinaryUser) -> None:
    up = able_user.fedprobe("testbed", "up", "--nodes", "2")
    assert up.returncode == 0, up.stderr
    assert "without root" in up.stdout
    inventory = Path(up.stdout.splitlines()[-1].removeprefix("inventory: "))
    assert inventory.is_relative_to(able_user.home)
    assert "rootless = true" in inventory.read_text()
    status = able_user.fedprobe("testbed", "status")
    assert "held" in status.stdout, status.stderr
    preflight = able_user.fedprobe("preflight", inventory, "--json")
    assert preflight.returncode == 0, (preflight.stdout, preflight.stderr)
    down = able_user.fedprobe("testbed", "down")
    assert down.returncode == 0, down.stderr
    assert not inventory.exists()
    assert inventory.parent.name not in able_user.fedprobe("testbed", "status").stdout


@pytest.mark.netns
@pytest.mark.sshd
@pytest.mark.flower
def test_a_campaign_runs_there_and_says_that_it_was_without_root(able_user: OrdinaryUser) -> None:
    campaign = able_user.home / "campaign.toml"
    campaign.write_text(CAMPAIGN, encoding="utf-8")
    ran = able_user.fedprobe("run", campaign, "--out", able_user.home / "run")
    (trial,) = (able_user.home / "run" / "trials").iterdir()
    facts = json.loads((trial / "trial.json").read_text())
    assert (facts["outcome"], facts["reason"]) == ("ok", ""), ran.stderr
    assert facts["emulator"]["rootless"] is True
    assert facts["emulator"]["scheduler"] == "other"
    assert facts["emulator"]["delay_late_p99_s"] > 0
    assert "ordinary user's (1 trial)" in ran.stdout
    assert [check for check in facts["checks"] if not check["ok"]] == []


@pytest.mark.netns
@pytest.mark.sshd
def test_a_command_that_is_killed_leaves_nothing_but_what_the_next_one_removes(able_user: OrdinaryUser) -> None:
    process = begun(able_user, "testbed", "up", "--nodes", "3")
    process.kill()
    process.communicate()
    assert able_user.fedprobe("testbed", "up", "--nodes", "1").returncode == 0
    assert able_user.fedprobe("testbed", "down").returncode == 0


@pytest.mark.netns
@pytest.mark.sshd
def test_a_command_that_is_asked_to_end_takes_everything_down(able_user: OrdinaryUser) -> None:
    campaign = able_user.home / "campaign.toml"
    campaign.write_text(CAMPAIGN, encoding="utf-8")
    process = begun(able_user, "run", str(campaign), "--out", "run")
    process.terminate()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "interrupted" in said
    assert able_user.processes() == []


def begun(user: OrdinaryUser, *arguments: str) -> subprocess.Popen[str]:
    """A command of that user whose first hosts are there."""
    process = subprocess.Popen(
        user.command(sys.executable, "-m", "testbed.cli", *arguments),
        env=user.environment,
        cwd=user.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any("sshd" in one for one in user.processes()):
        assert process.poll() is None
    return process
