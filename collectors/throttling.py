"""Was a processor slowed down? The Pi's firmware flags, the kernel's counts of thermal events, the temperature."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from collectors.protocol import Reading, Site
from instrument.metrics import checked

VCGENCMD_EVERY_TICKS = 10  # a process of its own, 5 ms on a Pi 4
COMMAND_S = 5.0
SYSFS = Path("/sys")
FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"


class Throttling:
    """One reading a tick, subject "host"; what the host has no sensor for is left out, never zero.

    The firmware is asked through sysfs where the kernel has its file, else with vcgencmd, first and at every tenth
    tick: its flags of what has been since the start tell what was between.
    """

    def __init__(self, site: Site | None = None, *, sysfs: Path = SYSFS) -> None:
        del site  # every poller is made alike
        self._sysfs = sysfs
        self._ticks = 0

    def read(self) -> Iterable[Reading]:
        """The reading; none where the host tells nothing."""
        asks = self._ticks % VCGENCMD_EVERY_TICKS == 0
        self._ticks += 1
        found: dict[str, int | float | None] = {
            "system_temperature_celsius": temperature_celsius(self._sysfs),
            "system_cpu_throttle_events": throttle_events(self._sysfs),
            "system_throttled_flags": self._flags(ask=asks),
        }
        values = {name: value for name, value in found.items() if value is not None}
        return [Reading("host", checked(values))] if values else []

    def _flags(self, *, ask: bool) -> int | None:
        flags = parse_firmware_flags(_text(self._sysfs / FIRMWARE))
        if flags is None and ask:
            return parse_throttled(printed_by(["vcgencmd", "get_throttled"]))
        return flags


def parse_throttled(said: str | None) -> int | None:
    """The flags of `vcgencmd get_throttled`, which prints `throttled=0x50005`; None for anything else.

    Source: Raspberry Pi documentation, "vcgencmd": bits 0 to 3 are now, 16 to 19 since the start.
    """
    found = re.search(r"^throttled=(0x[0-9a-fA-F]+)\s*$", said or "", re.MULTILINE)
    return None if found is None else int(found[1], 16)


def parse_firmware_flags(text: str | None) -> int | None:
    """The same flags as Raspberry Pi kernels show them in sysfs: `50005`; None for anything else.

    Source: drivers/firmware/raspberrypi.c of the Raspberry Pi kernel, get_throttled_show: "%x".
    """
    return int(text, 16) if text and re.fullmatch(r"[0-9a-f]{1,8}", text) else None


def temperature_celsius(sysfs: Path = SYSFS) -> float | None:
    """The hottest of the host's zones. Source: the kernel's sysfs-class-thermal, millidegrees Celsius."""
    texts = [_text(file) for file in sysfs.glob("class/thermal/thermal_zone*/temp")]
    return max((int(text) / 1000 for text in texts if text and text.lstrip("-").isdigit()), default=None)


def throttle_events(sysfs: Path = SYSFS) -> int | None:
    """How often any core or package was too hot since the start; None where the kernel does not count.

    Source: arch/x86/kernel/cpu/mce/therm_throt.c, core_throttle_count and package_throttle_count.
    """
    texts = [_text(file) for file in sysfs.glob("devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")]
    counts = [int(text) for text in texts if text and text.isdigit()]
    return sum(counts) if counts else None


def printed_by(argv: list[str]) -> str | None:
    """What a program prints; None where the host does not have it, or it fails."""
    program = shutil.which(argv[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return None
    try:
        done = subprocess.run([program, *argv[1:]], capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip() or None
    except OSError:
        return None
