"""What may stand in an inventory as a name or an address. Pure: each function returns it or raises ValueError."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

MANAGEMENT = "management"  # in [defaults.devices] beside the networks, so no network may be called so

_NETWORK = re.compile(r"[a-z0-9][a-z0-9_-]{0,15}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_HOST_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_-]+)*\.?")

Address = IPv4Address | IPv6Address


def network_name(text: str) -> str:
    """A network: `ethernet`, `wifi`, `5g`, or any further short name."""
    if text == MANAGEMENT:
        raise ValueError("is the way to log in, which has a key of its own, and no measured network")
    if not _NETWORK.fullmatch(text):
        raise ValueError("a network's name has at most 16 lower-case letters, digits, - and _")
    return text


def device_place(text: str) -> str:
    """What [defaults.devices] has a device for: a network, or `management`."""
    return text if text == MANAGEMENT else network_name(text)


def label(text: str) -> str:
    """The name of a host, of a jump host or of a group."""
    if not _LABEL.fullmatch(text):
        raise ValueError("a name has letters, digits, ., - and _, at most 63, the first a letter or digit")
    return text


def host_address(text: str) -> str:
    """Where to log in: an IP address or a host name, without user or port."""
    if _parsed(text) is None and not _HOST_NAME.fullmatch(text):
        raise ValueError("is neither an IP address nor a host's name; user, port and prefix length are no part of it")
    return text


def network_address(text: str) -> str:
    """A host's IP address on a measured network, as it is usually written."""
    address = _parsed(text)
    if address is None:
        hint = "; leave the prefix length out" if "/" in text else ""
        raise ValueError(f"is no IP address{hint}")
    if address.is_multicast or address.is_unspecified:
        raise ValueError("can be no host's address")
    return str(address)


def same_address(one: str, other: str) -> bool:
    """Whether two texts are the same address, or the same name, however they are written."""
    return plain(one) == plain(other)


def plain(text: str) -> str:
    """An address or a host's name in the one form in which equal ones are equal."""
    address = _parsed(text)
    return text.lower().rstrip(".") if address is None else str(address)


def _parsed(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
