"""What the self-test measures: cells of rate, delay, arrays and TLS, packed into as few trials as possible. Pure.

A trial has one node for each rate, each on a network of its own with that rate, so that several cells are measured at
once and no transfer shares its link with another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from testbed.emulation.addresses import NETWORKS

MBIT = 1_000_000
# at and below this rate the limits hold; above it a transfer is shorter than what Python does around it
LIMITED_BIT_PER_S = 100 * MBIT
DELAY_NS = 14_000_000
MANY_ARRAYS = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One trial: a rate for each network in use, one way's delay, the payload and how it is cut, TLS or not.

    A rate is None where the link is a laboratory's own.

    `repeats` is how many transfers each cell gets in each direction; arrays take turns by round.
    """

    name: str
    rates: Mapping[str, int | None]
    delay_ns: int
    tls: bool
    arrays: Sequence[int]
    payload_bytes: int
    repeats: int

    @property
    def rounds(self) -> int:
        """So many that each number of arrays has its transfers; the first round, all cold, counts like the others."""
        return self.repeats * len(self.arrays)

    @property
    def networks(self) -> list[str]:
        """The networks in use, in the order of the nodes."""
        return list(self.rates)


def quick() -> list[Batch]:
    """Two trials: 5, 20 and 100 Mbit/s with a delay, then 20, 100 and 1000 Mbit/s under TLS without one."""
    return [
        Batch(
            name="plain",
            rates={"ethernet": 100 * MBIT, "wifi": 20 * MBIT, "5g": 5 * MBIT},
            delay_ns=DELAY_NS,
            tls=False,
            arrays=(1,),
            payload_bytes=1_500_000,
            repeats=6,
        ),
        Batch(
            name="tls",
            rates={"ethernet": 1000 * MBIT, "wifi": 100 * MBIT, "5g": 20 * MBIT},
            delay_ns=0,
            tls=True,
            arrays=(1,),
            payload_bytes=3_000_000,
            repeats=6,
        ),
    ]


def full() -> list[Batch]:
    """{5, 20, 100, 1000} Mbit/s x {1, 52} arrays x {plain, TLS} x {0, 14 ms}, five transfers a cell and direction."""
    return [batch for tls in (False, True) for delay_ns in (0, DELAY_NS) for batch in _both_speeds(delay_ns, tls=tls)]


def _both_speeds(delay_ns: int, *, tls: bool) -> list[Batch]:
    """The slowest rate has a trial of its own with a smaller payload: three megabytes would take it five seconds."""
    words = f"{'tls' if tls else 'plain'}-{delay_ns // 1_000_000}ms"
    fast = Batch(
        name=f"{words}-fast",
        rates={"ethernet": 1000 * MBIT, "wifi": 100 * MBIT, "5g": 20 * MBIT},
        delay_ns=delay_ns,
        tls=tls,
        arrays=(1, MANY_ARRAYS),
        payload_bytes=3_000_000,
        repeats=5,
    )
    return [fast, replace(fast, name=f"{words}-slow", rates={"5g": 5 * MBIT}, payload_bytes=1_000_000)]


def laboratory(networks: Sequence[str]) -> list[Batch]:
    """For links as they are: one node on each network, plain and then under TLS; rates are not known."""
    plain = Batch(
        name="plain",
        rates=dict.fromkeys(networks, None),
        delay_ns=0,
        tls=False,
        arrays=(1, MANY_ARRAYS),
        payload_bytes=3_000_000,
        repeats=5,
    )
    return [plain, replace(plain, name="tls", tls=True)]


def profile_text(batch: Batch) -> str:
    """The link profiles of a batch's networks, as a profile file: rate and delay alone, no jitter, no loss."""
    return "\n".join(_link(name, rate, batch.delay_ns) for name, rate in batch.rates.items())


def _link(name: str, rate: int | None, delay_ns: int) -> str:
    assert name in NETWORKS
    assert rate is not None
    numbers = {
        "ceil_bit_per_s": rate,
        "delay_ns": delay_ns,
        "jitter_sigma_ns": 0,
        "loss_ratio": 0.0,
        "queue_ns": 200_000_000,
        "queue_min_packets": 100,
    }
    lines = [f'{key} = {{ value = {value}, origin = "set by the self-test" }}' for key, value in numbers.items()]
    sides = [f"[{name}.{side}]\n" + "\n".join(lines) + "\n" for side in ("downlink", "uplink")]
    return "\n".join(sides)
