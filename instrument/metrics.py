"""The one registry of sampled metrics: a collector may emit these names only, each with one unit and one type.

Names follow the OpenTelemetry system conventions with `.` written `_` where one exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HOST, PROCESS, INTERFACE = "host", "process", "interface"
_SUBJECTS = {"process": PROCESS, "interface": INTERFACE, "radio": INTERFACE, "tcp": INTERFACE}


@dataclass(frozen=True, slots=True)
class Metric:
    """A sampled quantity: `type` is int for counters and bytes, float for seconds and ratios."""

    name: str
    unit: str
    type: type
    description: str
    source: str

    @property
    def subject(self) -> str:
        """What has this quantity, by the first word of its name: a process, an interface, else the host."""
        return _SUBJECTS.get(self.name.partition("_")[0], HOST)


class UnknownMetricError(KeyError):
    """A collector emitted a name or a type that the registry does not have."""


_ALL = (
    Metric(
        "system_cpu_utilization",
        "1",
        float,
        "share of all cores busy since the last sample, 0 to 1",
        "psutil.cpu_times",
    ),
    Metric("system_load_1m", "1", float, "run-queue length, 1 minute average", "os.getloadavg"),
    Metric("system_cpu_logical_count", "{cpu}", int, "processors of the host", "psutil.cpu_count"),
    Metric(
        "other_cpu_time_s",
        "s",
        float,
        "user and system time of programs that are not the campaign's, since the first reading, cumulative",
        "/proc/PID/stat",
    ),
    Metric("system_temperature_celsius", "Cel", float, "the hottest thermal zone", "/sys/class/thermal"),
    Metric(
        "system_throttled_flags",
        "1",
        int,
        "a Pi's throttling: bits 0 to 3 are now, 16 to 19 since its start",
        "vcgencmd get_throttled, or the firmware's file in sysfs",
    ),
    Metric(
        "system_cpu_throttle_events",
        "{event}",
        int,
        "how often a core or package was too hot, all together, cumulative",
        "/sys/devices/system/cpu/cpu*/thermal_throttle",
    ),
    Metric("system_memory_usage_bytes", "By", int, "memory in use: total less available", "psutil.virtual_memory"),
    Metric(
        "system_memory_available_bytes",
        "By",
        int,
        "memory available without swapping",
        "psutil.virtual_memory",
    ),
    Metric(
        "system_disk_read_bytes",
        "By",
        int,
        "bytes read from all disks, cumulative",
        "psutil.disk_io_counters",
    ),
    Metric(
        "system_disk_write_bytes",
        "By",
        int,
        "bytes written to all disks, cumulative",
        "psutil.disk_io_counters",
    ),
    Metric("disk_free_bytes", "By", int, "free space where the spool lies", "psutil.disk_usage"),
    Metric("process_count", "{process}", int, "the host's Flower processes", "psutil.process_iter"),
    Metric("process_cpu_time_s", "s", float, "user and system time, cumulative", "psutil.Process.cpu_times"),
    Metric("process_memory_rss_bytes", "By", int, "resident set", "psutil.Process.memory_info"),
    Metric(
        "process_disk_read_bytes",
        "By",
        int,
        "bytes read from storage, cumulative",
        "psutil.Process.io_counters",
    ),
    Metric(
        "process_disk_write_bytes",
        "By",
        int,
        "bytes written to storage, cumulative",
        "psutil.Process.io_counters",
    ),
    Metric(
        "process_io_read_bytes",
        "By",
        int,
        "bytes through read calls, sockets included, cumulative",
        "/proc/PID/io rchar",
    ),
    Metric(
        "process_io_write_bytes",
        "By",
        int,
        "bytes through write calls, sockets included, cumulative",
        "/proc/PID/io wchar",
    ),
    Metric(
        "process_connections",
        "{connection}",
        int,
        "established TCP connections",
        "psutil.Process.net_connections",
    ),
    Metric(
        "process_run_queue_wait_s",
        "s",
        float,
        "time its main thread was runnable but not running, cumulative",
        "/proc/PID/schedstat",
    ),
    Metric("interface_rx_bytes", "By", int, "bytes received, cumulative", "psutil.net_io_counters"),
    Metric("interface_tx_bytes", "By", int, "bytes sent, cumulative", "psutil.net_io_counters"),
    Metric("interface_rx_packets", "{packet}", int, "packets received, cumulative", "psutil.net_io_counters"),
    Metric("interface_tx_packets", "{packet}", int, "packets sent, cumulative", "psutil.net_io_counters"),
    Metric("interface_rx_errors", "{packet}", int, "receive errors, cumulative", "psutil.net_io_counters"),
    Metric("interface_tx_errors", "{packet}", int, "send errors, cumulative", "psutil.net_io_counters"),
    Metric(
        "interface_rx_drops",
        "{packet}",
        int,
        "received packets dropped, cumulative",
        "psutil.net_io_counters",
    ),
    Metric(
        "interface_tx_drops",
        "{packet}",
        int,
        "packets dropped before sending, cumulative",
        "psutil.net_io_counters",
    ),
    Metric(
        "clock_wall_less_monotonic_ns",
        "ns",
        int,
        "the wall clock's reading less the monotonic clock's",
        "clock_gettime",
    ),
    Metric("chrony_stratum", "1", int, "chrony's distance from a reference clock", "chronyc -c tracking"),
    Metric(
        "chrony_error_bound_s",
        "s",
        float,
        "how far the wall clock may be off, by chrony: |offset| + root dispersion + root delay / 2",
        "chronyc -c tracking",
    ),
    Metric(
        "chrony_frequency_ppm",
        "ppm",
        float,
        "how fast the clock would run uncorrected",
        "chronyc -c tracking",
    ),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}


def checked(values: Mapping[str, int | float]) -> dict[str, int | float]:
    """The same values. Raises UnknownMetricError for a name not registered or a value of another type."""
    for name, value in values.items():
        metric = METRICS.get(name)
        if metric is None:
            raise UnknownMetricError(f"{name} is not registered in instrument.metrics")
        if type(value) is not metric.type:
            raise UnknownMetricError(
                f"{name}: {value!r} is {type(value).__name__}, registered as {metric.type.__name__}"
            )
    return dict(values)
