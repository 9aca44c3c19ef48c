"""One thread for numpy's linear algebra: with more, the sums are made in another order and the bytes differ."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SETTERS = ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads")


def limit(count: int) -> None:
    """Let numpy compute on `count` threads, in this process and in those it starts.

    The variables alone come too late here: Flower has imported numpy before it imports an app, and OpenBLAS
    reads them once, when it is loaded. So the loaded library is told as well, by its own function.
    """
    os.environ.update(dict.fromkeys(VARIABLES, str(count)))
    for library in _loaded_openblas():
        for name in SETTERS:
            with suppress(AttributeError):  # each build of the library has one of the names
                getattr(library, name)(count)


def _loaded_openblas() -> list[ctypes.CDLL]:
    """The OpenBLAS libraries this process has loaded; none where the system has no /proc."""
    try:
        mapped = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    paths = {line.split(maxsplit=5)[-1] for line in mapped if "openblas" in line}
    return [ctypes.CDLL(path) for path in sorted(paths)]
