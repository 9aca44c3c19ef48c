"""SuperNode authentication by real Flower processes: whose key is registered is taken, and nobody else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from deployments import launcher, segments_of

from instrument.records import Serve
from testbed.authentication import new_supernode_key
from testbed.loopback import Loopback, free_port

pytestmark = pytest.mark.flower
GIVES_UP_S = 90


@dataclass(frozen=True)
class Refusals:
    """How each stranger ended, and what the SuperLink answered to every attempt to become active."""

    ended: dict[str, subprocess.CompletedProcess[str]]
    activations: Counter[int | None]
    modes: dict[str, int]
    left: list[Path]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Refusals:
    """One deployment with a SuperNode of its own, at which three strangers try."""
    folder = tmp_path_factory.mktemp("authentication")
    key = folder / "stranger.key"
    key.touch(mode=0o600)
    key.write_text(new_supernode_key().private, encoding="ascii")
    certificates = folder / "certificates"
    trusting = ("--root-certificates", str(certificates / "authority.pem"))
    strangers = {
        "unregistered": (*trusting, "--auth-supernode-private-key", str(key)),
        "without a key": trusting,
        "plaintext": ("--insecure",),
    }
    with Loopback(1, folder, launcher(folder / "spool"), security="tls+supernode-auth") as deployment:
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in certificates.iterdir()}
        ended = {name: _tried(deployment.address, options) for name, options in strangers.items()}
    served = [
        record
        for segment in segments_of(folder / "spool")
        for record in segment.records
        if isinstance(record, Serve) and record.path.endswith("/activate-node")
    ]
    return Refusals(
        ended=ended,
        activations=Counter(record.status for record in served),
        modes=modes,
        left=list(certificates.rglob("*")),
    )


def _tried(address: str, options: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """A SuperNode of somebody else's, which gives up after its second try."""
    program = Path(sys.executable).parent / "flower-supernode"
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    return subprocess.run(
        [
            *(program, *options, "--superlink", address, "--port", str(free_port())),
            *("--max-retries", "1", "--isolation", "process"),  # whose SuperExec would outlive it
        ],
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
        timeout=GIVES_UP_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("stranger", "reason"),
    [
        ("unregistered", "Failed to activate SuperNode"),
        ("without a key", "SuperNode authentication is enabled"),
        ("plaintext", "Giving up reconnection"),
    ],
)
def test_a_stranger_is_refused_and_ends(refusals: Refusals, stranger: str, reason: str) -> None:
    assert refusals.ended[stranger].returncode != 0
    assert reason in refusals.ended[stranger].stderr


def test_the_superlink_took_its_own_supernode_and_no_other(refusals: Refusals) -> None:
    assert refusals.activations[200] == 1
    assert refusals.activations.total() == 2  # the unregistered one was heard, and refused


def test_keys_were_for_their_owner_alone_and_are_gone(refusals: Refusals) -> None:
    assert {"key.pem", "supernode-0.key"} <= refusals.modes.keys()
    assert set(refusals.modes.values()) == {0o600}
    assert refusals.left == []
