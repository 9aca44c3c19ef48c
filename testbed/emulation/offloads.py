"""Switches segmentation offloads off, so that one packet on a link is one frame, and checks that they are.

Source: linux/ethtool.h (ETHTOOL_GTSO …), linux/sockios.h (SIOCETHTOOL); asked through ioctl because the
ethtool program is not on every machine.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from collections.abc import Iterable

from testbed.errors import EmulationError

_SIOCETHTOOL = 0x8946
_OFFLOADS = {"tso": (0x1E, 0x1F), "gso": (0x23, 0x24), "gro": (0x2B, 0x2C)}  # read, write


def switch_off(devices: Iterable[str]) -> None:
    """Switch tso, gso and gro off on devices of this namespace. Raises EmulationError where one stays on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as handle:
        for device in devices:
            for name, (read, write) in _OFFLOADS.items():
                _ask(handle, device, write, 0)
                if _ask(handle, device, read, 0):
                    raise EmulationError(f"{device}: {name} stays on, so packets are not frames. Use another kernel.")


def _ask(handle: socket.socket, device: str, command: int, value: int) -> int:
    data = ctypes.create_string_buffer(struct.pack("=II", command, value), 8)
    request = struct.pack("16sP16x", device.encode(), ctypes.addressof(data))
    fcntl.ioctl(handle, _SIOCETHTOOL, request)
    return int(struct.unpack("=II", data.raw)[1])
