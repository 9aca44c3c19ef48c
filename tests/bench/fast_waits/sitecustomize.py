"""Flower's own waits made short: the same in both arms, whether the probes are there or not.

Where they are, this runs as the user's own sitecustomize and shortens what the probes' stand-in for `time` is asked.

A wait ends at the next tick of a raster of BENCH_WAIT_S; of BENCH_REPLY_WAIT_S where a reply is waited for, which
comes at a time that a process's start makes uncertain: a coarse raster would make much of little. The file
BENCH_PHASES says when the round was released, and gives a word from which each polling module draws where its ticks
lie; the two rounds of a pair are given the same word. So polls come at any phase, as they do in Flower, but at the
same phase in both arms.
Source: common random numbers, Law, Simulation Modeling and Analysis, 5th edition, section 11.2.
"""

import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from post_import import after_import

sys.path.pop(0)

WAIT_S = float(os.environ.get("BENCH_WAIT_S", "0"))
REPLY_WAIT_S = float(os.environ.get("BENCH_REPLY_WAIT_S", "0"))
# between two looks for an object that is still on its way: with 0.25 s a reply was collected in 0.04 s or 0.29 s,
# by whether the Grid saw its message before or after its object had come
BACK_OFF_S = float(os.environ.get("BENCH_BACK_OFF_S", "0"))
PHASES = Path(os.environ.get("BENCH_PHASES", os.devnull))
ROLE = next((Path(word).name for word in sys.orig_argv[:3] if Path(word).name.startswith(("flwr-", "flower-"))), "")


def raster_s(seconds, where):
    """The Grid's wait is for replies, and so is the SuperNode's shorter one."""
    return REPLY_WAIT_S if where.endswith("http_grid") or seconds < 1 else WAIT_S


def shortened_s(seconds, where):
    """How long to sleep instead."""
    raster = raster_s(seconds, where)
    try:
        released, word = PHASES.read_text().split()
    except (OSError, ValueError):  # no round was released yet
        return min(seconds, raster)
    phase_s = random.Random(f"{word} {where}").uniform(0, raster)
    since_s = time.time() - float(released) - phase_s  # hosts share this clock, and not the monotonic one
    return min(seconds, raster - since_s % raster)


class FastTime:
    """Stands for the module `time`, or for what stands for it already, inside one module."""

    def __init__(self, module):
        self._time = module.time
        self._where = module.__name__

    def __getattr__(self, name):
        return getattr(self._time, name)

    def sleep(self, seconds):
        self._time.sleep(shortened_s(seconds, self._where))


def in_module_with_time(module):
    module.time = FastTime(module)


def in_strategy_utils(module):
    sleep = module.sleep
    module.sleep = lambda seconds: sleep(shortened_s(seconds, module.__name__))


def in_inflatable_utils(module):
    for function in (module.pull_objects, module.pull_and_inflate_object_from_tree):
        function.__kwdefaults__.update(initial_backoff=BACK_OFF_S, backoff_cap=BACK_OFF_S)


HOOKS = {
    "flower-supernode": {
        "flwr.supernode.start_client_internal": in_module_with_time,
        "flwr.supercore.inflatable.inflatable_utils": in_inflatable_utils,
    },
    "flower-superexec": {"flwr.supercore.superexec.run_superexec": in_module_with_time},
    "flwr-serverapp": {
        "flwr.superlink.grid.http_grid": in_module_with_time,
        "flwr.serverapp.strategy.strategy_utils": in_strategy_utils,
        "flwr.supercore.inflatable.inflatable_utils": in_inflatable_utils,
    },
    "flwr-clientapp": {"flwr.supercore.inflatable.inflatable_utils": in_inflatable_utils},
}


if WAIT_S and ROLE in HOOKS:
    after_import(HOOKS[ROLE])
