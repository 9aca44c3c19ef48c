"""What a dry run tells: the plan, where its times are from, its power, and what trials ask of their hosts."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from analysis.power import Comparison, smallest_ratio
from testbed.cli import main
from testbed.design.commands_of_trial import commands_of
from testbed.design.dry_run import document
from testbed.design.earlier import earlier_trials
from testbed.design.estimate import BOOT_S, DIGITS_BYTES, GOODPUT, estimate_of, sent_bytes, transfer_s
from testbed.emulation.foreseen import foreseen
from testbed.emulation.profiles import load_profiles
from testbed.prepared import prepare
from testbed.recording_shell import RecordingShell, command_line
from testbed.toml_text import toml_text
from tests.design.campaigns import document as campaign_document

LINKS = load_profiles().links


def written(tmp_path: Path, factors: dict[str, Any], **more: Any) -> Path:
    path = tmp_path / "campaign.toml"
    path.write_text(toml_text(campaign_document(factors, **more)), encoding="utf-8")
    return path


def earlier_trial(run: Path, name: str, *, running_s: int, around_s: int, **facts: Any) -> None:
    """A trial.json of a trial that ended well, its first and last state `around_s` seconds long together."""
    folder = run / "trials" / name
    folder.mkdir(parents=True)
    (folder / "records").write_bytes(b"x" * 1000)
    stamp = "2026-01-01T00:{:02d}:{:02d}.000+00:00"
    times = {"planned": 0, "running": around_s, "stopping": around_s + running_s, "done": around_s + running_s}
    body = {
        "outcome": "ok",
        "interface": "5g",
        "nodes": ["pi1", "pi2"],
        "rounds": 5,
        "settings": {"polling": "stock", "levels": {"interface": "5g"}},
        "entered": {state: stamp.format(*divmod(second, 60)) for state, second in times.items()},
    }
    (folder / "trial.json").write_text(json.dumps({**body, **facts}), encoding="utf-8")


def test_times_of_earlier_trials_like_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    earlier_trial(run, "000-5g-r1", running_s=50, around_s=20)
    earlier_trial(run, "001-5g-r2", running_s=60, around_s=22)
    earlier_trial(run, "002-wifi-r1", running_s=5, around_s=20, interface="wifi")
    earlier_trial(run, "003-5g-r3", running_s=900, around_s=20, outcome="invalid")
    (run / "trials" / "004-5g-r4").mkdir()
    (run / "trials" / "004-5g-r4" / "trial.json").write_text('{"outcome": "ok"')
    found = earlier_trials(run)
    assert len(found) == 3
    prepared = prepare(written(tmp_path, {"interface": ["5g"], "rounds": [10], "clients": [2]}), found)
    (estimate,) = prepared.estimates.values()
    assert estimate.seconds == pytest.approx(21 + 10 * 11)
    assert estimate.source == "2 earlier trials like it"
    assert estimate.size_bytes > 2 * 1000, "twice the rounds are twice the records"


def test_a_trial_that_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    earlier_trial(tmp_path / "run", "000-5g-r1", running_s=50, around_s=20)
    (tmp_path / "run" / "trials" / "000-5g-r1" / "trial.json").write_text("{")
    assert main(["power", "--from", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "trial.json is not JSON" in said
    assert said.count("\n") == 1


def test_the_nearest_earlier_trials_are_taken_and_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    earlier_trial(run, "000-wifi-r1", running_s=50, around_s=10, interface="wifi")
    earlier_trial(run, "001-5g-fast-r1", running_s=5, around_s=10, settings={"polling": "fast"})
    prepared = prepare(written(tmp_path, {"interface": ["5g", "wifi"]}), earlier_trials(run))
    sources = {trial.interface: prepared.estimates[trial.name].source for trial in prepared.trials}
    assert sources == {"wifi": "1 earlier trial like it", "5g": "1 earlier trial on other networks"}
    prepared = prepare(written(tmp_path, {"interface": ["5g"], "clients": [3]}), earlier_trials(run))
    assert next(iter(prepared.estimates.values())).source == "1 earlier trial on other networks"


def test_the_bound_of_an_exchange_is_the_fluid_one() -> None:
    cellular, wifi = LINKS["5g"], LINKS["wifi"]
    alone = transfer_s(cellular, down_bytes=0, up_bytes=1e6, clients=1)
    assert alone == pytest.approx(8e6 / cellular.uplink.ceil_bit_per_s / GOODPUT)
    assert cellular.uplink.capacity_bit_per_s is not None
    many = transfer_s(cellular, down_bytes=0, up_bytes=1e6, clients=10)
    assert many == pytest.approx(10 * 8e6 / cellular.uplink.capacity_bit_per_s / GOODPUT)
    assert wifi.half_duplex_capacity_bit_per_s is not None
    both = transfer_s(wifi, down_bytes=1e6, up_bytes=1e6, clients=10)
    assert both == pytest.approx(20 * 8e6 / wifi.half_duplex_capacity_bit_per_s / GOODPUT)


def test_a_rough_estimate_says_so_and_grows_with_what_it_rests_on(tmp_path: Path) -> None:
    factors = {
        "interface": ["5g"],
        "polling": ["stock", "fast"],
        "clients": [2, 8],
        "workload.settings.fraction-evaluate": [0.0, 1.0],
    }
    prepared = prepare(written(tmp_path, factors))
    found = {tuple(trial.levels.values())[1:]: prepared.estimates[trial.name] for trial in prepared.trials}
    assert all(one.source.startswith("a rough bound: ") for one in found.values())
    assert found["stock", 2, 0.0].seconds > found["fast", 2, 0.0].seconds
    assert found["stock", 8, 0.0].seconds > found["stock", 2, 0.0].seconds
    assert found["stock", 2, 1.0].seconds > found["stock", 2, 0.0].seconds
    assert found["stock", 8, 0.0].size_bytes > found["stock", 2, 0.0].size_bytes


def test_starts_on_an_emulated_testbed_share_its_cores(tmp_path: Path) -> None:
    prepared = prepare(written(tmp_path, {"interface": ["ethernet"], "clients": [8]}))
    (trial,), (asked,) = prepared.trials, prepared.testbeds.values()
    two, four, sixteen = (estimate_of(trial, asked, {}, (), cores=cores).seconds for cores in (2, 4, 16))
    assert two - four == pytest.approx(trial.campaign.rounds * 2 * BOOT_S)
    assert four - sixteen == pytest.approx(trial.campaign.rounds * BOOT_S)


def test_the_bundled_models_size_is_the_apps() -> None:
    from fl_app.workloads.mlp import initial

    assert sum(part.nbytes for part in initial(seed=1)) == DIGITS_BYTES


def test_bytes_of_other_workloads(tmp_path: Path) -> None:
    payload = {"workload": "payload", "payload-down-bytes": "1000,3000", "payload-up-bytes": "500"}
    prepared = prepare(written(tmp_path, {"interface": ["5g"]}, workload={"settings": payload}))
    assert sent_bytes(prepared.campaign, {}) == (2000, 500)
    app = tmp_path / "app"
    app.mkdir()
    (app / "pyproject.toml").write_text("[tool.flwr.app.config]\nnum-server-rounds = 3\n")
    prepared = prepare(written(tmp_path, {"interface": ["5g"]}, workload={"app": "app"}))
    assert sent_bytes(prepared.campaign, {}) is None
    (estimate,) = prepared.estimates.values()
    assert "transfers left out: bytes unknown" in estimate.source
    (asked,) = prepared.testbeds.values()
    assert estimate_of(prepared.trials[0], asked, {}, ()) == estimate


def test_the_document_of_a_budget_and_its_power(tmp_path: Path) -> None:
    asked = written(
        tmp_path,
        {"interface": ["5g", "wifi"], "clients": [2, 4]},
        repetitions=50,
        design={"budget_h": 0.5, "variability": 0.1, "effect": 1.2},
    )
    prepared = prepare(asked)
    from testbed.design.dry_run import variability

    made = document(prepared, variability(prepared, None))
    assert made["budget"]["designed"] == 200
    let_in = made["budget"]["let_in"]
    assert 0 < let_in < 200
    assert let_in % 4 == 0
    assert len(made["trials"]) == len(made["commands"]) == let_in
    assert made["estimate"]["total_s"] <= 0.5 * 3600
    groups, *blocks = made["detectable"]["comparisons"]
    assert groups["smallest"] == smallest_ratio(deviation=0.1, repetitions=let_in // 4)
    assert [one["what"] for one in blocks] == [
        "two levels of interface, within blocks",
        "two levels of clients, within blocks",
    ]
    comparison = Comparison("blocks", cells=4, each=2)
    assert blocks[0]["smallest"] == smallest_ratio(deviation=0.1, repetitions=let_in // 4, comparison=comparison)
    assert json.loads(json.dumps(made)) == made


def test_the_same_file_gives_the_same_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "factorial", "--dry-run", "--json"]) == 0
    first = capsys.readouterr()
    assert main(["run", "factorial", "--dry-run", "--json"]) == 0
    assert capsys.readouterr().out == first.out
    assert first.err == ""
    found = json.loads(first.out)
    assert len(found["trials"]) == 40
    assert {trial["warmup_rounds"] for trial in found["trials"]} == {1}
    assert len(found["testbeds"]) == 2, "one for each number of clients"


def test_a_dry_run_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "factorial", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "factorial: 40 trials of 6 rounds, 2 to 4 clients, order drawn from seed 2504" in said
    assert "of each trial the first round is warm-up" in said
    assert "budget 3 h: all of it fits" in said
    assert "two levels of clients, within blocks: a ratio of 1.1" in said
    assert "flower-superlink --insecure" in said
    assert "num-clients=" in said


def test_every_host_of_a_trial_has_its_commands_and_a_level_reaches_them(tmp_path: Path) -> None:
    factors = {"interface": ["wifi"], "clients": [3], "collect.interval_ms": [500], "priorities.flwr-clientapp": [7]}
    prepared = prepare(written(tmp_path, factors, workload={"settings": {"batch-size": 16}}))
    inventory = foreseen(3, networks=["wifi"], profiles=load_profiles(), seed=1)
    found = commands_of(prepared.trials[0], inventory, prepared.app)
    assert list(found) == ["server", "pi1", "pi2", "pi3"]
    server = "\n".join(found["server"])
    assert "--run-config batch-size=16" in server
    assert "--run-config num-clients=3" in server
    for place, node in enumerate(["pi1", "pi2", "pi3"]):
        lines = "\n".join(found[node])
        assert f"partition-id={place} num-partitions=3" in lines
        assert "--interval-ms 500" in lines
        assert "flwr-clientapp=7" in lines
        assert "--superlink 10.78.2.1:8000" in lines
        assert lines.index("flower-supernode") < lines.index("kill -TERM") < lines.index("# fetch")


def test_a_lab_with_keys_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(
        """
name = "lab"
known_hosts = "known_hosts"
security = "tls+supernode-auth"
[defaults]
environment = { HTTPS_PROXY = "http://user:hunter2@proxy", FEDPROBE_POLLING = "stock" }
[defaults.devices]
wifi = "wlan0"
[server]
name = "server"
management = "server.lab"
interfaces = { wifi = "198.51.100.1" }
[[nodes]]
name = "pi1"
management = "pi1.lab"
interfaces = { wifi = "198.51.100.11" }
""",
        encoding="utf-8",
    )
    lab = {"kind": "inventory", "inventory": "lab.toml"}
    prepared = prepare(written(tmp_path, {"interface": ["wifi"], "clients": [1]}, testbed=lab))
    text = json.dumps(document(prepared, None))
    assert "hunter2" not in text
    assert "PRIVATE KEY" not in text
    assert "flwr supernode register" in text
    assert "--auth-supernode-private-key" in text


@pytest.mark.parametrize(
    "argv", [["echo", "a b"], ["sh", "-c", 'echo "$1"\nexit 0\n', "x", "it's"], ["printf", "%s\\n", "a\\nb"]]
)
def test_a_line_is_what_bash_would_run(argv: list[str]) -> None:
    import subprocess

    line = command_line(argv, env={"NAME": "v 1"}, cwd="/")
    assert "\n" not in line
    direct = subprocess.run(argv, capture_output=True, check=True, cwd="/")
    assert subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout == direct.stdout
    if not any("\n" in word for word in argv):
        assert shlex.split(line)[4:] == argv


def test_a_recording_shell_notes_in_order_and_names_what_it_ends() -> None:
    with RecordingShell("pi1") as shell:
        pid = shell.start(["python", "-m", "collectors"], stdout="/log", stderr="/log", nice=5)
        assert shell.alive(pid)
        assert shell.check(["true"], timeout_s=1, sudo=True).status == 0
        shell.stop_group(pid, grace_s=4)
    assert shell.lines == [
        "nice -n 5 python -m collectors >/log 2>&1 &",
        "sudo -n true",
        "kill -TERM -- -PID  # collectors; KILL after 4 s",
    ]
