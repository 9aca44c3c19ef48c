"""Ranges of an inventory: `pi[01-50]` is fifty names, and fifty addresses are counted up beside them. Pure.

A first address is counted up by one for each further host, in its last octet only: a range that leaves it was hardly
meant. What is no address, or does not go up by one, is written as a range of its own: `pi[01-50].lab`.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, ip_address

MOST_HOSTS = 1000
_RANGE = re.compile(r"\[([0-9]+)-([0-9]+)\]")
_OCTET, _GROUP = 0xFF, 0xFFFF  # what is counted: the last part of an IPv4 or IPv6 address
_LAST_IN_OCTET = 254  # 255 is the broadcast address of most networks


class RangeError(ValueError):
    """A range that cannot be meant; the message says what is wrong with it and what to write."""


def counted(text: str) -> list[str]:
    """`pi[08-10]` as pi08, pi09, pi10; a text without brackets as itself. Raises RangeError.

    A first number that begins with 0 sets the width of all.
    """
    found = _RANGE.search(text)
    if found is None:
        if "[" in text or "]" in text:
            raise RangeError("brackets hold a range, [FIRST-LAST]. Write it like pi[01-50]")
        return [text]
    before, after = text[: found.start()], text[found.end() :]
    if "[" in before + after or "]" in before + after:
        raise RangeError("has more brackets than one range needs. Write one [FIRST-LAST]")
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise RangeError(f"counts from {first} down to {last}. Write the smaller number first")
    if last - first >= MOST_HOSTS:
        raise RangeError(f"is {last - first + 1} hosts, of which an inventory takes {MOST_HOSTS}. Correct its ends")
    width = len(found[1]) if found[1].startswith("0") else 1
    return [f"{before}{number:0{width}d}{after}" for number in range(first, last + 1)]


def beside(text: str, hosts: int) -> list[str]:
    """The addresses of so many hosts: a range's own, or counted up from a first one. Raises RangeError."""
    written = counted(text)
    if len(written) == hosts:
        return written
    if len(written) > 1:
        raise RangeError(f"is a range of {len(written)} beside {hosts} by name. Let both have the same length")
    return _counted_up(text, hosts)


def _counted_up(text: str, hosts: int) -> list[str]:
    try:
        first = ip_address(text)
    except ValueError:
        raise RangeError(
            f"is no IP address to count {hosts} hosts up from. Write the first host's, or a range like pi[01-50].lab"
        ) from None
    is_v4 = isinstance(first, IPv4Address)
    mask, limit, form = (_OCTET, _LAST_IN_OCTET, "d") if is_v4 else (_GROUP, _GROUP, "x")
    last = (int(first) & mask) + hosts - 1
    if last > limit:
        raise RangeError(
            f"is the first of {hosts} addresses, of which the last would run past its subnet, to {last:{form}}: the "
            f"most is {limit:{form}}. Begin lower, or split the range"
        )
    return [str(first + number) for number in range(hosts)]
