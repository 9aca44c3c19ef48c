"""What can go wrong when dashboards are written or installed.

FedprobeError
├── InstallError             exit 1   a server could not be reached, refused, or is another one
└── UsageError
    └── InstallUsageError    exit 2   a token, folder or option that the user can correct
"""

from __future__ import annotations

from testbed.errors import FedprobeError, UsageError


class InstallError(FedprobeError):
    """A server could not be reached, refused what was asked, or is not what it was taken for."""


class InstallUsageError(UsageError):
    """A token, a folder or an option is wrong, and the user can correct it."""
