"""A recorded trace of arrivals: lines `seconds,bytes` in order of time. Pure, and the standard library alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LARGEST_BYTES = 100_000_000
_LARGEST_DATAGRAM = 1472  # of payload in a frame of 1514 bytes
MEAN_LIMIT_BIT_PER_S = 200_000_000


class TraceError(ValueError):
    """A trace cannot be meant."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """So many bytes of payload, so long after the trace began."""

    after_s: float
    size_bytes: int


def arrivals(lines: Iterable[str], name: str) -> list[Arrival]:
    """The arrivals of a CSV, whose first line may be a header. Raises TraceError, which names the line."""
    found: list[Arrival] = []
    for number, line in enumerate(lines, start=1):
        words = [word.strip() for word in line.split(",")]
        if not line.strip() or (number == 1 and words[0].lower().startswith(("time", "second", "t_s"))):
            continue
        found.append(_arrival(words, f"{name}:{number}"))
        if len(found) > 1 and found[-1].after_s < found[-2].after_s:
            raise TraceError(
                f"{name}:{number}: {words[0]} s is before the line above. Put the lines in order of time."
            )
    if not found:
        raise TraceError(f"{name}: no arrivals. Write lines of `seconds,bytes`, such as 0.25,1200.")
    _require_bearable(found, name)
    return found


def datagrams(size_bytes: int) -> Iterator[int]:
    """The sizes of the datagrams that carry so many bytes of payload."""
    while size_bytes > 0:
        yield min(size_bytes, _LARGEST_DATAGRAM)
        size_bytes -= _LARGEST_DATAGRAM


def _arrival(words: list[str], where: str) -> Arrival:
    try:
        after_s, size_bytes = float(words[0]), int(words[1])
    except (ValueError, IndexError) as error:
        raise TraceError(f"{where}: not `seconds,bytes`, such as 0.25,1200. Correct that line.") from error
    if not 0 <= after_s <= 86_400 or not 0 < size_bytes <= LARGEST_BYTES:
        raise TraceError(f"{where}: expected 0 to 86400 s and 1 to {LARGEST_BYTES} bytes. Correct that line.")
    return Arrival(after_s, size_bytes)


def _require_bearable(found: list[Arrival], name: str) -> None:
    total_bit = 8 * sum(one.size_bytes for one in found)
    if total_bit > MEAN_LIMIT_BIT_PER_S * max(1.0, found[-1].after_s):
        raise TraceError(
            f"{name}: asks for more than {MEAN_LIMIT_BIT_PER_S / 1e6:.0f} Mbit/s on the average, which the sender "
            "cannot keep. Thin it out."
        )
