"""A real user of this machine without any privilege, and what has to be readable to him for fedprobe to run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER_ID = 65534  # nobody
REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class OrdinaryUser:
    """Runs fedprobe as that user, whose home and state are below `home`."""

    home: Path
    readable: str

    def command(self, *argv: str | Path) -> list[str]:
        """The command line that makes root that user for one command."""
        return ["unshare", "--mount", "sh", "-ec", self.readable + _BECOME, "user", *map(str, argv)]

    def fedprobe(self, *arguments: str | Path, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """Run the command line of this checkout to its end."""
        return self.run(sys.executable, "-m", "testbed.cli", *arguments, timeout_s=timeout_s)

    def run(self, *argv: str | Path, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            self.command(*argv),
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @property
    def environment(self) -> dict[str, str]:
        """As after a login."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def processes(self) -> list[str]:
        """What that user has running, his testbed's hosts included."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                if process.stat().st_uid == USER_ID and state != "Z":
                    found.append((process / "cmdline").read_text(errors="replace").replace("\0", " ")[:90])
            except OSError:
                continue
        return found


_BECOME = f'exec setpriv --reuid {USER_ID} --regid {USER_ID} --clear-groups --inh-caps=-all --bounding-set=-all "$@"'


@contextmanager
def ordinary_user() -> Iterator[OrdinaryUser]:
    """That user, with a home of his own for the length of a `with` block."""
    place = Path(tempfile.mkdtemp(prefix="fedprobe-user-"))
    place.chmod(0o755)
    home = place / "home"
    home.mkdir()
    os.chown(home, USER_ID, USER_ID)
    try:
        yield OrdinaryUser(home=home, readable=_made_readable(place))
    finally:
        shutil.rmtree(place)


def _made_readable(place: Path) -> str:
    """Shell commands, for a mount namespace of their own, that put interpreter and checkout where he can read them.

    Each folder that is closed to others is hidden there by an empty one that holds just what is needed.
    """
    needed = {path for path in map(Path, (sys.base_prefix, sys.prefix, REPOSITORY)) if _closed_above(path)}
    lines = []
    for number, path in enumerate(sorted(needed)):
        (place / str(number)).mkdir()
        lines.append(f"mount --bind {shlex.quote(str(path))} {place}/{number}")
    closed = sorted({str(_closed_above(path)) for path in needed})
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(path)}" for path in closed]
    for number, path in enumerate(sorted(needed)):
        quoted = shlex.quote(str(path))
        lines.append(f"mkdir -p {quoted}; mount --bind {place}/{number} {quoted}")
    return "".join(f"{line}\n" for line in lines)


def _closed_above(path: Path) -> Path | None:
    """The outermost folder on the way to a path that others may not pass."""
    return next((one for one in reversed([path, *path.parents]) if not one.stat().st_mode & 0o001), None)
