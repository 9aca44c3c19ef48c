"""The largest packet that passes a path whole, by trying: what an ICMP message would say is often filtered. Pure."""

from __future__ import annotations

from collections.abc import Callable

IP_HEADER_BYTES = {4: 20, 6: 40}
ICMP_HEADER_BYTES = 8
LEAST_MTU = {4: 576, 6: 1280}  # RFC 1122 section 3.3.3 and RFC 8200 section 5: less than this is no working path


def path_mtu(passes: Callable[[int], bool], *, device_mtu: int, version: int) -> int | None:
    """The largest size in bytes, IP header included, for which `passes` holds; None where even the least does not.

    Nothing larger than the device's own MTU is tried. It is asked once for a path without a narrower link, else some
    ten times: the answer is found by halving.
    """
    if passes(device_mtu):
        return device_mtu
    low, high = LEAST_MTU[version], device_mtu
    if low >= high or not passes(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def echo_bytes(size: int, version: int) -> int:
    """What ping is told to send, so that the packet has that size."""
    return size - IP_HEADER_BYTES[version] - ICMP_HEADER_BYTES
