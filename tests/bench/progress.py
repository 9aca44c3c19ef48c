"""What the benchmark is doing, on standard error."""

from __future__ import annotations

import sys
import time

_START = time.monotonic()


def say(text: str) -> None:
    """One line, with the seconds since the start."""
    print(f"bench: {time.monotonic() - _START:6.0f} s  {text}", file=sys.stderr, flush=True)
