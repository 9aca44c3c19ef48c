"""The payload workload's plan: so many bytes down and up in so many arrays, round by round, and what they hold.

Nothing is learned. Every array is fresh noise, because Flower stores objects by their content and equal bytes do
not cross the network twice; and noise does not compress.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .configuration import Configuration, SettingError, choice, seconds, whole_numbers

Bytes: TypeAlias = npt.NDArray[np.uint8]
Compute: TypeAlias = Literal["sleep", "spin"]
COMPUTES: Final[tuple[Compute, ...]] = ("sleep", "spin")

_DOWN, _UP = 1, 2
_WORD_BYTES = 8


class PayloadSizeError(Exception):
    """A message brought other arrays than its round's plan says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What one round sends to each client and back: the bytes of all arrays together, in `arrays` arrays each way."""

    down_bytes: int
    up_bytes: int
    arrays: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """All rounds: `exchanges` in the order of the rounds, from the first again after the last.

    `compute_s` is how long a client's train function takes at least, spent as `compute` says.
    """

    exchanges: tuple[Exchange, ...]
    compute_s: float
    compute: Compute
    seed: int

    def exchange(self, server_round: int) -> Exchange:
        """What a round sends; rounds count from 1."""
        return self.exchanges[(server_round - 1) % len(self.exchanges)]

    def down(self, server_round: int) -> dict[str, Bytes]:
        """The arrays that the server sends to every client, as it would a model."""
        exchange = self.exchange(server_round)
        return _fresh(exchange.down_bytes, exchange.arrays, (self.seed, server_round, _DOWN, 0))

    def up(self, server_round: int, client: int) -> dict[str, Bytes]:
        """The arrays that one client, counted from 0, sends back."""
        exchange = self.exchange(server_round)
        return _fresh(exchange.up_bytes, exchange.arrays, (self.seed, server_round, _UP, client))


def payload(configuration: Configuration, *, seed: int) -> Payload:
    """The plan of a run configuration: every combination of its sizes and numbers of arrays, one a round.

    Raises: SettingError if a value is outside its range, or a combination has more arrays than bytes.
    """
    grid = [
        Exchange(down_bytes=down, up_bytes=up, arrays=arrays)
        for down, up, arrays in product(
            whole_numbers(configuration, "payload-down-bytes", lowest=1),
            whole_numbers(configuration, "payload-up-bytes", lowest=1),
            whole_numbers(configuration, "payload-arrays", lowest=1),
        )
    ]
    for exchange in grid:
        if exchange.arrays > min(exchange.down_bytes, exchange.up_bytes):
            raise SettingError(
                f"payload-arrays={exchange.arrays} with payload-down-bytes={exchange.down_bytes} and "
                f"payload-up-bytes={exchange.up_bytes}: an array has one byte at least. "
                "Ask for fewer arrays or more bytes."
            )
    return Payload(
        exchanges=tuple(grid[place] for place in _order(len(grid), seed)),
        compute_s=seconds(configuration, "payload-compute-s"),
        compute=choice(configuration, "payload-compute", COMPUTES),
        seed=seed,
    )


def sizes(total_bytes: int, arrays: int) -> list[int]:
    """Bytes of each array: they sum to the total and differ by one at most."""
    least, over = divmod(total_bytes, arrays)
    return [least + 1] * over + [least] * (arrays - over)


def check(arrays: Mapping[str, Bytes], *, total_bytes: int, count: int, where: str) -> None:
    """Hold the arrays of one message, which `where` names, against its plan.

    Raises: PayloadSizeError if their number, the sum of their bytes, or the size of one is another.
    """
    came, asked = [array.nbytes for array in arrays.values()], sizes(total_bytes, count)
    if sorted(came) != sorted(asked):
        raise PayloadSizeError(
            f"{where}: {sum(came)} bytes in {len(came)} arrays came (the largest has {max(came, default=0)}), "
            f"{total_bytes} in {count} were asked for (the largest {max(asked)}): server and client do not run the "
            "same app with the same configuration. Start the run again."
        )


def combined(replies: Iterable[Mapping[str, Bytes]]) -> dict[str, Bytes]:
    """The exclusive or of all replies, array by array: it depends on every byte of them and not on their order."""
    total: dict[str, Bytes] = {}
    for reply in replies:
        for name, array in reply.items():
            total[name] = total[name] ^ array if name in total else array
    return total


def _fresh(total_bytes: int, arrays: int, key: tuple[int, ...]) -> dict[str, Bytes]:
    """Noise that depends on the key alone, cut into arrays named by their places.

    Raw words of the bit generator, whose stream numpy keeps from version to version, as it does not for the methods
    of Generator: a server and a client with different numpys agree.
    Source: NEP 19, Random number generator policy.
    """
    words = np.random.PCG64(key).random_raw(math.ceil(total_bytes / _WORD_BYTES))
    noise = np.asarray(words, dtype="<u8").view(np.uint8)[:total_bytes]
    ends = np.cumsum(sizes(total_bytes, arrays))
    return {str(place): part for place, part in enumerate(np.split(noise, ends[:-1]))}


def _order(count: int, seed: int) -> list[int]:
    """The places 0 to count - 1 in an order drawn with the seed, the same under every numpy."""
    drawn = np.asarray(np.random.PCG64((seed, count)).random_raw(count))
    return [int(place) for place in np.argsort(drawn, kind="stable")]
