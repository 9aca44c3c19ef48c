"""The priority of one Flower process, where a campaign asks for one.

A nice value alone orders processes of one session only: Linux groups processes by session (autogroup) and shares the
processor between groups first. SuperLink, SuperNodes and ClientApps are in different sessions or should be, so the
group gets the same nice value, and a process that shares its parent's session gets a session of its own.
Source: sched(7), "The autogroup feature".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
PRIORITY = "priority"  # where a fault says that an asked priority is not in force: the report looks for it
ENABLED = Path("/proc/sys/kernel/sched_autogroup_enabled")


def asked_nice(role: str, environment: Mapping[str, str]) -> int | None:
    """The nice value that FEDPROBE_NICE (role=value,...) asks for this role, None where it asks for none.

    Raises ValueError where the value is no number.
    """
    for item in environment.get("FEDPROBE_NICE", "").split(","):
        name, _, value = item.partition("=")
        if name == role:
            return int(value)
    return None


def set_priority(role: str, environment: Mapping[str, str]) -> str | None:
    """Set this process's nice value and its group's; returns why not, where it could not be done.

    Called before any thread is started: a thread keeps the priority it was born with.
    """
    try:
        nice = asked_nice(role, environment)
        if nice is None:
            return None
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        if _groups_by_session():
            if os.getsid(0) != os.getpid():
                os.setsid()
            AUTOGROUP.write_text(str(nice), encoding="ascii")
    except (OSError, ValueError) as error:
        return f"{role}: the asked priority was not set whole: {error}"
    return None


def _groups_by_session() -> bool:
    return AUTOGROUP.exists() and ENABLED.exists() and ENABLED.read_text(encoding="ascii").strip() == "1"
