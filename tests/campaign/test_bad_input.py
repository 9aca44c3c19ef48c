"""What a user can get wrong: one message with the fact, the cause and the next step; exit 2 or 1; no traceback."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cli import main
from tests.campaign.conftest import SMALL, fedprobe

GOOD = SMALL.format(rounds=1, clients=1, interface="5g", app="fl_app", validity="")
CRASH = '[fault.crash]\nkind = "kill"\nprocess = "supernode"\n'


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """Run a command in this process; returns what it said on stderr."""
    assert main(arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("fedprobe: ")
    first, *others = said.err.splitlines()
    assert all(line.startswith("  ") for line in others), "one message; of several mistakes each on a line of its own"
    assert not others or first.endswith(f"{len(others)} mistakes:")
    return said.err


def campaign(tmp_path: Path, text: str) -> str:
    path = tmp_path / "campaign.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("rounds =", "ronds ="), ["ronds", "rounds"]),
        (
            GOOD.replace("[factors]\ninterface", "[factors]\ninterfaces"),
            ["factors.interfaces", "Did you mean interface?"],
        ),
        (GOOD.replace("[workload]", "[workloads]"), ["workloads", "Did you mean workload?"]),
        (GOOD.replace('["5g"]', '["4g"]'), ["'4g'", "Did you mean 5g?"]),
        (GOOD.replace('["5g"]', "[]"), ["factors.interface = [] is empty", "at least one"]),
        (GOOD.replace('["5g"]', '["5g"]\n"testbed.trace.5g" = ["nowhere.csv"]'), ["nowhere.csv"]),
        (GOOD.replace('["5g"]', '["wifi"]\n"testbed.trace.wifi" = ["nowhere.csv"]'), ["half-duplex"]),
        (f"{GOOD}{CRASH}", ["[fault.crash] is asked for by no level", "take the table out"]),
        (GOOD.replace('["5g"]', '["5g"]\nfault = ["crsh"]') + CRASH, [".toml: factors.fault", "Did you mean crash?"]),
        (GOOD.replace('["5g"]', '["5g", "5g"]'), ["twice"]),
        (GOOD.replace("clients = 1", "clients = 0"), ["clients = 0", "greater than or equal to 1"]),
        (GOOD.replace("clients = 1", 'clients = "many"'), ["clients = 'many'", "integer"]),
        (GOOD.replace("rounds = 1", ""), ["rounds is missing"]),
        (GOOD.replace("flower-superlink", "flower-superlnk"), ["flower-superlnk", "flower-superlink"]),
        (GOOD.replace('"fl_app"', '"nowhere"'), ["nowhere", "pyproject.toml"]),
        (GOOD + "\n[testbed]\nkind = 'inventory'\n", ["testbed.inventory"]),
        (GOOD + "\n[testbed]\nkind = 'inventory'\ninventory = 'lab.toml'\n", ["lab.toml"]),
        (GOOD + "\n[collect]\nbaseline_s = 1\n", ["collect.baseline_s = 1", "greater than or equal to 2"]),
        (
            GOOD + "\n[convergence]\ntarget_accuracy = 1.5\n",
            ["convergence.target_accuracy = 1.5", "less than or equal to 1"],
        ),
        (GOOD + "\n[convergence]\ntarget = 0.9\n", ["convergence.target", "Did you mean target_accuracy?"]),
        (GOOD + "\n[convergence]\nmin_delta = 0.1\n", ["names neither target_accuracy nor patience"]),
        (
            GOOD.replace("[workload]", "[workload]\nsettings = { workload = 'payload' }")
            + "\n[convergence]\npatience = 1\n",
            ["learns nothing"],
        ),
        ("rounds = = 1", ["not TOML"]),
    ],
)
def test_a_wrong_campaign_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, expected: list[str]
) -> None:
    said = refused(capsys, "run", campaign(tmp_path, text), "--out", str(tmp_path / "out"))
    for part in ["campaign.toml", *expected] if "lab.toml" not in expected else expected:
        assert part in said
    assert not (tmp_path / "out").exists()


LAB = """
name = "lab"
known_hosts = "known_hosts"
[defaults]
key = "key"
[defaults.devices]
wifi = "wlan0"
[server]
name = "server"
management = "server.lab"
interfaces = { wifi = "198.51.100.1" }
[[nodes]]
name = "pi[1-3]"
management = "pi[1-3].lab"
interfaces = { wifi = "198.51.100.11" }
"""


@pytest.mark.parametrize(
    ("inventory", "interface", "expected"),
    [
        (LAB, "wifi", ["lab.toml", "/key", "no such file", "ssh-keygen"]),
        (LAB.replace("pi[1-3]", "server", 1), "wifi", ["'pi[1-3].lab': is a range of 3 beside 1 by name"]),
        (LAB.replace('"198.51.100.11"', '"198.51.100.1"'), "wifi", ["198.51.100.1 is used twice", "Give each"]),
        (LAB.replace("known_hosts =", "knwn_hosts ="), "wifi", ["knwn_hosts", "Did you mean known_hosts?"]),
        ("name = \n[server]", "wifi", ["lab.toml", "not TOML", "line 1"]),
    ],
)
def test_a_wrong_inventory_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inventory: str, interface: str, expected: list[str]
) -> None:
    (tmp_path / "lab.toml").write_text(inventory, encoding="utf-8")
    text = GOOD.replace("5g", interface) + "\n[testbed]\nkind = 'inventory'\ninventory = 'lab.toml'\n"
    said = refused(capsys, "run", campaign(tmp_path, text), "--out", str(tmp_path / "out"))
    for part in expected:
        assert part in said
    assert not (tmp_path / "out").exists()


def test_a_campaign_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refused(capsys, "run", str(tmp_path / "none.toml"))
    assert "no such file" in refused(capsys, "run", "quickstrat")


@pytest.mark.parametrize("rate", ['"fast"', "-1", "0", "true"])
def test_a_rate_that_is_not_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], repository: Path, rate: str
) -> None:
    profiles = (repository / "testbed" / "profiles.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(profiles.replace("value = 20_000_000", f"value = {rate}"), encoding="utf-8")
    text = GOOD + "\n[testbed]\nprofiles = 'mine.toml'\n"
    said = refused(capsys, "run", campaign(tmp_path, text), "--out", str(tmp_path / "out"))
    assert "mine.toml" in said
    assert "ceil_bit_per_s" in said


def test_an_output_folder_that_is_there_already(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("do not touch")
    said = refused(capsys, "run", campaign(tmp_path, GOOD), "--out", str(tmp_path / "out"))
    assert "exists already" in said
    assert (tmp_path / "out" / "precious").read_text() == "do not touch"
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_nothing_to_report_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "report", str(tmp_path / "none"))
    refused(capsys, "report", str(tmp_path))


def test_a_command_that_cannot_be_instrumented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no command" in refused(capsys, "instrument", "--out", str(tmp_path / "spool"))
    assert "no such program" in refused(
        capsys, "instrument", "--out", str(tmp_path / "spool"), "--", "flower-superlnk"
    )


def test_dry_run_plans_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "quickstart", "--dry-run"]) == 0
    planned = capsys.readouterr().out
    assert len(re.findall(r"^  .*\d{3}-(?:ethernet|wifi|5g)-r1  ", planned, re.MULTILINE)) == 3
    assert not (tmp_path / "runs").exists()
    assert main(["run", "quickstart", "--dry-run"]) == 0
    assert capsys.readouterr().out == planned, "the same seed gives the same order"


def test_a_missing_program_is_named_with_its_package(tmp_path: Path) -> None:
    done = subprocess.run(
        fedprobe("run", campaign(tmp_path, GOOD), "--out", tmp_path / "out"),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": "/nowhere", "FEDPROBE_SYSTEM_PATH": "/nowhere"},
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "apt-get install" in done.stderr or "apt install" in done.stderr


@pytest.mark.netns
def test_without_root_it_says_what_works_without(tmp_path: Path) -> None:
    # a user namespace without a map: nobody, who can yet read this checkout wherever it lies
    unprivileged = ["unshare", "--user", *fedprobe("run", campaign(tmp_path, GOOD), "--out", tmp_path / "out")]
    done = subprocess.run(unprivileged, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "root" in done.stderr
    assert "sudo" in done.stderr
    assert "fedprobe instrument" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def full_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own without a byte to spare."""
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    try:
        with contextlib.suppress(OSError), (folder / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(b"x" * 4096)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.netns
def test_a_full_spool_folder_is_told_before_anything_starts(
    full_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "instrument", "--out", str(full_folder), "--", "true")
    assert "No space left" in said
    assert "--out" in said


@pytest.mark.netns
def test_a_full_disk_for_the_run_folder(full_folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        fedprobe("run", campaign(tmp_path, GOOD), "--out", full_folder / "run"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert "free" in done.stderr or "No space left" in done.stderr


def test_a_run_in_which_no_trial_was_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run" / "trials").mkdir(parents=True)
    assert main(["report", str(tmp_path / "run")]) == 3
    assert "no complete round in 0 trials" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "expected"), [("quickstrat", "Did you mean quickstart?"), ("xyz", "Expected one of convergence, ")]
)
def test_a_campaign_that_is_not_shipped_is_refused_with_the_nearest_that_is(
    capsys: pytest.CaptureFixture[str], name: str, expected: str
) -> None:
    said = refused(capsys, "run", name)
    assert f"{name}: no such file" in said
    assert expected in said
