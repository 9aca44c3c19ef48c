"""Which of the closed list's reasons an error is that ended a trial. Pure."""

from __future__ import annotations

from testbed.deployment import TrialError
from testbed.errors import FedprobeError, RemoteTimeoutError, UnreachableError
from testbed.run_folder import DiskFullError
from testbed.validity import Invalid, Reason


def blamed(error: FedprobeError, otherwise: Reason) -> Invalid:
    """The error as a reason against its trial; `otherwise` is that of an error which does not tell."""
    return Invalid(_reason(error) or otherwise, str(error))


def _reason(error: FedprobeError) -> Reason | None:
    match error:
        case TrialError(reason=reason):
            return reason
        case UnreachableError() | RemoteTimeoutError():
            return "node lost"
        case DiskFullError():
            return "not stored"
        case _:
            return None
