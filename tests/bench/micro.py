"""Ratios within one process: a request with and without the hooks, and the command line over an empty program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from types import SimpleNamespace

from instrument.flower import session
from instrument.flower.rpc import RecordingInterceptor
from instrument.flower.serve import StampingApp
from tests.bench import intervals
from tests.bench.intervals import Estimate
from tests.bench.serving import answer, serving

WARM_UP = 10
PAIRS = 150
HELP_PAIRS = 15
MODEL_BYTES = 2_910_040


def request_ratio() -> Estimate:
    """Time of one 2.9 MB upload over loopback with the hooks at both ends, over one without; FEDPROBE_OUT is set."""
    import httpx

    payload = os.urandom(MODEL_BYTES)
    session.start("bench")
    interceptor = RecordingInterceptor()
    with serving(answer) as bare_url, serving(StampingApp(answer)) as stamped_url, httpx.Client() as client:

        def bare() -> None:
            client.send(client.build_request("POST", bare_url, content=payload))

        def probed() -> None:
            request = client.build_request("POST", stamped_url, content=payload)
            context = SimpleNamespace(rpc_method="/bench/Push", request=request, message=SimpleNamespace())
            interceptor.intercept(context, lambda one: client.send(one.request))

        pairs = [_timed(probed, bare, probed_first=number % 2 == 0) for number in range(WARM_UP + PAIRS)]
    session.probe().close()
    return intervals.ratio_over_blocks([[pair] for pair in pairs[WARM_UP:]])


def help_ratio() -> float:
    """`fedprobe --help` over an empty program, medians."""
    programs = (["-c", "pass"], ["-m", "testbed.cli", "--help"])
    empty, helped = (
        [
            seconds(lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True))  # noqa: B023
            for _ in range(HELP_PAIRS)
        ]
        for words in programs
    )
    return median(helped) / median(empty)


def _timed(probed: Callable[[], None], bare: Callable[[], None], *, probed_first: bool) -> tuple[float, float]:
    taken = {work: seconds(work) for work in ((probed, bare) if probed_first else (bare, probed))}
    return taken[probed], taken[bare]


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
