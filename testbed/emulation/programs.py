"""Runs the system's own programs for what no library does. Their failure is an error with their own words."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from testbed.errors import EmulationError

TESTBED_VARIABLE = "FEDPROBE_TESTBED"  # marks every process of a testbed, so that none is overlooked
_TIMEOUT_S = 30


def environment(testbed_id: str) -> dict[str, str]:
    """What processes of a testbed are started with: nothing of the caller's but the search path."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {"PATH": f"{path}:/usr/sbin:/sbin", "LANG": "C.UTF-8", TESTBED_VARIABLE: testbed_id}


def output(argv: Sequence[str], *, testbed_id: str, standard_input: str = "") -> str:
    """What a program prints. Raises EmulationError with what it complains about."""
    done = subprocess.run(
        argv,
        input=standard_input,
        env=environment(testbed_id),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise EmulationError(
            f"`{' '.join(argv)}` failed with status {done.returncode}: {done.stderr.strip() or 'no message'}. "
            "The kernel may lack that feature: see the message and `fedprobe testbed status`."
        )
    return done.stdout
