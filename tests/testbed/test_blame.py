"""Every error that ends a trial is one of the closed list's reasons."""

from __future__ import annotations

import pytest

from testbed.blame import blamed
from testbed.deployment import TrialError
from testbed.errors import EmulationError, FedprobeError, RemoteTimeoutError, UnreachableError
from testbed.run_folder import DiskFullError
from testbed.validity import REASONS, Invalid, as_documents, from_documents


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TrialError("x", reason="time limit"), "time limit"),
        (TrialError("x"), "run failed"),
        (UnreachableError("x"), "node lost"),
        (RemoteTimeoutError("x"), "node lost"),
        (DiskFullError("x"), "not stored"),
        (EmulationError("x"), "not started"),
    ],
)
def test_an_error_is_told_by_its_reason(error: FedprobeError, reason: str) -> None:
    found = blamed(error, "not started")
    assert (found.reason, found.detail) == (reason, "x")
    assert found.reason in REASONS


def test_documents_read_back() -> None:
    found = [Invalid("node lost", "pi3: no answer"), Invalid("other load", "46 %")]
    assert from_documents(as_documents(found)) == found
