"""Copies the shipped files to where the user wants them."""

from __future__ import annotations

from pathlib import Path

from testbed.dashboards.errors import InstallUsageError

SHIPPED = Path(__file__).parent / "shipped"
PROGRAMS = frozenset({"influxdb/first-start.sh"})
_SIGN = "docker-compose.yml"


def export(folder: Path) -> list[Path]:
    """Write every file; the paths, in order. Replaces an earlier export.

    Raises InstallUsageError for a folder that holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise InstallUsageError(f"{folder}: is no folder. Name one that is new, empty or an earlier export.")
    if folder.is_dir() and any(folder.iterdir()) and not _is_export(folder):
        raise InstallUsageError(
            f"{folder}: holds other files. Name a folder that is new, empty or an earlier export."
        )
    return [_copied(path, folder) for path in sorted(SHIPPED.rglob("*")) if path.is_file()]


def _is_export(folder: Path) -> bool:
    """Whether the compose file there is one of ours."""
    sign = folder / _SIGN
    return sign.is_file() and sign.read_bytes().startswith(b"# Written by fedprobe")


def _copied(path: Path, folder: Path) -> Path:
    name = path.relative_to(SHIPPED)
    made = folder / name
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_bytes(path.read_bytes())
    made.chmod(0o755 if str(name) in PROGRAMS else 0o644)
    return made
