"""One collector process: its options, and the order in which everything starts and ends."""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from collectors.capture import CapturePlan, Tcpdump, parse_target
from collectors.clock_exchange import BURST, Address, Responder, burst
from collectors.errors import ClockServerError, CollectError, NoCaptureError
from collectors.protocol import Listener, Poller, Site
from collectors.schedule import Sampler, Schedule
from collectors.settling import Settling
from collectors.stopping import Bell, Stop
from collectors.table import POLLERS, chosen
from instrument.clock import SystemClock
from instrument.identity import command_line, segment_header
from instrument.probe import Probe
from instrument.records import Exchange, Segment
from instrument.spool import SegmentWriter, SpoolError, segment_name

ROLE = "collector"
CAPTURE = "collectors.capture"  # where a fault says that a capture failed: the report looks for it
SHORTEST_INTERVAL_MS = 10
AGAIN = signal.SIGUSR1  # asks for another exchange of clocks
OVER = signal.SIGUSR2  # tells that there is nothing more to capture
SHORT_BURST = 7

_CLOCK = SystemClock()
_CAPTURE_CLOCK = SystemClock(kernel_wall=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a collector process was asked to do."""

    out: Path
    trial: str
    host: str
    collect: list[str]
    interval_ms: int
    serve_clock: Address | None
    clock: Address | None
    capture: list[tuple[str, int]]
    capture_dir: Path


def main(arguments: Sequence[str]) -> int:
    """Collect until stopped. Exit code: 0 in order, 2 for what cannot be done as asked."""
    with Stop(_CLOCK) as stop:
        stop.on_signals()
        settling = Settling(_CLOCK)
        settling.on_signal(OVER)
        try:
            return _collect(_options(arguments), stop, settling)
        except SpoolError as error:
            return _refused(f"{error.strerror}. Name a folder that can be written with --out.")
        except (CollectError, OSError) as error:
            return _refused(str(error))


def _refused(reason: str) -> int:
    print(f"fedprobe collectors: {reason}", file=sys.stderr)
    return 2


def _collect(options: Options, stop: Stop, settling: Settling) -> int:
    pollers = chosen(options.collect, Site(spool=options.out))
    header = _header(options)
    with ExitStack() as running:
        probe = running.enter_context(_Recording(options.out, header))
        captures = [made for plan in _capture_plans(options, header) if (made := _capture(plan, probe, running))]
        if options.serve_clock is not None:
            responder = Responder(options.serve_clock, clock=_CLOCK, clock_id=header.clock)
            running.enter_context(Listening(running.enter_context(responder)))
        opened = options.clock is not None and _opening_burst(probe, options.clock, stop)
        if options.clock is not None and opened:
            bell = running.enter_context(Bell())
            bell.on_signal(AGAIN)
            running.enter_context(Listening(BurstsOnDemand(probe, options.clock, bell)))
        _say_ready()
        _sample_until(stop, pollers, probe, options.interval_ms)
        settling.over()
        if options.clock is not None and opened:
            _closing_burst(probe, options.clock)
        _end_captures(captures, probe, settling)
    return 0


class _Recording:
    """This process's probe and spool file.

    The file is made at once: a folder that refuses it is told before all else.
    What ends the block early is written down as a Fault.
    """

    def __init__(self, folder: Path, header: Segment) -> None:
        self._writer = SegmentWriter(folder / segment_name(header), header)
        self._writer.append([])
        self._probe = Probe(lambda: self._writer, clock=_CLOCK)

    def __enter__(self) -> Probe:
        self._probe.start()
        return self._probe

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._probe.fault("collectors", error)
        self._probe.close()


class Listening:
    """A Listener on a thread, from here to the end of the block: longer than the samples, which end at a signal."""

    def __init__(self, listener: Listener) -> None:
        self._stop = Stop(_CLOCK)
        self._thread = threading.Thread(
            target=listener.run, args=(self._stop,), name="fedprobe-listener", daemon=True
        )

    def __enter__(self) -> Listening:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stop:
            self._stop.set()
            self._thread.join()


def _opening_burst(probe: Probe, server: Address, stop: Stop) -> bool:
    """Whether there was an answer before the wish to stop.

    Raises ClockServerError where nobody answers: before a trial that costs nothing, after it the whole trial.
    """
    exchanges = burst(server, clock=_CLOCK, stopped=lambda: stop.wait_until(0))
    if not exchanges and not stop.wait_until(0):
        raise ClockServerError(
            f"clock server {server.text} does not answer. Start the server host's collector first, with "
            f"--serve-clock {server.text}, and let UDP to that port through."
        )
    _record_burst(probe, exchanges)
    return bool(exchanges)


class BurstsOnDemand:
    """A Listener that exchanges clocks each time the bell is rung: the controller knows when a round has ended."""

    def __init__(self, probe: Probe, server: Address, bell: Bell) -> None:
        self._probe = probe
        self._server = server
        self._bell = bell

    def run(self, stop: Stop) -> None:
        """Until `stop` is set."""
        watched: list[Bell | Stop] = [self._bell, stop]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if stop in ready:
                return
            self._bell.silence()
            _closing_burst(self._probe, self._server, SHORT_BURST)


def _closing_burst(probe: Probe, server: Address, count: int = BURST) -> None:
    try:
        _record_burst(probe, burst(server, clock=_CLOCK, count=count), count)
    except ClockServerError as error:
        probe.fault("collectors.clock_exchange", error)


def _record_burst(probe: Probe, exchanges: Sequence[Exchange], count: int = BURST) -> None:
    for exchange in exchanges:
        probe.emit(exchange)
    if len(exchanges) < count:
        probe.fault("collectors.clock_exchange", f"{len(exchanges)} of {count} exchanges were answered")


def _sample_until(stop: Stop, pollers: Mapping[str, Poller], probe: Probe, interval_ms: int) -> None:
    sampler = Sampler(pollers, clock=_CLOCK, emit=probe.emit)
    sampler.run(Schedule(_CLOCK.mono_ns(), interval_ms * 1_000_000), stop.wait_until)
    sampler.sample(_CLOCK.mono_ns())


def _capture(plan: CapturePlan, probe: Probe, running: ExitStack) -> Tcpdump | None:
    """A capture that was started; None where this host cannot, which is said and must not cost the trial."""
    try:
        return running.enter_context(Tcpdump(plan, _CAPTURE_CLOCK))
    except NoCaptureError as error:
        plan.file.unlink(missing_ok=True)  # an empty file would look like a capture that was torn
        probe.fault(CAPTURE, str(error))
        print(f"fedprobe collectors: {error}; collecting goes on without this capture", file=sys.stderr)
        return None


def _end_captures(captures: Sequence[Tcpdump], probe: Probe, settling: Settling) -> None:
    if captures:
        settling.wait()
    for capture in captures:
        record = capture.stop()
        probe.emit(record)
        if record.packets is None:
            probe.fault(CAPTURE, f"{record.interface}: tcpdump ended early: {capture.last_words}")


def _say_ready() -> None:
    with suppress(OSError):  # whoever started this need not listen
        os.write(sys.stdout.fileno(), b"ready\n")


def _header(options: Options) -> Segment:
    environment = {**os.environ, "FEDPROBE_HOST": options.host, "FEDPROBE_TRIAL": options.trial}
    return segment_header(ROLE, environment, command_line())


def _capture_plans(options: Options, header: Segment) -> list[CapturePlan]:
    stem = Path(segment_name(header)).stem
    return [
        CapturePlan(device=device, port=port, file=options.capture_dir / f"{stem}-{device}-{port}.pcap")
        for device, port in options.capture
    ]


def _options(arguments: Sequence[str]) -> Options:
    given = _parser().parse_args(arguments)
    if given.interval_ms < SHORTEST_INTERVAL_MS:
        raise CollectError(f"--interval-ms {given.interval_ms}: the shortest is {SHORTEST_INTERVAL_MS}")
    return Options(
        out=given.out,
        trial=given.trial,
        host=given.host,
        collect=[name for name in given.collect.split(",") if name],
        interval_ms=given.interval_ms,
        serve_clock=Address.parse(given.serve_clock) if given.serve_clock else None,
        clock=Address.parse(given.clock) if given.clock else None,
        capture=[parse_target(text) for text in given.capture],
        capture_dir=given.capture_dir or given.out,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m collectors",
        description="Sample this host until SIGTERM or SIGINT. Prints 'ready' when everything runs.",
        epilog="example: python -m collectors --out spool --trial t1 --host pi-01 --clock 10.0.0.1:7700 "
        "--capture eth0:9092",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="SPOOL", help="folder for the records")
    parser.add_argument("--trial", default="", metavar="NAME", help="trial that the records belong to")
    parser.add_argument("--host", required=True, metavar="NAME", help="this host's name in the records")
    parser.add_argument("--collect", default=",".join(POLLERS), metavar="NAMES", help="default: %(default)s")
    parser.add_argument("--interval-ms", type=int, default=1000, metavar="MS", help="default: %(default)s")
    parser.add_argument(
        "--serve-clock", metavar="ADDRESS:PORT", help="answer clock requests here; end this host last"
    )
    parser.add_argument("--clock", metavar="ADDRESS:PORT", help="exchange clocks with this server, first and last")
    parser.add_argument("--capture", nargs="+", default=[], metavar="DEVICE:PORT", help="capture TCP with tcpdump")
    parser.add_argument("--capture-dir", type=Path, metavar="DIR", help="folder for captures; default: SPOOL")
    return parser
