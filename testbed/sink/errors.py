"""What can go wrong between a run folder and a database, as one tree.

    FedprobeError
    ├── SinkError               exit 1
    │   ├── AwayError                   it may succeed later: away, busy, full
    │   └── RefusedError                these lines are refused, whoever sends them and whenever
    └── SinkUsageError          exit 2   a wrong address, token, name or option: the user can correct it
        └── AbsentError             there is no such database, or nothing that takes points

No message holds a token: none is ever told one.
"""

from testbed.errors import FedprobeError, UsageError


class SinkError(FedprobeError):
    """A database did not take or give what it was asked to."""


class AwayError(SinkError):
    """It cannot be reached, is busy or is full. `after_s`: how long it asks to be left alone, where it does."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class RefusedError(SinkError):
    """Lines that the server does not take. `status` is HTTP's, `said` what the server says of them."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"refused with {status}: {said}")
        self.status = status
        self.said = said


class SinkUsageError(UsageError):
    """The address, the token, the database's name or an option is wrong."""


class AbsentError(SinkUsageError):
    """The server has no such database, or no such address."""
