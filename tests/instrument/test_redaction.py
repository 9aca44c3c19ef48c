"""What is written of command lines and environments: what is known to be harmless, and no secret."""

from __future__ import annotations

import pytest

from instrument.identity import ROLES
from instrument.redaction import RECORDED_OPTIONS, recorded_argv, recorded_settings, recorded_text, recorded_variables

SECRET = "s3cr3t"
PEM = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--token", SECRET],
        [f"--token={SECRET}"],
        ["--insecure", SECRET],
        ["--auth-supernode-private-key", f"/keys/{SECRET}"],
        ["--an-option-of-the-next-flower", SECRET],
        ["--database", f"postgresql://user:{SECRET}@host/db"],
        ["--superlink", f"https://user:{SECRET}@host:8000"],
        ["--superlink", f"https://{SECRET}@host:8000"],
        ["--node-config", f"partition-id=0 api-token='{SECRET} and' num-partitions=2"],
        ["--node-config", f'password="{SECRET}"'],
        [f"--node-config=passphrase: {SECRET}"],
        ["--node-config", PEM],
        [f"-p{SECRET}"],
        [f"--{SECRET.upper()}"],
        [SECRET],
    ],
)
@pytest.mark.parametrize("program", [["flower-supernode"], ["python3", "/venv/bin/flower-supernode"]])
def test_no_secret_is_written_of_a_command_line(program: list[str], words: list[str]) -> None:
    kept = recorded_argv([*program, *words, "--port", "9094"], ROLES)
    assert SECRET not in str(kept).lower()
    assert kept[: len(program)] == program
    assert kept[-2:] == ["--port", "9094"]


def test_what_says_how_a_program_ran_is_kept() -> None:
    argv = [
        *("/venv/bin/python", "/venv/bin/flower-supernode", "--insecure", "--superlink", "198.51.100.1:8000"),
        *("--node-config", "partition-id=0 num-partitions=2", "--isolation=process"),
    ]
    assert recorded_argv(argv, ROLES) == argv
    collectors = ["python3", "-m", "collectors", "--out", "/spool", "--capture", "eth0:8000", "wlan0:8000"]
    assert recorded_argv(collectors, ROLES) == collectors


def test_a_hidden_value_leaves_its_place() -> None:
    argv = ["flwr-clientapp", "--token", SECRET, "--insecure", f"--token={SECRET}"]
    assert recorded_argv(argv, ROLES) == ["flwr-clientapp", "--token", "...", "--insecure", "--token=..."]


def test_no_listed_option_is_named_for_a_secret() -> None:
    assert not [option for option in RECORDED_OPTIONS if any(word in option for word in ("token", "secret", "auth-"))]


def test_settings_are_those_that_change_a_measurement_and_no_secret() -> None:
    environment = {
        "FLWR_TELEMETRY_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
        "FEDPROBE_TRIAL": "t",
        "HOME": "/home",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "FLWR_GITHUB_CLIENT_SECRET": SECRET,
        "FLWR_MODEL_API_KEY": SECRET,
        "FLWR_DATABASE": f"postgresql://user:{SECRET}@host/db",
        "FLWR_OF_THE_NEXT_VERSION": SECRET,
        "FEDPROBE_INFLUX_URL": f"https://user:{SECRET}@host",
    }
    assert recorded_settings(environment) == {
        "FLWR_TELEMETRY_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
        "FEDPROBE_TRIAL": "t",
        "FLWR_GITHUB_CLIENT_SECRET": "...",
        "FLWR_MODEL_API_KEY": "...",
        "FLWR_DATABASE": "...",
        "FLWR_OF_THE_NEXT_VERSION": "...",
        "FEDPROBE_INFLUX_URL": "...",
    }


def test_of_other_variables_the_names_are_written() -> None:
    assert recorded_variables({"https_proxy": f"http://u:{SECRET}@proxy", "OMP_NUM_THREADS": "2"}) == {
        "https_proxy": "...",
        "OMP_NUM_THREADS": "2",
    }


def test_a_text_loses_accounts_pairs_and_keys_and_nothing_else() -> None:
    assert recorded_text(f"http://u:{SECRET}@host/path?x=1") == "http://...@host/path?x=1"
    assert recorded_text(f"kept {PEM}") == "kept ..."
    assert recorded_text("rounds=3 eth0:8000 12:30") == "rounds=3 eth0:8000 12:30"
