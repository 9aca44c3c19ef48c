"""Tiers of tests: which run here, which are not collected and why, and which must run or fail.

FEDPROBE_TIERS=long runs the long proofs and nothing else. FEDPROBE_REQUIRE=unit,netns,sshd,flower,browser turns a
skip in one of these tiers into a failure, so that a test that never ran is noticed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Generator

import pytest

TIERS = ("netns", "sshd", "flower", "simulation", "browser", "long")
REQUIRED = {name for name in os.environ.get("FEDPROBE_REQUIRE", "").split(",") if name}
LONG = os.environ.get("FEDPROBE_TIERS") == "long"
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
RAY = importlib.util.find_spec("ray") is not None

REMARKS: list[str] = []  # what a passing test must not keep to itself
_passed: Counter[str] = Counter()
_failed: Counter[str] = Counter()


def tier_of(item: pytest.Item) -> str:
    """The tier of a test: its marker's, or "unit"."""
    return next((name for name in TIERS if item.get_closest_marker(name)), "unit")


def absent_tiers() -> list[str]:
    """Tiers that are not collected here, each with what it would take."""
    absent = [] if LONG else ["long (make test-long)"]
    if not RAY:
        absent.append("simulation (Ray: make test-flower-versions)")
    if not os.environ.get("FEDPROBE_RECORDINGS"):
        absent.append("recordings of real devices (FEDPROBE_RECORDINGS=DIR)")
    return [*absent, "netem (a kernel that has it)", "hardware (a Raspberry Pi)"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of this run; a machine that lacks what a tier needs skips it."""
    items[:] = [item for item in items if bool(item.get_closest_marker("long")) == LONG]
    items[:] = [item for item in items if RAY or not item.get_closest_marker("simulation")]
    root = sys.platform == "linux" and os.geteuid() == 0
    for item in items:
        if item.get_closest_marker("netns") and not root:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root on Linux: sudo make test"))
        if item.get_closest_marker("sshd") and SSHD is None:
            item.add_marker(pytest.mark.skip(reason="no sshd on this machine: apt install openssh-server"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count what passed; a skip in a required tier is a failure."""
    report = yield
    tier = tier_of(item)
    if report.skipped and tier in REQUIRED:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, but FEDPROBE_REQUIRE names {tier}: {report.longrepr}"
    if report.passed and report.when == "call":
        _passed[tier] += 1
    if report.failed:
        _failed[tier] += 1
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for the tiers that ran, one for those that cannot here."""
    ran = ", ".join(f"{tier} {_passed[tier]} passed" for tier in ("unit", *TIERS) if _passed[tier])
    terminalreporter.write_line(f"tiers: {ran or 'none'}")
    for remark in REMARKS:
        terminalreporter.write_line(remark)
    terminalreporter.write_line(f"not collected here: {'; '.join(absent_tiers())}")


def pytest_unconfigure() -> None:
    """The long proofs end with the line that scripts read."""
    if LONG:
        passed, failed = sum(_passed.values()), sum(_failed.values())
        print(f"RESULT {json.dumps({'passed': passed, 'failed': failed, 'ok': passed > 0 and failed == 0})}")
