"""The dashboard of hosts and interfaces: was the testbed itself well while it was measured?"""

from __future__ import annotations

from testbed.dashboards.panels import Dashboard, Kind, Panel
from testbed.dashboards.query import Column, Of, Query

_SCOPE = ("campaign", "scenario", "iface", "node")
_LINK_SCOPE = ("campaign", "scenario", "node")  # iface there is the interface's own, also management
_ROUGH = "A trial's first value may hold what passed since the trial before."


def _lines(
    title: str,
    description: str,
    measurement: str,
    column: Column,
    *,
    by: tuple[str, ...] = ("node",),
    unit: str = "short",
    limit: float | None = None,
    only_where: str = "",
) -> Panel:
    scope = _LINK_SCOPE if measurement == "link" else _SCOPE
    asked = Query(measurement, (column,), by, scope, over_time=True)
    return Panel(
        title, description, Kind.LINES, (asked,), 12, 8, unit=unit, limit=limit, label=by[0], only_where=only_where
    )


def _rate(title: str, description: str, field: str, *, unit: str, times: int = 1) -> Panel:
    column = Column("rate", field, Of.RATE, times=times)
    return _lines(title, f"{description} {_ROUGH}", "link", column, by=("node", "iface"), unit=unit)


HOSTS = Dashboard(
    "fedprobe-hosts",
    "fedprobe: hosts and interfaces",
    "Processors, memory, temperature, interfaces and the collectors themselves, on every host.",
    ("campaign", "scenario", "iface", "node"),
    (
        (
            _lines(
                "Processor",
                "Share of all cores that was busy, average of each interval. Hosts of an emulated testbed show the "
                "one "
                "machine that they share.",
                "system",
                Column("busy", "system_cpu_utilization", Of.MEAN),
                unit="percentunit",
            ),
            _lines(
                "Load",
                "Run-queue length, one minute's average as the kernel tells it. Above the number of cores, work "
                "waits.",
                "system",
                Column("load", "system_load_1m", Of.MAX),
            ),
        ),
        (
            _lines(
                "Processor time of other programs",
                "Cores kept busy by programs that are not the campaign's. What else a machine does makes a trial "
                "invalid above the campaign's limit.",
                "system",
                Column("cores", "other_cpu_time_s", Of.RATE),
            ),
            _lines(
                "Largest process of each role",
                "Resident memory of the largest Flower process of each role: a role may have several processes.",
                "process",
                Column("memory", "process_memory_rss_bytes", Of.MAX),
                by=("node", "role"),
                unit="bytes",
            ),
        ),
        (
            _lines(
                "Memory in use",
                "Total less what is available without swapping.",
                "system",
                Column("memory", "system_memory_usage_bytes", Of.MAX),
                unit="bytes",
            ),
            _lines(
                "Free disk",
                "Where the records are written. A full disk ends a trial.",
                "system",
                Column("free", "disk_free_bytes", Of.MIN),
                unit="bytes",
            ),
        ),
        (
            _lines(
                "Temperature",
                "The hottest zone. Empty where the host has no sensor. A Raspberry Pi slows down from 80 degrees on.",
                "system",
                Column("temperature", "system_temperature_celsius", Of.MAX),
                unit="celsius",
                limit=80,
                only_where="a host with a temperature sensor",
            ),
            _lines(
                "Throttling",
                "A Raspberry Pi's throttling flags as a number, 0 is well: bits 0 to 3 are now, 16 to 19 since its "
                "start. Empty on other hosts.",
                "system",
                Column("flags", "system_throttled_flags", Of.MAX),
                limit=1,
                only_where="a Raspberry Pi",
            ),
        ),
        (
            _rate(
                "Received", "Bits per second of each sampled interface.", "interface_rx_bytes", unit="bps", times=8
            ),
            _rate("Sent", "Bits per second of each sampled interface.", "interface_tx_bytes", unit="bps", times=8),
        ),
        (
            _rate("Received and dropped", "Packets per second.", "interface_rx_drops", unit="pps"),
            _rate("Dropped before sending", "Packets per second.", "interface_tx_drops", unit="pps"),
        ),
        (
            _rate("Receive errors", "Packets per second.", "interface_rx_errors", unit="pps"),
            _rate("Send errors", "Packets per second.", "interface_tx_errors", unit="pps"),
        ),
        (
            _lines(
                "Connections",
                "Established TCP connections of Flower's processes, the most of one process.",
                "process",
                Column("connections", "process_connections", Of.MAX),
                by=("node", "role"),
            ),
            _lines(
                "Lateness of the collectors",
                "How long after its schedule a reading was made, the latest of each interval. Late readings mean "
                "that "
                "the host had no time for its observer.",
                "system",
                Column("late", "collector_late_s", Of.MAX),
                unit="s",
            ),
        ),
    ),
)
