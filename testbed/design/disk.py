"""Is there room for what a plan will store: told before anything is made."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from testbed.design.estimate import Estimate
from testbed.run_folder import SPACE_NEEDED_BYTES, DiskFullError


def require_space(folder: Path, estimates: Iterable[Estimate]) -> None:
    """Raises DiskFullError where the disk of a folder, which need not be there yet, is too small for all trials."""
    sizes = [one.size_bytes for one in estimates]
    needed = max(sum(sizes), SPACE_NEEDED_BYTES)
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise DiskFullError(
            f"{folder}: {free / 1e6:,.0f} MB free on that disk, and {len(sizes)} trials may need "
            f"{needed / 1e6:,.0f} MB. Make room, or name a folder on another disk with --out."
        )
