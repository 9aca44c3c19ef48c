"""The host as a whole: processor, load, memory, disk."""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil

from collectors.protocol import Reading, Site
from instrument.metrics import checked


class Host:
    """One reading of the host a tick. Processor use is since the reading before: the first is since the start."""

    def __init__(self, site: Site) -> None:
        self._spool = str(site.spool)
        self._cpu_s = _busy_and_total_s()

    def read(self) -> Iterable[Reading]:
        """One reading, of subject "host"."""
        memory = psutil.virtual_memory()
        values: dict[str, int | float] = {
            "system_load_1m": float(os.getloadavg()[0]),
            "system_memory_usage_bytes": memory.total - memory.available,
            "system_memory_available_bytes": memory.available,
            "disk_free_bytes": psutil.disk_usage(self._spool).free,
            **self._cpu_utilization(),
            **_disks(),
        }
        return [Reading("host", checked(values))]

    def _cpu_utilization(self) -> dict[str, float]:
        before_busy_s, before_total_s = self._cpu_s
        self._cpu_s = busy_s, total_s = _busy_and_total_s()
        if total_s <= before_total_s:  # read again within one kernel tick of 10 ms: not measured
            return {}
        share = (busy_s - before_busy_s) / (total_s - before_total_s)
        return {"system_cpu_utilization": min(1.0, max(0.0, share))}


def _busy_and_total_s() -> tuple[float, float]:
    """Processor seconds busy and in all. Waiting for a disk is idle; guests are counted in user already.

    Source: proc_stat(5).
    """
    times = psutil.cpu_times()
    total_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total_s - times.idle - getattr(times, "iowait", 0.0), total_s


def _disks() -> dict[str, int]:
    counters = psutil.disk_io_counters(nowrap=False)
    if counters is None:  # a host without disks of its own, such as a container
        return {}
    return {"system_disk_read_bytes": counters.read_bytes, "system_disk_write_bytes": counters.write_bytes}
