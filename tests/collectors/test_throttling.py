"""Was a processor slowed down? Files and words as devices have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.throttling import VCGENCMD_EVERY_TICKS, Throttling, parse_firmware_flags

FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"


def sysfs(folder: Path, **files: str) -> Path:
    """A sysfs with these files; `__` stands for the parting of folders."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def vcgencmd(folder: Path, monkeypatch: pytest.MonkeyPatch, *said: str, status: int = 0) -> Path:
    """A vcgencmd that says one thing after another; returns the file in which it counts its calls."""
    calls = folder / "calls"
    for place, words in enumerate(said, start=1):
        (folder / f"said-{place}").write_text(words)
    program = folder / "vcgencmd"
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{calls}\ncat {folder}/said-$(wc -l <{calls}) || true\nexit {status}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return calls


def test_a_host_without_sensors_has_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(Throttling(sysfs=tmp_path).read()) == []


def test_the_kernels_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    files = {
        "class/thermal/thermal_zone0/temp": "48312\n",
        "class/thermal/thermal_zone1/temp": "51000\n",
        "class/thermal/thermal_zone2/temp": "unknown\n",
        "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3\n",
        "devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": "2\n",
        "devices/system/cpu/cpu11/thermal_throttle/core_throttle_count": "1\n",
        "devices/system/cpu/cpu11/thermal_throttle/core_throttle_total_time_ms": "997\n",
        FIRMWARE: "50005\n",
    }
    (reading,) = Throttling(sysfs=sysfs(tmp_path / "sys", **files)).read()
    assert reading.subject == "host"
    assert reading.values == {
        "system_temperature_celsius": 51.0,
        "system_cpu_throttle_events": 6,
        "system_throttled_flags": 0x50005,
    }


def test_vcgencmd_is_asked_first_and_at_every_tenth_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = vcgencmd(tmp_path, monkeypatch, "throttled=0x0\n", "throttled=0x50005\n", "throttled=0x50000\n")
    poller = Throttling(sysfs=tmp_path / "none")
    read = [list(poller.read()) for _ in range(2 * VCGENCMD_EVERY_TICKS + 1)]
    assert [reading.values["system_throttled_flags"] for of in read for reading in of] == [0x0, 0x50005, 0x50000]
    assert [place for place, of in enumerate(read) if of] == [0, VCGENCMD_EVERY_TICKS, 2 * VCGENCMD_EVERY_TICKS]
    assert calls.read_text() == "get_throttled\n" * 3


@pytest.mark.parametrize(("said", "status"), [("VCHI initialization failed\n", 1), ("throttled=0x\n", 0)])
def test_a_vcgencmd_that_cannot_tell_is_no_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, status: int
) -> None:
    vcgencmd(tmp_path, monkeypatch, said, status=status)
    assert list(Throttling(sysfs=tmp_path / "none").read()) == []


@pytest.mark.parametrize(
    ("text", "flags"), [("50005", 0x50005), ("0", 0), ("d0008", 0xD0008), ("", None), (None, None), ("yes", None)]
)
def test_flags_as_the_firmwares_file_has_them(text: str | None, flags: int | None) -> None:
    assert parse_firmware_flags(text) == flags
