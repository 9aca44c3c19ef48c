"""What the instrument costs, as ratios within one run: `make bench`. The last line is `RESULT {json}`.

Each ratio compares the same work with and without the instrument, in pairs, one after the other, so that a slow
machine or a busy one slows both sides.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

PAIRS = 150
PAYLOAD = os.urandom(2_910_040)  # the quickstart's model
HELP_PAIRS = 15
SPANS = 20_000
REQUEST_LIMIT = 1.25  # of a bare request over loopback; over a network the difference is lost in it
HELP_LIMIT = 6.0


def main() -> int:
    """Run the benchmarks and print their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FEDPROBE_OUT"] = folder
        figures = {
            "request_ratio": request_ratio(),
            "span_us": span_us(),
            "help_ratio": help_ratio(),
            "capture_reader_speedup": capture_reader_speedup(Path(folder)),
        }
    good = figures["request_ratio"]["median"] <= REQUEST_LIMIT and figures["help_ratio"] <= HELP_LIMIT
    for name, value in figures.items():
        print(f"{name}: {value}")
    print(f"RESULT {json.dumps({**figures, 'ok': good})}")
    return 0 if good else 1


def request_ratio() -> dict[str, float]:
    """Time of one 2.9 MB upload with the interceptor and the stamping server, over one without both."""
    import httpx

    from instrument.flower import session
    from instrument.flower.rpc import RecordingInterceptor
    from instrument.flower.serve import StampingApp

    session.start("bench")
    interceptor = RecordingInterceptor()
    with serving(answer) as bare_url, serving(StampingApp(answer)) as stamped_url, httpx.Client() as client:

        def bare() -> None:
            client.send(client.build_request("POST", bare_url, content=PAYLOAD))

        def probed() -> None:
            request = client.build_request("POST", stamped_url, content=PAYLOAD)
            context = SimpleNamespace(rpc_method="/bench/Push", request=request, message=SimpleNamespace())
            interceptor.intercept(context, lambda one: client.send(one.request))

        ratios = paired(probed, bare)
    session.probe().close()
    ordered = sorted(ratios)
    return {
        "median": round(median(ratios), 4),
        "low": round(ordered[int(0.025 * PAIRS)], 4),
        "high": round(ordered[int(0.975 * PAIRS)], 4),
        "pairs": PAIRS,
    }


def paired(one: Callable[[], None], other: Callable[[], None]) -> list[float]:
    """Ratios of times, one over other, in pairs whose order alternates; the first pairs warm up."""
    ratios = []
    for number in range(PAIRS + 10):
        pair = (one, other) if number % 2 else (other, one)
        taken = {function: seconds(function) for function in pair}
        if number >= 10:
            ratios.append(taken[one] / taken[other])
    return ratios


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that reads a body and answers two bytes."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """A uvicorn server of the application on a free port of loopback."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/push"
    server.should_exit = True
    thread.join(10)


def span_us() -> float:
    """Microseconds that recording one span costs the thread that records it."""
    from instrument.probe import Probe, Timed

    probe = Probe(lambda: None, capacity=SPANS * 2)  # type: ignore[arg-type, return-value]  # never started

    def spans() -> None:
        for _ in range(SPANS):
            with Timed(probe, "train"):
                pass

    return round(seconds(spans) / SPANS * 1e6, 2)


def help_ratio() -> float:
    """`fedprobe --help` over an empty program."""
    empty, helped = [], []
    for _ in range(HELP_PAIRS):
        empty.append(seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)))
        command = [sys.executable, "-m", "testbed.cli", "--help"]
        helped.append(seconds(lambda: subprocess.run(command, check=True, capture_output=True)))  # noqa: B023
    return round(median(helped) / median(empty), 2)


def capture_reader_speedup(folder: Path) -> float:
    """How many times faster our capture reader is than scapy's dissection, on the same packets."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether
    from scapy.utils import PcapReader, wrpcap

    from collectors.packets import read_segments

    file = folder / "bench.pcap"
    packet = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=40000, dport=8000, flags="A") / (b"x" * 30)
    wrpcap(str(file), [packet] * 3000)
    ours = seconds(lambda: read_segments(file))
    with PcapReader(str(file)) as reader:
        theirs = seconds(lambda: [one[TCP].seq for one in reader])
    return round(theirs / ours, 1)


if __name__ == "__main__":
    raise SystemExit(main())
