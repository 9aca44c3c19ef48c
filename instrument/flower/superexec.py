"""Records the moment at which SuperExec starts a ClientApp or ServerApp process."""

from __future__ import annotations

import subprocess
from types import ModuleType
from typing import Any

from instrument.flower.session import guarded, probe
from instrument.records import Span


class RecordingSubprocess:
    """Stands for the module `subprocess` inside one module: records each `Popen` with the new process's id."""

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, *arguments: Any, **options: Any) -> subprocess.Popen[Any]:  # noqa: N802
        """`subprocess.Popen`, recorded."""
        start_ns = probe().clock.mono_ns()
        process = subprocess.Popen(*arguments, **options)
        guarded(_launched, process, start_ns)
        return process


def _launched(process: subprocess.Popen[Any], start_ns: int) -> None:
    current = probe()
    end_ns = current.clock.mono_ns()
    current.emit(Span(name="launch", start_mono_ns=start_ns, end_mono_ns=end_ns, count=process.pid))


def hook_subprocess_executor(module: ModuleType) -> None:
    """For `subprocess_executor`, which starts one process for each message."""
    _ = module.subprocess.Popen
    module.subprocess = RecordingSubprocess()  # type: ignore[attr-defined]
