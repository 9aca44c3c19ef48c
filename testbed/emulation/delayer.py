"""Delays, jitters and loses the packets of one router, where the kernel has no netem.

    python -m testbed.emulation.delayer --direction 0:8000000:1000000:0.0005 --histogram FILE --seed 7

Packets wait in the kernel until their time; order is kept per client and direction. Standard library only, and
no sleep but select(): the process runs SCHED_FIFO beside the processes that are measured.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import heapq
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

from testbed.emulation import lateness, nfqueue

_PR_SET_TIMERSLACK = 29  # Source: linux/prctl.h
_FIFO_PRIORITY = 10
_RECEIVES_PER_WAKE = 16  # 0.3 ms on a slow core: what is due meanwhile waits so long
_VERDICTS_PER_SEND = 256
_WRITE_EVERY_NS = 500_000_000  # when no packet is due soon …
_WRITE_AT_LATEST_NS = 900_000_000  # … and in any case
_QUIET_NS = 2_000_000  # a write takes 0.1 to 0.2 ms
_LARGEST_MESSAGE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """What happens to the packets of one direction."""

    queue: int
    delay_ns: int
    jitter_sigma_ns: int
    loss_ratio: float

    @classmethod
    def parse(cls, text: str) -> Impairment:
        """From QUEUE:DELAY_NS:JITTER_SIGMA_NS:LOSS_RATIO, the inverse of `str`. Raises ValueError."""
        queue, delay_ns, jitter_sigma_ns, loss_ratio = text.split(":")
        return cls(
            queue=int(queue),
            delay_ns=int(delay_ns),
            jitter_sigma_ns=int(jitter_sigma_ns),
            loss_ratio=float(loss_ratio),
        )

    def __str__(self) -> str:
        return f"{self.queue}:{self.delay_ns}:{self.jitter_sigma_ns}:{self.loss_ratio}"


class Schedule:
    """Packets in the order of their deadlines. Pure: the caller tells the time."""

    def __init__(self, impairments: Sequence[Impairment], seed: int) -> None:
        self._impairments = {nfqueue.queue_bytes(one.queue): one for one in impairments}
        self._random = Random(seed)  # noqa: S311 (link noise, not secrets)
        self._last_ns: dict[tuple[bytes, bytes], int] = {}
        self._waiting: list[tuple[int, int, nfqueue.Packet]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def next_ns(self) -> int | None:
        """The next deadline; None: nothing waits."""
        return self._waiting[0][0] if self._waiting else None

    def add(self, packet: nfqueue.Packet, now_ns: int) -> bool:
        """Give a packet its deadline, not before that of the one ahead of it; False: it is to be lost."""
        link = self._impairments[packet.queue]
        if link.loss_ratio and self._random.random() < link.loss_ratio:
            return False
        deadline_ns = now_ns + link.delay_ns
        if link.jitter_sigma_ns:
            deadline_ns += int(abs(self._random.gauss(0.0, link.jitter_sigma_ns)))
        flow = (packet.queue, packet.addresses)
        deadline_ns = max(deadline_ns, self._last_ns.get(flow, 0))
        self._last_ns[flow] = deadline_ns
        self._order += 1
        heapq.heappush(self._waiting, (deadline_ns, self._order, packet))
        return True

    def pop_due(self, now_ns: int) -> tuple[int, nfqueue.Packet] | None:
        """The next packet whose deadline has come, with the deadline."""
        if not self._waiting or self._waiting[0][0] > now_ns:
            return None
        deadline_ns, _, packet = heapq.heappop(self._waiting)
        return deadline_ns, packet


class Tally:
    """Counts what was done, for the snapshot."""

    def __init__(self, scheduler: str) -> None:
        self.scheduler = scheduler
        self.packets = self.dropped = self.overruns = self.sum_ns = self.max_ns = 0
        self.counts = [0] * lateness.BUCKETS

    def let_go(self, late_ns: int) -> None:
        """Count a packet that left `late_ns` after its deadline."""
        self.packets += 1
        self.sum_ns += late_ns
        self.max_ns = max(self.max_ns, late_ns)
        self.counts[lateness.bucket(late_ns)] += 1

    def snapshot(self, now_ns: int) -> lateness.Snapshot:
        """Everything so far."""
        return lateness.Snapshot(
            pid=os.getpid(),
            scheduler=self.scheduler,
            written_mono_ns=now_ns,
            packets=self.packets,
            dropped=self.dropped,
            overruns=self.overruns,
            sum_ns=self.sum_ns,
            max_ns=self.max_ns,
            counts=tuple(self.counts),
        )


class Delayer:
    """The loop between the kernel's queue and the schedule."""

    def __init__(self, link: socket.socket, schedule: Schedule, tally: Tally, histogram: Path) -> None:
        self._link = link
        self._schedule = schedule
        self._tally = tally
        self._histogram = histogram
        self._written_ns = 0
        self._stopped = False

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End the loop after this turn; a signal handler."""
        self._stopped = True

    def run(self) -> None:
        """Until `stop`: receive, release what is due, write the histogram."""
        self._link.setblocking(False)
        self._write(time.monotonic_ns())
        while not self._stopped:
            select.select([self._link], [], [], self._wait_s())
            self._receive()
            self._release()
            self._write_if_time(time.monotonic_ns())
        self._write(time.monotonic_ns())

    def _wait_s(self) -> float:
        now_ns = time.monotonic_ns()
        deadline_ns = self._written_ns + _WRITE_EVERY_NS
        if (next_ns := self._schedule.next_ns) is not None:
            deadline_ns = min(next_ns, max(deadline_ns, now_ns + _QUIET_NS))
        return max(0, deadline_ns - now_ns) / 1e9

    def _receive(self) -> None:
        lost = []
        for _ in range(_RECEIVES_PER_WAKE):
            try:
                message = self._link.recv(_LARGEST_MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: the kernel had no room to tell of a packet
                self._tally.overruns += 1
                break
            packet = nfqueue.parse(message)
            if packet and not self._schedule.add(packet, time.monotonic_ns()):
                lost.append(nfqueue.verdict(packet, nfqueue.DROP))
        if lost:
            self._tally.dropped += len(lost)
            self._link.send(b"".join(lost))

    def _release(self) -> None:
        now_ns = time.monotonic_ns()
        due: list[tuple[int, nfqueue.Packet]] = []
        while len(due) < _VERDICTS_PER_SEND and (found := self._schedule.pop_due(now_ns)):
            due.append(found)
        if not due:
            return
        self._link.send(b"".join(nfqueue.verdict(packet, nfqueue.ACCEPT) for _, packet in due))
        sent_ns = time.monotonic_ns()
        for deadline_ns, _ in due:
            self._tally.let_go(sent_ns - deadline_ns)

    def _write_if_time(self, now_ns: int) -> None:
        age_ns = now_ns - self._written_ns
        next_ns = self._schedule.next_ns
        quiet = next_ns is None or next_ns - now_ns > _QUIET_NS
        if age_ns >= _WRITE_AT_LATEST_NS or (quiet and age_ns >= _WRITE_EVERY_NS):
            self._write(now_ns)

    def _write(self, now_ns: int) -> None:
        self._tally.snapshot(now_ns).write(self._histogram)
        self._written_ns = now_ns


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    asked = _parser().parse_args(arguments)
    _wake_sharply()
    impairments: list[Impairment] = asked.direction
    with nfqueue.open_queues(one.queue for one in impairments) as link:
        delayer = Delayer(link, Schedule(impairments, asked.seed), Tally(_raise_priority()), asked.histogram)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, delayer.stop)
        gc.freeze()
        gc.disable()
        delayer.run()
    return 0


def command(impairments: Sequence[Impairment], histogram: Path, seed: int) -> list[str]:
    """The program and options that run `main` like this."""
    directions = [part for one in impairments for part in ("--direction", str(one))]
    options = [*directions, "--histogram", str(histogram), "--seed", str(seed)]
    return [sys.executable, "-m", "testbed.emulation.delayer", *options]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="testbed.emulation.delayer", description="delay packets of NFQUEUE")
    parser.add_argument(
        "--direction", action="append", required=True, type=Impairment.parse,
        metavar="QUEUE:DELAY_NS:JITTER_SIGMA_NS:LOSS_RATIO",
    )  # fmt: skip
    parser.add_argument("--histogram", required=True, type=Path, metavar="FILE")
    parser.add_argument("--seed", required=True, type=int)
    return parser


def _wake_sharply() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def _raise_priority() -> str:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_FIFO_PRIORITY))
    except PermissionError:
        return "other"
    return "fifo"


if __name__ == "__main__":
    raise SystemExit(main())
