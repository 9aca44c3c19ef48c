"""The thread's number is asked once a thread: each thread has its own, and so has a forked process."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from instrument.threads import native_id


def test_each_thread_has_the_kernels_number_of_it() -> None:
    assert native_id() == threading.get_native_id()
    with ThreadPoolExecutor(1) as pool:
        own, kernels = pool.submit(lambda: (native_id(), threading.get_native_id())).result()
    assert own == kernels != native_id()


def test_a_forked_process_has_a_number_and_a_probe_of_its_own(tmp_path) -> None:
    code = (
        "import os, threading\n"
        "from instrument.flower import session\n"
        "from instrument.threads import native_id\n"
        "parents, number = session.start('test'), native_id()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    fresh = session.probe() is not parents and native_id() == threading.get_native_id() != number\n"
        "    os._exit(0 if fresh else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0 and session.probe() is parents and native_id() == number\n"
    )
    environment = {"FEDPROBE_OUT": str(tmp_path), "PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=30)
