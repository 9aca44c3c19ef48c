"""What is missing is named with its package, and what works without it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from testbed import capabilities
from testbed.errors import MissingCapabilityError, NeedsRootError


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        capabilities, "find_program", lambda name: None if name in {"sshd", "tc", "ip"} else f"/bin/{name}"
    )
    with pytest.raises(MissingCapabilityError) as raised:
        capabilities.require_programs(capabilities.EMULATION_PROGRAMS, "the emulated testbed")
    assert "sshd (is how the controller reaches every host)" in str(raised.value)
    assert str(raised.value).endswith("apt install iproute2 openssh-server")
    assert raised.value.exit_code == 1


def test_a_program_is_found_where_only_root_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thing").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capabilities.find_program("thing") == str(tmp_path / "thing")
    assert capabilities.find_program("no-such-thing") is None


def test_without_root_the_error_tells_how_to_be_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NeedsRootError, match=r"needs root.*sudo .* -m pytest"):
        capabilities.require_root("the emulated testbed")


def test_another_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(MissingCapabilityError, match="needs Linux and this is darwin"):
        capabilities.require_emulation()
