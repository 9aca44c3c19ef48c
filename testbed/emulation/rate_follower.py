"""Makes the rates of one network follow a trace: changes its HTB classes every 100 ms, inside its router.

    python -m testbed.emulation.rate_follower --network 5g --nodes 4 --element nfqueue --profiles FILE
        --log rates.csv TRACE.csv

SIGHUP begins the trace anew and empties the log, which has a line for each rate that was applied, with the machine's
CLOCK_MONOTONIC. What the trace gives is what all clients share, and what one may take alone.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO, get_args

from instrument.clock import SystemClock
from testbed.emulation import tc
from testbed.emulation.addresses import Network
from testbed.emulation.profiles import DirectionProfile, LinkProfile, load_profiles
from testbed.emulation.rate_trace import Course, RateTrace, load_trace
from testbed.emulation.shaping import FRAME_BYTES, DelayElement, ShapedClass, shaping_plan

STEP_NS = 100_000_000
# a rate of 0 cannot be set, and below a frame a step a class would owe time when the rate rises again
LEAST_BIT_PER_S = round(FRAME_BYTES * 8 * 1e9 / STEP_NS)
LOG_HEADER = "mono_ns,trace_s,downlink_bit_per_s,uplink_bit_per_s"
_SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGINT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the classes of a network are made of, apart from the rates."""

    link: LinkProfile
    network: Network
    nodes: int
    element: DelayElement

    def classes(self, downlink_bit_per_s: int, uplink_bit_per_s: int) -> tuple[ShapedClass, ...]:
        """The classes at these rates."""
        link = replace(
            self.link,
            downlink=_at(self.link.downlink, downlink_bit_per_s),
            uplink=_at(self.link.uplink, uplink_bit_per_s),
        )
        return shaping_plan(link, self.network, self.nodes, self.element).classes


def _at(side: DirectionProfile, rate: int) -> DirectionProfile:
    shared = None if side.capacity_bit_per_s is None else rate
    return replace(side, ceil_bit_per_s=rate, capacity_bit_per_s=shared)


def rates_of_step(trace: RateTrace, step: int) -> tuple[int, int]:
    """Downlink and uplink in bit/s for a step of 100 ms, counted from 0."""

    def rate(course: Course) -> int:
        return max(LEAST_BIT_PER_S, round(course.mean_bit_per_s(step * STEP_NS, (step + 1) * STEP_NS)))

    return rate(trace.downlink), rate(trace.uplink)


def follow(shape: Shape, trace: RateTrace, log: TextIO, testbed_id: str) -> None:
    """Apply the trace until SIGTERM or SIGINT, which must be blocked as SIGHUP must."""
    clock = SystemClock()
    before: tuple[ShapedClass, ...] = ()
    while True:
        begin_ns, step = clock.mono_ns(), 0
        _begin(log)
        received = None
        while received is None:
            rates = rates_of_step(trace, step)
            classes = shape.classes(*rates)
            if step == 0 or classes != before:
                tc.change(classes, before, testbed_id)
                log.write(f"{clock.mono_ns()},{step * STEP_NS / 1e9:.1f},{rates[0]},{rates[1]}\n")
                log.flush()
            before, step = classes, step + 1
            received = _wait_until(begin_ns + step * STEP_NS, clock)
        if received != signal.SIGHUP:
            return


def _begin(log: TextIO) -> None:
    log.seek(0)
    log.truncate()
    log.write(f"{LOG_HEADER}\n")


def _wait_until(deadline_ns: int, clock: SystemClock) -> int | None:
    """The signal that came before a moment; None: none did."""
    left_s = max(0.0, (deadline_ns - clock.mono_ns()) / 1e9)
    came = signal.sigtimedwait(_SIGNALS, left_s)
    return came.si_signo if came else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    asked = _parser().parse_args(arguments)
    shape = Shape(
        link=load_profiles(asked.profiles).links[asked.network],
        network=Network(asked.network, asked.number, ""),
        nodes=asked.nodes,
        element=asked.element,
    )
    with Path(asked.log).open("w", encoding="ascii") as log:
        follow(shape, load_trace(asked.trace), log, asked.testbed)
    return 0


def command(shape: Shape, *, profiles: Path, log: Path, testbed_id: str, trace: Sequence[Path]) -> list[str]:
    """The program and options that run `main` like this."""
    options = {
        "--network": shape.network.name,
        "--number": str(shape.network.number),
        "--nodes": str(shape.nodes),
        "--element": shape.element,
        "--profiles": str(profiles),
        "--log": str(log),
        "--testbed": testbed_id,
    }
    words = [word for option in options.items() for word in option]
    return [sys.executable, "-m", "testbed.emulation.rate_follower", *words, *map(str, trace)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="testbed.emulation.rate_follower", description="make rates follow a trace")
    parser.add_argument("--network", required=True)
    parser.add_argument("--number", required=True, type=int, help="third byte of the network's addresses")
    parser.add_argument("--nodes", required=True, type=int)
    parser.add_argument("--element", required=True, choices=get_args(DelayElement))
    parser.add_argument("--profiles", required=True, type=Path, metavar="FILE")
    parser.add_argument("--log", required=True, type=Path, metavar="FILE")
    parser.add_argument("--testbed", required=True, metavar="ID")
    parser.add_argument("trace", nargs="+", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
