"""What the tests of shells share."""

from __future__ import annotations

from collections.abc import Callable

from testbed.shell import Shell

Opener = Callable[[], Shell]
