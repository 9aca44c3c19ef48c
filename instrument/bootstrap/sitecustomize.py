"""Runs at the start of every Python process below `fedprobe instrument`: puts the probes into Flower's processes.

The launcher puts this folder first on PYTHONPATH. Python imports one `sitecustomize` only, so the next one on
the path, the user's or the distribution's, is run from here. Nothing in this file may stop the process.
"""
# ruff: noqa: PTH120
# (pathlib is an import that the start of every Python process can spare)

import os
import sys
from importlib.machinery import PathFinder

_HERE = os.path.realpath(os.path.dirname(__file__))
_ROOT = os.path.dirname(os.path.dirname(_HERE))


def _run_next_sitecustomize() -> None:
    spec = PathFinder.find_spec("sitecustomize")
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        module = module_from_spec(spec)
        spec.loader.exec_module(module)


def _install_probes() -> None:
    if not os.environ.get("FEDPROBE_OUT") or os.environ.get("FEDPROBE_DISABLE", "0") not in ("", "0"):
        return
    try:
        from instrument import identity
    except ImportError:
        sys.path.append(_ROOT)
        from instrument import identity
    role = identity.role_of(sys.orig_argv)
    if role is not None:
        from instrument.flower.install import install

        install(role)


def _leave_path() -> None:
    """No module but this one is here: looking in vain for 1,500 of them took a ClientApp 4 ms."""
    sys.path[:] = [path for path in sys.path if os.path.realpath(path or os.curdir) != _HERE]


try:
    _install_probes()
except Exception as error:  # a probe that cannot start must not stop what it measures
    print(f"fedprobe: probes not installed: {error!r}", file=sys.stderr)
_leave_path()
_run_next_sitecustomize()
